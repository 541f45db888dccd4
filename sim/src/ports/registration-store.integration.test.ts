import { randomUUID } from 'node:crypto'
import { openRegistrationStore } from '@signalbox/registration-store/registration-store'
import { onTestFinished } from 'vitest'
import { redisUrl } from './infra.fixture.ts'
import { storeConformance } from './store.conformance.ts'

storeConformance(async () => {
  const store = await openRegistrationStore({
    url: redisUrl,
    keyPrefix: `test-${randomUUID()}:`,
    log: { info: () => undefined, warn: () => undefined },
  })
  onTestFinished(() => store[Symbol.asyncDispose]())
  return store
})
