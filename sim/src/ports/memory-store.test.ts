import { askAtOnce } from '../scheduler.ts'
import { createMemoryStore, createStateRedis } from './memory-store.ts'
import { storeConformance } from './store.conformance.ts'

storeConformance(async () => createMemoryStore({ redis: createStateRedis(), ask: askAtOnce }))
