import { askAtOnce } from '../scheduler.ts'
import { alertsConformance } from './alerts.conformance.ts'
import { createMemoryAlerts, createQueueRedis } from './memory-alerts.ts'

alertsConformance(async () => createMemoryAlerts({ redis: createQueueRedis(), ask: askAtOnce }))
