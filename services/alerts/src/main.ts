import { topics } from '@signalbox/contracts/topics'
import { openPartitionReader } from '@signalbox/kafka/partition-reader'
import { openProducer } from '@signalbox/kafka/producer'
import { clusterId as readClusterId, ensureTopics } from '@signalbox/kafka/topics'
import { openRedisLink } from '@signalbox/redis-link/redis-link'
import { createLogger } from '@signalbox/runtime/log'
import { createMetrics } from '@signalbox/runtime/metrics'
import { openOpsServer } from '@signalbox/runtime/ops-server'
import { stopSignal, untilStopped } from '@signalbox/runtime/stop'
import { createAlertBook } from './adapters/alert-book.ts'
import { openAlertQueue } from './adapters/alert-queue.ts'
import { readConfig } from './config.ts'
import { openDelivery } from './delivery/open-delivery.ts'
import { createMailSender } from './email/mail-sender.ts'
import { openEndpoints } from './endpoints/open-endpoints.ts'
import { openFanOuts } from './fan-out/open-fan-outs.ts'
import { readFiles } from './read-files.ts'
import { openReceipts } from './receipts/open-receipts.ts'
import { createReport } from './report.ts'

// Changes in; jobs for every endpoint that is to hear of them; signed webhooks, e-mails and receipts out.
const stop = stopSignal({ service: 'alerts', deadlineMs: 20_000 })
const config = readConfig(process.env)
const { kafka, redisUrl, keyPrefix, delivery: settings } = config
const files = readFiles(config)
const log = createLogger('alerts', { level: config.logLevel })
const metrics = createMetrics('alerts')
const report = createReport({ log, metrics })

await ensureTopics(kafka, [topics.changes, topics.endpoints, topics.receipts], { log })
const clusterId = await readClusterId(kafka, { log })
await using producer = await openProducer(kafka, { clientId: 'signalbox-alerts', log })
await using reader = await openPartitionReader(kafka, { clientId: 'signalbox-alerts', log })
const variable = 'QUEUE_REDIS_URL, else REDIS_URL'
await using link = await openRedisLink({ url: redisUrl, variable, autoPipelining: true, log })
// Of its own, so that no delivery waits behind what the fan-out sends.
await using fanOutLink = await openRedisLink({ url: redisUrl, variable, autoPipelining: true, log })
const shared = { redis: link.redis, keyPrefix, kafka, clusterId, reader, producer, topics, report, log }
await using endpoints = await openEndpoints({ ...shared, ...files })
await using queue = openAlertQueue({ ...shared, redis: fanOutLink.redis })
const book = createAlertBook(shared)
await using receipts = await openReceipts({
  ...shared,
  book,
  topic: topics.receipts.name,
  groupId: 'alerts-receipts',
})
await using mail = createMailSender({
  config: config.mail,
  keys: files.keys,
  now: Date.now,
  timeoutMs: settings.timeoutMs,
})
const parts = { ...shared, ...files, book, queue, endpoints, mail, receiptsSeen: receipts.seen }
await using delivery = openDelivery({ ...parts, redisUrl, settings, stop })
await using fanOuts = await openFanOuts({ ...parts, redis: fanOutLink.redis, groupId: 'alerts' })
const isBack = 'the queue Redis is back and may have lost something'
link.onReconnect(() => receipts.reattach(isBack))
fanOutLink.onReconnect(() => fanOuts.changes.reattach(isBack))
await using ops = await openOpsServer({
  ...config.ops,
  log,
  metrics,
  checks: {
    endpoints: () => endpoints.follower.state(),
    receipts: receipts.state,
    fanOut: fanOuts.changes.state,
    endpointsFanOut: fanOuts.endpoints.state,
    delivery: delivery.state,
    producer: () => producer.isReady(),
    redis: link.ping,
  },
})

log.info({ opsPort: ops.port, ...endpoints.declared }, 'alerts.started')
await untilStopped(stop, [endpoints.follower.failed, receipts.failed, ...fanOuts.failed])
log.info('alerts.stopping')
