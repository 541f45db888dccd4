import kafkajs from 'kafkajs'
import type Cluster from 'kafkajs/src/cluster/index.js'
import Batch from 'kafkajs/src/consumer/batch.js'
import { type Client, connect, createClient, hasCause, rootReason } from './client.ts'
import type { KafkaConfig } from './config.ts'
import { type ConsumedRecord, toConsumedRecord } from './consumed-record.ts'
import { within } from './deadline.ts'
import { FetchedPartition } from './fetch-response.ts'
import type { KafkaLog } from './kafka-log.ts'
import { pause } from './pause.ts'

export type { ConsumedRecord } from './consumed-record.ts'

/** Reads ranges of partitions, without a consumer group. Several may be read at the same time. */
export type PartitionReader = AsyncDisposable & {
  /**
   * The records from offset `from` up to, but without, `to`, in their order and some at a time; offsets may have gaps.
   * Starts where the log starts when `from` was deleted, and ends where the log ends when that is before `to`; what is
   * appended meanwhile counts. While some are looked at the next few MiB are fetched.
   *
   * @throws an Error when Kafka does not answer for `deadlineMs` (10 s), or refuses
   */
  read(range: PartitionOf & { from: bigint; to: bigint }): AsyncIterable<readonly ConsumedRecord[]>
  /**
   * The oldest offset that the log still holds, and the one that its next record will get.
   *
   * @throws as `read`
   */
  bounds(of: PartitionOf): Promise<{ start: bigint; end: bigint }>
  /**
   * The first offset appended at or after a time; the log's end when there is none.
   *
   * @throws as `read`
   */
  offsetAt(of: PartitionOf & { timeMs: number }): Promise<bigint>
}

type PartitionOf = { topic: string; partition: number }

/** What one request brought: `readTo` is where the next one has to begin. */
type Fetched = { records: readonly ConsumedRecord[]; readTo: bigint; isAtEnd: boolean }

/** A client and how many wait for its answers: one that is given up for a better one still serves them. */
type Link = { client: Client; cluster: Cluster; users: number }

type Broker = Awaited<ReturnType<Cluster['findBroker']>>

/** Twice in ten seconds: a frozen broker must not take all of them. */
const requestTimeoutMs = 4_000
const retryPauseMs = 100
const fetchBytes = 4 * 1024 * 1024
/** As kafkajs' consumer reads: a transaction is seen when it is committed. */
const readCommitted = 1
const earliest = -2
const latest = -1

/**
 * Opens a reader over its own connections. After an outage it recovers by itself.
 *
 * @throws KafkaUnreachable when no broker answers within ten seconds
 */
export async function openPartitionReader(
  config: KafkaConfig,
  { clientId, log, deadlineMs = 10_000 }: { clientId: string; log: KafkaLog; deadlineMs?: number },
): Promise<PartitionReader> {
  const links = new Set<Link>()
  let opened = 0
  let closed = false
  let current = openLink()

  /** Each begins with another broker, so that a frozen one is not asked for ever. */
  function openLink(): Link {
    const first = opened++ % config.brokers.length
    const brokers = [...config.brokers.slice(first), ...config.brokers.slice(0, first)]
    const client = createClient(
      { ...config, brokers },
      { clientId, log, requestTimeoutMs, connectRetries: 0 },
    )
    const link = { client, cluster: client.createCluster(), users: 0 }
    links.add(link)
    return link
  }

  function end(link: Link): void {
    link.client.end()
    links.delete(link)
  }

  await connect(
    config,
    { end: () => end(current) },
    {
      async connect() {
        const link = current
        await link.cluster.connect().catch((cause: unknown) => {
          end(link)
          current = openLink()
          throw cause
        })
      },
    },
  )

  /** Asks until the deadline: first with fresh metadata, then over new connections. */
  async function ask<T>(
    { topic, partition }: PartitionOf,
    question: (leader: Broker) => Promise<T>,
  ): Promise<T> {
    const giveUpAt = performance.now() + deadlineMs
    let isStale = false
    let before: unknown
    for (;;) {
      const link = current
      link.users += 1
      try {
        const leader = leaderOf(link.cluster, { topic, partition, isStale })
        return await within(giveUpAt - performance.now(), 'an answer', leader.then(question))
      } catch (cause) {
        const mayPass = !closed && hasCause(cause, isPassing)
        // A leader that has moved is known to all brokers. Whatever else is wrong, new connections are the remedy.
        isStale = !isStale && hasCause(cause, saysMoved)
        if (mayPass && !isStale && link === current) current = openLink()
        if (!mayPass || performance.now() + retryPauseMs >= giveUpAt) {
          // That the time ran out says less than what was in the way until then.
          const hindrance = performance.now() >= giveUpAt ? (before ?? cause) : cause
          const reason = closed ? 'the reader is closed' : rootReason(hindrance)
          throw new Error(`Partition ${partition} of ${topic} cannot be read: ${reason}`, { cause })
        }
        before = cause
        log.debug({ topic, partition, problem: rootReason(cause) }, 'kafka.read_tried_again')
      } finally {
        link.users -= 1
        if (link !== current && link.users === 0) end(link)
      }
      await pause(retryPauseMs)
    }
  }

  function bounds(of: PartitionOf): Promise<{ start: bigint; end: bigint }> {
    return ask(of, (leader) => boundsOf(leader, of))
  }

  async function* read({ topic, partition, from, to }: PartitionOf & { from: bigint; to: bigint }) {
    const fetchFrom = (offset: bigint) => {
      const fetched = ask({ topic, partition }, (leader) =>
        fetchOnce(leader, { topic, partition, offset, to }),
      )
      // Who stops reading does not come for what was fetched ahead.
      fetched.catch(() => undefined)
      return fetched
    }
    let coming = from < to ? fetchFrom(from) : null
    while (coming !== null) {
      const { records, readTo, isAtEnd }: Fetched = await coming
      coming = isAtEnd || readTo >= to ? null : fetchFrom(readTo)
      if (records.length > 0) yield records
    }
  }

  return {
    read,
    bounds,
    async offsetAt({ topic, partition, timeMs }) {
      return ask({ topic, partition }, async (leader) => {
        const found = await listOffset(leader, { topic, partition, timestamp: timeMs })
        // Kafka says -1 for none.
        return found < 0n ? listOffset(leader, { topic, partition, timestamp: latest }) : found
      })
    },
    async [Symbol.asyncDispose]() {
      closed = true
      for (const link of links) end(link)
    },
  }
}

