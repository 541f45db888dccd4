import { randomUUID } from 'node:crypto'
import { endpointKey, endpointMerchantKey } from '@signalbox/contracts/endpoint-record'
import { topics } from '@signalbox/contracts/topics'
import type { KafkaConfig } from '@signalbox/kafka/config'
import { readTopic } from '@signalbox/kafka/log-reader'
import { partitionOf } from '@signalbox/kafka/partition'
import { openPartitionReader } from '@signalbox/kafka/partition-reader'
import { openProducer, type Producer } from '@signalbox/kafka/producer'
import { clusterId, ensureTopics } from '@signalbox/kafka/topics'
import { openRedisLink } from '@signalbox/redis-link/redis-link'
import { createLogger } from '@signalbox/runtime/log'
import { inject, onTestFinished } from 'vitest'
import { createEndpointWriter, type EndpointWriterPorts } from './change-endpoint.ts'
import type { Endpoint } from './endpoint.ts'
import { createEndpointView } from './endpoint-view.ts'
import { openEndpointFollower } from './follow-endpoints.ts'

declare module 'vitest' {
  interface ProvidedContext {
    kafkaBrokers: string[]
    redisUrl: string
  }
}

export const partitions = 3
const kafka: KafkaConfig = {
  brokers: inject('kafkaBrokers'),
  tls: false,
  partitions,
  replication: 1,
  createTopics: true,
}
const quiet = createLogger('endpoints-test', { level: 'silent' })

function use<T extends AsyncDisposable>(opened: T): T {
  onTestFinished(async () => opened[Symbol.asyncDispose]())
  return opened
}

/** A topic and keys of its own, and the parts of as many processes as a test opens. */
export async function openScene() {
  const id = randomUUID().slice(0, 8)
  const topic = `${topics.endpoints.name}.${id}`
  const keyPrefix = `test-endpoints-${id}:`
  await ensureTopics(kafka, [{ ...topics.endpoints, name: topic }], { log: quiet })
  const cluster = await clusterId(kafka)
  const producer = use(await openProducer(kafka, { clientId: 'endpoints-test', log: quiet }))
  const openLink = async () =>
    use(await openRedisLink({ url: inject('redisUrl'), variable: 'QUEUE_REDIS_URL', log: quiet }))
  const { redis } = await openLink()
  const ownKeys = () => redis.keys(`${keyPrefix}*`)
  onTestFinished(async () => void (await dropKeys()))

  async function dropKeys(): Promise<number> {
    const found = await ownKeys()
    return found.length === 0 ? 0 : redis.del(...found)
  }

  /** What one process has of it. It looks at the topic when asked, and by itself once a minute unless told otherwise. */
  async function openProcess({
    now = () => Date.now(),
    followerEveryMs = 60_000,
    followedCluster = cluster,
    believesShorterLogAfterMs = 30_000,
    ...differs
  }: Partial<EndpointWriterPorts> & {
    followerEveryMs?: number
    followedCluster?: string
    believesShorterLogAfterMs?: number
  } = {}) {
    const link = await openLink()
    const reader = use(await openPartitionReader(kafka, { clientId: 'endpoints-test', log: quiet }))
    const view = createEndpointView({ redis: link.redis, keyPrefix, partitions })
    const events: { event: string; fields: object }[] = []
    const note = (fields: object, event: string) => void events.push({ event, fields })
    const follower = use(
      openEndpointFollower({
        reader,
        view,
        topic,
        partitions,
        clusterId: followedCluster,
        log: { info: note, warn: note, error: note },
        everyMs: followerEveryMs,
        believesShorterLogAfterMs,
      }),
    )
    const writer = createEndpointWriter({
      redis: link.redis,
      keyPrefix,
      view,
      follower,
      producer,
      topic,
      partitions,
      now,
      ...differs,
    })
    return { view, follower, writer, events }
  }

  /** Appends records as they are, past the writer; null takes one out. */
  async function write(
    ...records: readonly (Endpoint | { key: string; partition: number; value: string | null })[]
  ): Promise<void> {
    const encoded = records.map((record) => {
      if ('key' in record) return { topic, ...record }
      const partition = partitionOf(endpointMerchantKey(record), partitions)
      return { topic, partition, key: endpointKey(record), value: JSON.stringify(record) }
    })
    await producer.publish(encoded, { deadlineMs: 10_000 })
  }

  /** Everything that Redis holds of this scene, as one text. */
  async function redisContent(): Promise<string> {
    const dumps = (await ownKeys()).map(async (key) => {
      switch (await redis.type(key)) {
        case 'hash':
          return [key, ...(await redis.hvals(key))]
        case 'zset':
          return [key, ...(await redis.zrange(key, 0, '-1'))]
        default:
          return [key, await redis.get(key)]
      }
    })
    return (await Promise.all(dumps)).flat().join('\n')
  }

  return {
    topic,
    keyPrefix,
    redis,
    producer,
    dropKeys,
    openProcess,
    write,
    log: () => readTopic(kafka, topic),
    redisContent,
  }
}

/** A producer whose records wait until `go` is called, as those of a process that stands still. */
export function heldProducer(producer: Pick<Producer, 'publish'>) {
  const { promise: gate, resolve: go } = Promise.withResolvers<void>()
  const { promise: reached, resolve: reach } = Promise.withResolvers<void>()
  let held = true
  return {
    go: () => {
      held = false
      go()
    },
    reached,
    producer: {
      async publish(...[records, options]: Parameters<Producer['publish']>) {
        reach()
        if (held) await gate
        return producer.publish(records, options)
      },
    },
  }
}
