import { openRedisLink } from '@signalbox/redis-link/redis-link'
import { randomUUID } from 'node:crypto'
import { type AlertReceipt, alertId, alertReceipt } from '@signalbox/contracts/alert'
import { registrationKey } from '@signalbox/contracts/keys'
import { encodeChange, type RegistrationChange } from '@signalbox/contracts/registration-change'
import { topics } from '@signalbox/contracts/topics'
import type { KafkaConfig } from '@signalbox/kafka/config'
import { readTopic } from '@signalbox/kafka/log-reader'
import { partitionOf } from '@signalbox/kafka/partition'
import { openProducer, type Producer } from '@signalbox/kafka/producer'
import { ensureTopics } from '@signalbox/kafka/topics'
import { createLogger } from '@signalbox/runtime/log'
import { createMetrics } from '@signalbox/runtime/metrics'
import { expect, onTestFinished } from 'vitest'
import { createAlertBook } from './adapters/alert-book.ts'
import { type AlertQueue, openAlertQueue } from './adapters/alert-queue.ts'
import { type DeliverySettings, openDelivery } from './delivery/open-delivery.ts'
import type { Endpoint } from './endpoints/endpoint-directory.ts'
import { changeOf } from './fan-out/change.fixture.ts'
import { openFanOut } from './fan-out/open-fan-out.ts'
import { kafkaBrokers, redisUrl } from './infra.fixture.ts'
import { type AnswerWebhook, openMerchantSink } from './merchant-sink.fixture.ts'
import { createReport } from './report.ts'

const partitions = 2
const kafka: KafkaConfig = {
  brokers: kafkaBrokers,
  tls: false,
  partitions,
  replication: 1,
  createTopics: true,
}
const log = createLogger('alerts-test', { level: 'silent' })
export const waiting = { timeout: 30_000, interval: 50 }

export function use<T extends AsyncDisposable>(opened: T): T {
  onTestFinished(async () => opened[Symbol.asyncDispose]())
  return opened
}

/** Topics and keys of its own, a producer that plays the processor, and the parts of the service to open. */
export async function openScene({ url = redisUrl } = {}) {
  const id = randomUUID().slice(0, 8)
  const names = { changes: `${topics.changes.name}.${id}`, receipts: `${topics.receipts.name}.${id}` }
  await ensureTopics(
    kafka,
    [
      { ...topics.changes, name: names.changes },
      { ...topics.receipts, name: names.receipts },
    ],
    { log },
  )
  const producer = use(await openProducer(kafka, { clientId: 'alerts-test', log }))
  const redis = { url, keyPrefix: `test-${id}:` }
  const link = use(await openRedisLink({ url, variable: 'QUEUE_REDIS_URL', log }))
  const queue = use(openAlertQueue({ redis: link.redis, keyPrefix: redis.keyPrefix, log }))
  const book = createAlertBook({ redis: link.redis, keyPrefix: redis.keyPrefix, partitions })
  const metrics = createMetrics('alerts-test')
  const report = createReport({ log, metrics })
  const listening: Endpoint[] = []
  const endpoints = {
    of: () => listening,
    find: (endpointId: string) => listening.find((endpoint) => endpoint.id === endpointId),
    endpointCount: 0,
  }
  const shared = { kafka, book, queue, endpoints, log, report }

  return {
    names,
    link,
    keyPrefix: redis.keyPrefix,
    book,
    queue,
    metrics,
    async addSink(answer?: AnswerWebhook) {
      const sink = use(await openMerchantSink(`endpoint-${listening.length}`, answer))
      listening.push(sink.endpoint)
      return sink
    },
    openFanOut: async (ports: { queue?: Pick<AlertQueue, 'add'> } = {}) =>
      use(await openFanOut({ ...shared, ...ports, topic: names.changes, groupId: `alerts-${id}` })),
    openDelivery(
      options: {
        settings?: Partial<DeliverySettings>
        stop?: AbortSignal
        producer?: Pick<Producer, 'publish'>
      } = {},
    ) {
      const { settings, stop = new AbortController().signal } = options
      return use(
        openDelivery({
          ...shared,
          redis,
          producer: options.producer ?? producer,
          receiptsTopic: names.receipts,
          settings: {
            concurrency: 20,
            timeoutMs: 5_000,
            backoffMs: [200, 200, 200],
            sweep: { everyMs: 200, olderThanMs: 0 },
            ...settings,
          },
          stop,
        }),
      )
    },
    producer,
    async publish(...changes: RegistrationChange[]) {
      const records = changes.map((change) => {
        const { key, value, headers } = encodeChange(change, {
          timeMs: Date.UTC(2026, 0, 2),
          traceparent: null,
        })
        return { topic: names.changes, partition: partitionOf(key, partitions), key, value, headers }
      })
      await producer.publish(records, { deadlineMs: 10_000 })
    },
    async receipts(): Promise<AlertReceipt[]> {
      const records = await readTopic(kafka, names.receipts)
      return records.map(({ value }) => alertReceipt.parse(JSON.parse(String(value))))
    },
    async owed(): Promise<number> {
      const counts = await Promise.all([0, 1].map((partition) => book.owedCount(partition)))
      return counts.reduce((sum, count) => sum + count, 0)
    },
    /** Waits until the fan-out has come to the end of what was published. */
    async untilFannedOut(published: number) {
      await expect.poll(async () => fannedOut(), waiting).toBe(published)
    },
  }

  async function fannedOut(): Promise<number> {
    const watermarks = await Promise.all([0, 1].map((partition) => book.watermark(partition)))
    return watermarks.reduce((sum, watermark) => sum + Number(watermark?.split(' ').at(-1) ?? 0), 0)
  }
}

export const merchants = (count: number) =>
  Array.from({ length: count }, (_, index) =>
    changeOf({
      registration: { clientId: 'client', referenceMerchantId: `merchant-${index}`, referenceStoreId: null },
    }),
  )

export const idOf = (change: RegistrationChange, endpointId = 'endpoint-0') =>
  alertId({
    registrationKey: registrationKey(change.registration),
    version: change.version,
    endpointId,
  })
