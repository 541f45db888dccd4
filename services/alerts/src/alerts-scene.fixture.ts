import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAttemptLog } from '@signalbox/alert-endpoints/attempt-log'
import {
  changeEndpoint,
  type EndpointChange,
  type EndpointSettings,
  standardSettings,
} from '@signalbox/alert-endpoints/endpoint'
import { createHealthStore } from '@signalbox/alert-endpoints/endpoint-health'
import { sealHeaders } from '@signalbox/alert-endpoints/sealed-headers'
import { readSealingKeys } from '@signalbox/alert-endpoints/sealing'
import { type AlertReceipt, alertId, alertReceipt } from '@signalbox/contracts/alert'
import { merchantKey, registrationKey } from '@signalbox/contracts/keys'
import { encodeChange, type RegistrationChange } from '@signalbox/contracts/registration-change'
import { topics } from '@signalbox/contracts/topics'
import type { KafkaConfig } from '@signalbox/kafka/config'
import { readTopic } from '@signalbox/kafka/log-reader'
import { partitionOf } from '@signalbox/kafka/partition'
import { openPartitionReader } from '@signalbox/kafka/partition-reader'
import { openProducer, type Producer } from '@signalbox/kafka/producer'
import { clusterId as readClusterId, ensureTopics } from '@signalbox/kafka/topics'
import { openRedisLink } from '@signalbox/redis-link/redis-link'
import { createLogger } from '@signalbox/runtime/log'
import { createMetrics } from '@signalbox/runtime/metrics'
import { createAddressGuard } from '@signalbox/webhook-sender/address-guard'
import type { Answer } from '@signalbox/webhook-sender/send-webhook'
import { expect, onTestFinished } from 'vitest'
import { createAlertBook } from './adapters/alert-book.ts'
import { openAlertQueue } from './adapters/alert-queue.ts'
import { type DeliverySettings, openDelivery } from './delivery/open-delivery.ts'
import { openEndpoints } from './endpoints/open-endpoints.ts'
import { changeOf } from './fan-out/change.fixture.ts'
import type { FanOutPorts } from './fan-out/fan-out.ts'
import { openFanOuts } from './fan-out/open-fan-outs.ts'
import { kafkaBrokers, redisUrl } from './infra.fixture.ts'
import { type AnswerWebhook, openMerchantSink } from './merchant-sink.fixture.ts'
import { openReceipts } from './receipts/open-receipts.ts'
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
/** Sinks listen on 127.0.0.1. */
const guard = createAddressGuard({ allowHttp: true, allowedNetworks: ['127.0.0.0/8'], ports: null })

export function use<T extends AsyncDisposable>(opened: T): T {
  onTestFinished(async () => opened[Symbol.asyncDispose]())
  return opened
}