async function leaderOf(
  cluster: Cluster,
  { topic, partition, isStale }: PartitionOf & { isStale: boolean },
): Promise<Broker> {
  // Both do nothing while there is a connection and the topic is known.
  await cluster.connect()
  await cluster.addTargetTopic(topic)
  if (isStale) await cluster.refreshMetadata()
  const [nodeId] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))
  if (nodeId === undefined) throw notYet('Kafka knows no such partition')
  return cluster.findBroker({ nodeId })
}

async function fetchOnce(
  leader: Broker,
  { topic, partition, offset, to }: PartitionOf & { offset: bigint; to: bigint },
): Promise<Fetched> {
  const fetched = await fetchBatches(leader, { topic, partition, offset })
  if (fetched === 'out_of_range' || fetched.readTo === null || fetched.readTo <= offset) {
    // A new leader may not know for a moment what its log holds. Then it does not answer this question.
    const { start, end } = await boundsOf(leader, { topic, partition })
    if (offset >= end) return { records: [], readTo: offset, isAtEnd: true }
    if (offset < start) return { records: [], readTo: start, isAtEnd: false }
    throw notYet(`it gives no records from ${offset} on, although it ends at ${end}`)
  }
  const records: ConsumedRecord[] = []
  for (const message of new Batch(topic, String(offset), fetched).messages) {
    if (message.at < to) records.push(toConsumedRecord(topic, partition, message))
  }
  return { records, readTo: fetched.readTo, isAtEnd: false }
}

async function fetchBatches(
  leader: Broker,
  { topic, partition, offset }: PartitionOf & { offset: bigint },
): Promise<FetchedPartition | 'out_of_range'> {
  const partitions = [{ partition, fetchOffset: String(offset), maxBytes: fetchBytes }]
  try {
    const { responses } = await leader.fetch({
      isolationLevel: readCommitted,
      maxWaitTime: 0,
      minBytes: 1,
      maxBytes: fetchBytes,
      topics: [{ topic, partitions }],
    })
    const fetched = responses[0]?.partitions[0]
    if (fetched instanceof FetchedPartition) return fetched
    throw new Error('the broker is older than Kafka 2.3')
  } catch (error) {
    if (hasCause(error, ({ name }) => name === 'KafkaJSOffsetOutOfRange')) return 'out_of_range'
    throw error
  }
}

async function boundsOf(leader: Broker, of: PartitionOf): Promise<{ start: bigint; end: bigint }> {
  const start = await listOffset(leader, { ...of, timestamp: earliest })
  const end = await listOffset(leader, { ...of, timestamp: latest })
  return { start, end }
}

async function listOffset(
  leader: Broker,
  { topic, partition, timestamp }: PartitionOf & { timestamp: number },
): Promise<bigint> {
  const { responses } = await leader.listOffsets({
    isolationLevel: readCommitted,
    topics: [{ topic, partitions: [{ partition, timestamp }] }],
  })
  const offset = responses[0]?.partitions[0]?.offset
  if (offset === undefined) throw notYet('the broker did not tell its offsets')
  return BigInt(offset)
}

function notYet(problem: string): Error {
  return new kafkajs.KafkaJSError(problem, { retriable: true })
}

function isPassing(error: Error): boolean {
  return error instanceof kafkajs.KafkaJSError && error.retriable
}

function saysMoved(error: Error): boolean {
  return error instanceof kafkajs.KafkaJSProtocolError && error.retriable
}
