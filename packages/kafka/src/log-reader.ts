import { randomUUID } from 'node:crypto'
import kafkajs from 'kafkajs'
import { connect, createClient, hasCause, rootReason, withAdmin } from './client.ts'
import type { KafkaConfig } from './config.ts'
import { type ConsumedRecord, toConsumedRecord } from './consumed-record.ts'
import { within } from './deadline.ts'
import { type KafkaLog, silentLog } from './kafka-log.ts'
import { pause } from './pause.ts'

export type { ConsumedRecord } from './consumed-record.ts'

const clientId = 'signalbox-log-reader'
const closeDeadlineMs = 5_000
const retryPauseMs = 100

/**
 * Reads a topic from its start to the end that it has now, into memory: for tools and tests. Per partition in
 * the order of the log, partitions one after the other. Leaves no consumer group behind.
 *
 * @throws KafkaUnreachable; an Error when the topic does not exist or is not read within `deadlineMs` (30 s)
 */
export async function readTopic(
  config: KafkaConfig,
  topic: string,
  { deadlineMs = 30_000, log = silentLog }: { deadlineMs?: number; log?: KafkaLog } = {},
): Promise<ConsumedRecord[]> {
  const late = new AbortController()
  const timer = setTimeout(
    () => late.abort(new Error(`reading ${topic} to its end took longer than ${deadlineMs} ms`)),
    deadlineMs,
  )
  const records: ConsumedRecord[] = []
  try {
    await scanTopic(config, topic, {
      visit: (some) => {
        for (const record of some) records.push(record)
      },
      stop: late.signal,
      log,
    })
  } finally {
    clearTimeout(timer)
  }
  return records.toSorted((a, b) => a.partition - b.partition || Number(a.offset - b.offset))
}

/** How far a scan is: records visited, and about how many there are (markers and gaps of the log count too). */
export type ScanProgress = { visited: number; total: number }

/**
 * Reads a topic from its start to the end that it has now and hands every record to `visit` once, some of a
 * partition at a time and in its order; nothing is fetched while it works, so what is held is one fetch, about 10 MiB.
 * A visit may take 20 s at most, else Kafka takes this reader for dead. Leaves no consumer group behind.
 *
 * @throws KafkaUnreachable; what `visit` throws; the reason of `stop`; an Error when the topic does not exist or
 * nothing comes for `stallDeadlineMs` (30 s)
 */
export async function scanTopic(
  config: KafkaConfig,
  topic: string,
  {
    visit,
    stop,
    stallDeadlineMs = 30_000,
    log = silentLog,
  }: {
    visit: (records: readonly ConsumedRecord[], progress: ScanProgress) => void | Promise<void>
    stop?: AbortSignal
    stallDeadlineMs?: number
    log?: KafkaLog
  },
): Promise<void> {
  const { ends, total } = await readEnds(config, topic, { giveUpAt: Date.now() + stallDeadlineMs, log })
  if (ends.size === 0) return

  const groupId = `${clientId}-${randomUUID()}`
  const client = createClient(config, { clientId, log, requestTimeoutMs: 10_000, connectRetries: 10 })
  const consumer = client.kafka.consumer({
    groupId,
    maxWaitTimeInMs: 100,
    maxBytesPerPartition: 4 * 1024 * 1024,
    allowAutoTopicCreation: false,
  })
  let visited = 0
  const next = new Map<number, bigint>()
  const unread = new Set(ends.keys())
  const { promise: finished, resolve: finish, reject: fail } = Promise.withResolvers<void>()
  // It may fail before anybody waits for it.
  finished.catch(() => undefined)
  const stalled = () => fail(new Error(`${topic}: nothing came for ${stallDeadlineMs} ms`))
  let watch: NodeJS.Timeout | undefined
  const stopped = () => fail(stop?.reason)
  // This event comes for batches of control records too, which the handler never sees.
  consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload: { partition, lastOffset } }) => {
    const end = ends.get(partition)
    if (end !== undefined && BigInt(lastOffset) + 1n >= end) unread.delete(partition)
    clearTimeout(watch)
    if (unread.size === 0) return finish()
    watch = setTimeout(stalled, stallDeadlineMs)
  })

  await connect(config, client, consumer)
  try {
    watch = setTimeout(stalled, stallDeadlineMs)
    stop?.addEventListener('abort', stopped, { once: true })
    if (stop?.aborted) stopped()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachBatch: async (payload) => {
        const { partition, messages } = payload.batch
        const end = ends.get(partition) ?? 0n
        // Whenever kafkajs joins the group again, it starts from the beginning.
        const start = next.get(partition) ?? 0n
        const records = messages
          .map((message) => toConsumedRecord(topic, partition, message))
          .filter(({ offset }) => offset >= start && offset < end)
        const last = messages.at(-1)
        if (records.length > 0) {
          visited += records.length
          // kafkajs would repeat a batch whose handler throws.
          await visitAll(records, { visited, total }).catch(fail)
          if (last !== undefined) next.set(partition, BigInt(last.offset) + 1n)
        }
        if (last !== undefined) payload.resolveOffset(last.offset)
      },
    })
    await finished
  } finally {
    clearTimeout(watch)
    stop?.removeEventListener('abort', stopped)
    await within(closeDeadlineMs, 'leaving', consumer.disconnect()).catch(() => undefined)
    client.end()
    await withAdmin(config, { clientId, log }, (admin) => admin.deleteGroups([groupId])).catch(
      () => undefined,
    )
  }

  async function visitAll(records: readonly ConsumedRecord[], progress: ScanProgress): Promise<void> {
    await visit(records, progress)
  }
}

/** Where the partitions that hold anything end, and how much they hold; asked again while leaders move. */
async function readEnds(
  config: KafkaConfig,
  topic: string,
  { giveUpAt, log }: { giveUpAt: number; log: KafkaLog },
): Promise<{ ends: Map<number, bigint>; total: number }> {
  for (;;) {
    try {
      return await withAdmin(config, { clientId, log }, async (admin) => {
        const offsets = await admin.fetchTopicOffsets(topic)
        const filled = offsets.filter(({ low, high }) => low !== high)
        return {
          ends: new Map(filled.map(({ partition, high }) => [partition, BigInt(high)])),
          total: filled.reduce((sum, { low, high }) => sum + Number(high) - Number(low), 0),
        }
      })
    } catch (cause) {
      if (!isPassing(cause) || Date.now() + retryPauseMs > giveUpAt) {
        throw new Error(`Topic ${topic} cannot be read: ${rootReason(cause)}`, { cause })
      }
    }
    await pause(retryPauseMs)
  }
}

function isPassing(error: unknown): boolean {
  return hasCause(
    error,
    (cause) =>
      cause instanceof kafkajs.KafkaJSProtocolError &&
      ['NOT_LEADER_FOR_PARTITION', 'LEADER_NOT_AVAILABLE', 'REPLICA_NOT_AVAILABLE'].includes(cause.type),
  )
}