/** Topics and keys of its own, a producer that plays the processor, and the parts of the service to open. */
export async function openScene({ url = redisUrl } = {}) {
  const id = randomUUID().slice(0, 8)
  const own = {
    changes: { ...topics.changes, name: `${topics.changes.name}.${id}` },
    receipts: { ...topics.receipts, name: `${topics.receipts.name}.${id}` },
    endpoints: { ...topics.endpoints, name: `${topics.endpoints.name}.${id}` },
  }
  await ensureTopics(kafka, Object.values(own), { log })
  const clusterId = await readClusterId(kafka, { log })
  const producer = use(await openProducer(kafka, { clientId: 'alerts-test', log }))
  const reader = use(await openPartitionReader(kafka, { clientId: 'alerts-test', log }))
  const link = use(await openRedisLink({ url, variable: 'QUEUE_REDIS_URL', autoPipelining: true, log }))
  const keyPrefix = `test-${id}:`
  const store = { redis: link.redis, keyPrefix }
  const keys = sealingKeys()
  const metrics = createMetrics('alerts-test')
  const report = createReport({ log, metrics })
  const queue = use(openAlertQueue({ ...store, log }))
  const book = createAlertBook(store)
  const shared = { ...store, kafka, clusterId, reader, producer, topics: own, log, report }
  const endpoints = use(await openEndpoints({ ...shared, declared: [], keys }))
  const receipts = use(
    await openReceipts({ ...shared, book, topic: own.receipts.name, groupId: `receipts-${id}` }),
  )
  const again = 'the queue Redis is back and may have lost something'
  link.onReconnect(() => receipts.reattach(again))
  const parts = { ...shared, book, queue, endpoints, receiptsSeen: receipts.seen }
  /** Partitions whose receipts a delivery has waited for. */
  const waitedFor: number[] = []
  let sinks = 0

  return {
    link,
    keyPrefix,
    book,
    queue,
    metrics,
    endpoints,
    waitedFor,
    attempts: createAttemptLog(store),
    health: createHealthStore(store),
    /** A merchant's endpoint that hears of all merchants unless told otherwise, verified. */
    async addSink(
      answer?: AnswerWebhook,
      {
        merchant = '*',
        headers = {},
        ...settings
      }: Partial<EndpointSettings> & { merchant?: string; headers?: Record<string, string> } = {},
    ) {
      const sink = use(await openMerchantSink(`endpoint-${sinks++}`, answer))
      const { id: endpointId, url: target, secret } = sink.endpoint
      const made = await endpoints.writer.change(endpointId, (known, nowMs) =>
        changeEndpoint(
          known,
          {
            kind: 'declare',
            endpointId,
            clientId: 'client',
            merchant,
            settings: {
              ...standardSettings,
              target: {
                type: 'webhook',
                url: target,
                headers: sealHeaders(headers, { endpointId, known, keys }),
              },
              ...settings,
            },
            secret: { secretId: 'one', sealed: keys.seal(secret, { endpointId }) },
            activeFrom: new Date(0).toISOString(),
          },
          { nowMs, by: 'test' },
        ),
      )
      expect(made.kind).toBe('changed')
      return sink
    },
    /** What an operator does to the first sink's endpoint; deliveries know of it a second later at most. */
    async change(wanted: EndpointChange) {
      const { kind } = await endpoints.writer.change('endpoint-0', (known, nowMs) =>
        changeEndpoint(known, wanted, { nowMs, by: 'operator' }),
      )
      expect(kind).toBe('changed')
    },
    async openFanOut(ports: { queue?: FanOutPorts['queue'] } = {}) {
      const opened = use(
        await openFanOuts({ ...parts, queue: { ...queue, ...ports.queue }, groupId: `alerts-${id}` }),
      )
      link.onReconnect(() => opened.changes.reattach(again))
      return opened
    },
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
          ...parts,
          redisUrl: url,
          producer: options.producer ?? producer,
          receiptsSeen: {
            isDoubtful: (partition) => receipts.seen.isDoubtful(partition),
            async upTo(partition) {
              waitedFor.push(partition)
              await receipts.seen.upTo(partition)
            },
          },
          keys,
          signingKey: null,
          guard,
          mail: { sendMail: noMail, sendVerification: noMail },
          settings: {
            concurrency: 20,
            timeoutMs: 5_000,
            backoffMs: [200, 200, 200],
            endpointConcurrency: 4,
            failureBudgetMs: 5 * 24 * 60 * 60 * 1_000,
            probeEveryMs: 60 * 60 * 1_000,
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
        return { topic: own.changes.name, partition: partitionFor(change), key, value, headers }
      })
      await producer.publish(records, { deadlineMs: 10_000 })
    },
    /** What Redis holds under this scene's keys, and the topics of endpoints and receipts. */
    async everythingHeld(): Promise<string[]> {
      const { redis } = link
      const ofKeys = (await redis.keys(`${keyPrefix}*`)).map(async (key) => {
        switch (await redis.type(key)) {
          case 'hash':
            return JSON.stringify(await redis.hgetall(key))
          case 'stream':
            return JSON.stringify(await redis.xrange(key, '-', '+'))
          case 'zset':
            return JSON.stringify(await redis.zrange(key, 0, '-1'))
          case 'string':
            return `${await redis.get(key)}`
          default:
            return key
        }
      })
      const records = await Promise.all(
        [own.endpoints, own.receipts].map(({ name }) => readTopic(kafka, name)),
      )
      return [...(await Promise.all(ofKeys)), ...records.flat().map(({ value }) => String(value))]
    },
    async receipts(): Promise<AlertReceipt[]> {
      const records = await readTopic(kafka, own.receipts.name)
      return records.map(({ value }) => alertReceipt.parse(JSON.parse(String(value))))
    },
    async owed(): Promise<number> {
      const counts = await Promise.all([0, 1].map((partition) => book.owedCount(partition)))
      return counts.reduce((sum, count) => sum + count, 0)
    },
    /** Those of these alerts that have a marker. */
    async settledAmong(ids: readonly string[]): Promise<Set<string>> {
      const found = await Promise.all([0, 1].map((partition) => book.settledAmong(partition, ids)))
      return new Set(found.flatMap((some) => [...some]))
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

async function noMail(): Promise<Answer> {
  return { kind: 'none', error: 'mail_unavailable' }
}

/** As the processor does it: all changes of a merchant meet in one partition. */
function partitionFor({ registration }: RegistrationChange): number {
  return partitionOf(merchantKey(registration), partitions)
}

/** One sealing key, as an operator would write it down. */
function sealingKeys() {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-keys-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'key'), randomBytes(32).toString('base64'), { mode: 0o600 })
  const file = join(folder, 'keys.json')
  writeFileSync(file, JSON.stringify({ keys: [{ keyId: 'k1', state: 'active', keyFile: 'key' }] }))
  return readSealingKeys(file)
}

export const merchants = (count: number, version = 2) =>
  Array.from({ length: count }, (_, index) =>
    changeOf({
      registration: { clientId: 'client', referenceMerchantId: `merchant-${index}`, referenceStoreId: null },
      version,
    }),
  )

export const idOf = (change: RegistrationChange, endpointId = 'endpoint-0') =>
  alertId({ subject: registrationKey(change.registration), version: change.version, endpointId })
