import assert from 'node:assert/strict'
import { topics, type TopicContract } from '@signalbox/contracts/topics'
import { openInfra } from '@signalbox/embedded/infra'
import { openSupervisor, type Supervisor } from '@signalbox/embedded/supervisor'
import { openProducer } from '@signalbox/kafka/producer'
import { ensureTopics } from '@signalbox/kafka/topics'
import {
  openRegistrationStore,
  type RegistrationStore,
} from '@signalbox/registration-store/registration-store'
import { createLogger } from '@signalbox/runtime/log'
import { Redis } from 'ioredis'
import kafkajs, { type Admin } from 'kafkajs'
import type { Env } from '../bench-run.ts'
import { pidsOf } from '../measure/process-usage.ts'
import type { ServerPids } from './measure/measurement.ts'
import { type Notification, rawRecord } from './streams.ts'
import type { ObviousSettings } from './variants/obvious-settings.ts'

/** Everything that all parts of a run share: one Kafka, one Redis, the topics of both implementations. */
export type Workbench = AsyncDisposable & {
  supervisor: Supervisor
  partitions: number
  pids: ServerPids
  store: RegistrationStore
  redis: Redis
  admin: Admin
  /** What the processor is configured with. */
  processorEnvironment: Record<string, string>
  obvious: ObviousSettings
  /** Appends them to a raw topic, in their order within each partition. */
  append: (topic: string, notifications: readonly Notification[]) => Promise<void>
  /** How many records a topic holds, and its end in each partition. */
  extentOf: (topic: string) => Promise<{ records: number; ends: Map<number, bigint> }>
}

export const keyPrefix = 'bench:'
const appendedAtOnce = 5_000
const appendDeadlineMs = 30_000

/** Starts Kafka and Redis and makes the topics. Disposal ends and removes everything. */
export async function openWorkbench(options: {
  env: Env
  partitions: number
  progress: (message: string) => void
}): Promise<Workbench> {
  const { env, partitions, progress } = options
  await using opened = new AsyncDisposableStack()
  progress('starting Kafka and Redis')
  const infra = opened.use(await openInfra({ env, redisCount: 1, forLoad: true, onProgress: progress }))
  const supervisor = opened.use(await openSupervisor({ keptFolder: null, name: 'bench' }))
  const { kafkaBrokers, redisUrls, faults } = infra
  const [redisUrl] = redisUrls
  assert(redisUrl !== undefined, 'one Redis was asked for')

  const log = createLogger('bench', { level: 'silent' })
  const kafka = { brokers: kafkaBrokers, tls: false, partitions, replication: 1, createTopics: true }
  const { raw, changes, state, quarantine } = topics
  const ours = [raw, changes, state, quarantine]
  const theirs = [raw, changes, state].map(ofObvious)
  await ensureTopics(kafka, [...ours, ...theirs], { log })

  const admin = new kafkajs.Kafka({
    clientId: 'bench',
    brokers: kafkaBrokers,
    logLevel: kafkajs.logLevel.NOTHING,
  }).admin()
  await admin.connect()
  opened.defer(() => admin.disconnect())
  const producer = opened.use(await openProducer(kafka, { clientId: 'bench', log }))
  const store = opened.use(await openRegistrationStore({ url: redisUrl, keyPrefix, log }))
  const redis = opened.adopt(new Redis(redisUrl), (client) => client.disconnect())

  const resources = opened.move()
  return {
    supervisor,
    partitions,
    pids: { redis: pidsOf(faults?.redis ?? []), broker: pidsOf(faults?.kafka ?? []) },
    store,
    redis,
    admin,
    processorEnvironment: {
      KAFKA_BROKERS: kafkaBrokers.join(','),
      TOPIC_PARTITIONS: String(partitions),
      TOPIC_REPLICATION: '1',
      REDIS_URL: redisUrl,
      REDIS_KEY_PREFIX: keyPrefix,
      LISTEN_HOST: '127.0.0.1',
      OPS_PORT: '0',
      LOG_LEVEL: 'info',
    },
    obvious: {
      brokers: kafkaBrokers,
      groupId: 'obvious',
      topics: {
        raw: ofObvious(raw).name,
        changes: ofObvious(changes).name,
        state: ofObvious(state).name,
      },
      redisUrl,
      registrations: 'obvious:registrations',
      seen: 'obvious:seen:',
    },
    async append(topic, notifications) {
      for (let start = 0; start < notifications.length; start += appendedAtOnce) {
        const some = notifications.slice(start, start + appendedAtOnce)
        const records = some.map((notification) => rawRecord(notification, { topic, partitions }))
        await producer.publish(records, { deadlineMs: appendDeadlineMs })
      }
    },
    async extentOf(topic) {
      const offsets = await admin.fetchTopicOffsets(topic)
      return {
        records: offsets.reduce((sum, { low, high }) => sum + Number(high) - Number(low), 0),
        ends: new Map(offsets.map(({ partition, high }) => [partition, BigInt(high)])),
      }
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

/** The same topic, for the other implementation alone. */
function ofObvious(topic: TopicContract): TopicContract {
  return { ...topic, name: `obvious.${topic.name}` }
}
