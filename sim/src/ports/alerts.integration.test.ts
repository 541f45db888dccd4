import { randomUUID } from 'node:crypto'
import { createAlertBook } from '@signalbox/alerts/alert-book'
import { openAlertQueue } from '@signalbox/alerts/alert-queue'
import { openRedisLink } from '@signalbox/redis-link/redis-link'
import { createLogger } from '@signalbox/runtime/log'
import { onTestFinished } from 'vitest'
import { alertsConformance } from './alerts.conformance.ts'
import { redisUrl } from './infra.fixture.ts'

const log = createLogger('sim-test', { level: 'silent' })

alertsConformance(async () => {
  const opened = new AsyncDisposableStack()
  onTestFinished(() => opened.disposeAsync())
  const keyPrefix = `test-${randomUUID()}:`
  const { redis } = opened.use(await openRedisLink({ url: redisUrl, variable: 'REDIS_URL', log }))
  const queue = opened.use(openAlertQueue({ redis, keyPrefix, log }))
  return { book: createAlertBook({ redis, keyPrefix }), queue }
})
