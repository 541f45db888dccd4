import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { RegistrationChange } from '@signalbox/contracts/registration-change'
import { topics } from '@signalbox/contracts/topics'
import { openInfra } from '@signalbox/embedded/infra'
import { openSupervisor, type Supervisor } from '@signalbox/embedded/supervisor'
import type { KafkaConfig } from '@signalbox/kafka/config'
import { scanTopic } from '@signalbox/kafka/log-reader'
import { openProducer } from '@signalbox/kafka/producer'
import { ensureTopics } from '@signalbox/kafka/topics'
import { createLogger } from '@signalbox/runtime/log'
import { Redis } from 'ioredis'
import kafkajs from 'kafkajs'
import { z } from 'zod'
import type { Env } from '../bench-run.ts'
import { pidsOf } from '../measure/process-usage.ts'
import { changeRecord, createChanges } from './changes.ts'
import { createMerchants, type Merchants, writeEndpoints } from './endpoints.ts'
import { type Sink, startSink } from './sink.ts'

/** Everything that all parts of a run share: one Kafka, one Redis, one sink, the endpoints. */
export type Workbench = AsyncDisposable & {
  supervisor: Supervisor
  sink: Sink
  merchants: Merchants
  changes: ReturnType<typeof createChanges>
  /** Of the webhooks, base64. */
  secret: string
  kafkaBrokers: readonly string[]
  redisUrl: string
  /** None when Kafka and Redis are no processes of this run. */
  pids: { redis: readonly number[]; broker: readonly number[] }
  /** What the alerts service is configured with. */
  alertsEnvironment: Record<string, string>
  /** Empties Redis, the topics and the counts of the sink, so that nothing of one measurement is left in the next. */
  clear(): Promise<void>
  /** Appends them, as caused now, to a topic of changes. */
  append(topic: string, changes: readonly RegistrationChange[]): Promise<void>
  /** Obligations of the alerts service that are not settled. */
  owed(): Promise<number>
  /** How many different alerts have a receipt, and how many of these were given up. */
  receipts(): Promise<{ alerts: number; givenUp: number }>
}

/** The changes that the obvious implementation reads. */
export const obviousTopic = `obvious.${topics.changes.name}`

/** Calls that each implementation makes at the same time. */
export const concurrency = 100

const keyPrefix = 'bench:'
const appendedAtOnce = 5_000
const appendDeadlineMs = 30_000

const receipt = z.object({ alertId: z.string(), outcome: z.string() })

/** Starts Kafka, Redis and the sink, makes topics and endpoints. Disposal ends and removes everything. */
export async function openWorkbench(options: {
  env: Env
  partitions: number
  endpoints: number
  progress: (message: string) => void
}): Promise<Workbench> {
  const { env, partitions, endpoints, progress } = options
  await using opened = new AsyncDisposableStack()
  progress('starting Kafka and Redis')
  const infra = opened.use(await openInfra({ env, redisCount: 1, forLoad: true, onProgress: progress }))
  const supervisor = opened.use(await openSupervisor({ keptFolder: null, name: 'bench' }))
  const { kafkaBrokers, redisUrls, faults } = infra
  const [redisUrl] = redisUrls
  assert(redisUrl !== undefined, 'one Redis was asked for')

  const log = createLogger('bench', { level: 'silent' })
  const kafka: KafkaConfig = {
    brokers: kafkaBrokers,
    tls: false,
    partitions,
    replication: 1,
    createTopics: true,
  }
  const { changes, receipts } = topics
  await ensureTopics(kafka, [changes, receipts, topics.endpoints, { ...changes, name: obviousTopic }], {
    log,
  })
  const producer = opened.use(await openProducer(kafka, { clientId: 'bench', log }))
  const redis = opened.adopt(new Redis(redisUrl), (client) => client.disconnect())

  const sink = opened.use(await startSink({ supervisor }))
  const merchants = createMerchants({ endpoints })
  const secret = randomBytes(32)
  const files = await writeEndpoints(join(supervisor.folder, 'endpoints'), {
    merchants,
    sinkUrl: sink.url,
    secret,
  })

  const resources = opened.move()
  return {
    supervisor,
    sink,
    merchants,
    changes: createChanges(),
    secret: secret.toString('base64'),
    kafkaBrokers,
    redisUrl,
    pids: { redis: pidsOf(faults?.redis ?? []), broker: pidsOf(faults?.kafka ?? []) },
    alertsEnvironment: {
      KAFKA_BROKERS: kafkaBrokers.join(','),
      KAFKA_CREATE_TOPICS: 'true',
      TOPIC_PARTITIONS: String(partitions),
      TOPIC_REPLICATION: '1',
      QUEUE_REDIS_URL: redisUrl,
      REDIS_KEY_PREFIX: keyPrefix,
      ...files,
      ALERT_ALLOW_INSECURE_ENDPOINTS: 'true',
      ALERT_CONCURRENCY: String(concurrency),
      LISTEN_HOST: '127.0.0.1',
      OPS_PORT: '0',
      LOG_LEVEL: 'info',
    },
    async clear() {
      await redis.flushall()
      await deleteRecords(kafkaBrokers, [changes.name, receipts.name, obviousTopic])
      await sink.clear()
    },
    async append(topic, some) {
      for (let start = 0; start < some.length; start += appendedAtOnce) {
        const slice = some.slice(start, start + appendedAtOnce)
        const records = slice.map((change) => changeRecord(change, { topic, partitions, timeMs: Date.now() }))
        await producer.publish(records, { deadlineMs: appendDeadlineMs })
      }
    },
    async owed() {
      const keys = Array.from({ length: partitions }, (_, n) => `${keyPrefix}{c${n}}:owed`)
      const counts = await Promise.all(keys.map((key) => redis.zcard(key)))
      return counts.reduce((sum, count) => sum + count, 0)
    },
    async receipts() {
      const outcomes = new Map<string, string>()
      await scanTopic(kafka, receipts.name, {
        visit(records) {
          for (const { value } of records) {
            const { alertId, outcome } = receipt.parse(JSON.parse(String(value)))
            outcomes.set(alertId, outcome)
          }
        },
      })
      const givenUp = [...outcomes.values()].filter((outcome) => outcome !== 'delivered')
      return { alerts: outcomes.size, givenUp: givenUp.length }
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

async function deleteRecords(brokers: string[], names: readonly string[]): Promise<void> {
  const admin = new kafkajs.Kafka({ clientId: 'bench', brokers, logLevel: kafkajs.logLevel.NOTHING }).admin()
  await admin.connect()
  try {
    for (const topic of names) {
      const offsets = await admin.fetchTopicOffsets(topic)
      const partitions = offsets
        .filter(({ low, high }) => low !== high)
        .map(({ partition, high }) => ({ partition, offset: high }))
      if (partitions.length > 0) await admin.deleteTopicRecords({ topic, partitions })
    }
  } finally {
    await admin.disconnect()
  }
}
