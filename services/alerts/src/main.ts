import { topics } from '@signalbox/contracts/topics'
import { openProducer } from '@signalbox/kafka/producer'
import { ensureTopics } from '@signalbox/kafka/topics'
import { openRedisLink } from '@signalbox/redis-link/redis-link'
import { createLogger } from '@signalbox/runtime/log'
import { createMetrics } from '@signalbox/runtime/metrics'
import { openOpsServer } from '@signalbox/runtime/ops-server'
import { stopSignal, untilStopped } from '@signalbox/runtime/stop'
import { createAlertBook } from './adapters/alert-book.ts'
import { openAlertQueue } from './adapters/alert-queue.ts'
import { readConfig } from './config.ts'
import { openDelivery } from './delivery/open-delivery.ts'
import { loadEndpointDirectory } from './endpoints/endpoint-directory.ts'
import { openFanOut } from './fan-out/open-fan-out.ts'
import { createReport } from './report.ts'

// Changes in; jobs for every endpoint that is to hear of them; signed webhooks and receipts out.
const stop = stopSignal({ service: 'alerts', deadlineMs: 20_000 })
const config = readConfig(process.env)
const { kafka, redis } = config
const log = createLogger('alerts', { level: config.logLevel })
const metrics = createMetrics('alerts')
const report = createReport({ log, metrics })
const endpoints = loadEndpointDirectory(config.endpointsFile, config.endpoints)

await ensureTopics(kafka, [topics.changes, topics.receipts], { log })
await using producer = await openProducer(kafka, { clientId: 'signalbox-alerts', log })
await using link = await openRedisLink({ url: redis.url, variable: 'QUEUE_REDIS_URL, else REDIS_URL', log })
await using queue = openAlertQueue({ redis: link.redis, keyPrefix: redis.keyPrefix, log })
const book = createAlertBook({ redis: link.redis, keyPrefix: redis.keyPrefix, partitions: kafka.partitions })
const shared = { kafka, book, queue, endpoints, log, report }
await using delivery = openDelivery({
  ...shared,
  redis,
  producer,
  receiptsTopic: topics.receipts.name,
  settings: config.delivery,
  stop,
})
await using fanOut = await openFanOut({ ...shared, topic: topics.changes.name, groupId: 'alerts' })
link.onReconnect(() => fanOut.reattach('the queue Redis is back and may have lost something'))
await using ops = await openOpsServer({
  ...config.ops,
  log,
  metrics,
  checks: {
    fanOut: fanOut.state,
    delivery: delivery.state,
    producer: () => producer.isReady(),
    redis: link.ping,
  },
})

log.info({ opsPort: ops.port, endpoints: endpoints.endpointCount }, 'alerts.started')
await untilStopped(stop, [fanOut.failed])
log.info('alerts.stopping')
