import kafkajs from 'kafkajs'
import { hasCause, rootReason, withAdmin } from './client.ts'
import type { KafkaConfig } from './config.ts'
import type { ConsumedRecord } from './consumed-record.ts'
import { type KafkaLog, silentLog } from './kafka-log.ts'
import { openPartitionReader } from './partition-reader.ts'
import { pause } from './pause.ts'

export type { ConsumedRecord } from './consumed-record.ts'

const clientId = 'signalbox-log-reader'
const retryPauseMs = 100

/**
 * Reads a topic from its start to the end that it has now, into memory: for tools and tests. Per partition in
 * the order of the log, partitions one after the other. Needs no consumer group.
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
  return records
}

/** How far a scan is: records visited, and about how many there are (markers and gaps of the log count too). */
export type ScanProgress = { visited: number; total: number }

/**
 * Reads a topic from its start to the end that it has now and hands every record to `visit` once, some of a
 * partition at a time and in its order, partitions one after the other. What is held is two fetches of about 4 MiB:
 * one that is visited, one that waits.
 *
 * @throws KafkaUnreachable; what `visit` throws; the reason of `stop`; an Error when the topic does not exist, or
 * nothing comes or a visit does not end for `stallDeadlineMs` (30 s)
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
  const { filled, total } = await readBounds(config, topic, { giveUpAt: Date.now() + stallDeadlineMs, log })
  if (filled.length === 0) return

  await using reader = await openPartitionReader(config, { clientId, log, deadlineMs: stallDeadlineMs })
  const { promise: broken, reject: breakOff } = Promise.withResolvers<never>()
  const stopped = () => breakOff(stop?.reason)
  const stalled = () => breakOff(new Error(`${topic}: nothing came for ${stallDeadlineMs} ms`))
  const watch = setTimeout(stalled, stallDeadlineMs)
  let isOver = false

  async function scan(): Promise<void> {
    let visited = 0
    for (const { partition, start, end } of filled) {
      for await (const records of reader.read({ topic, partition, from: start, to: end })) {
        if (isOver) return
        visited += records.length
        watch.refresh()
        await visit(records, { visited, total })
        watch.refresh()
      }
    }
  }

  try {
    stop?.addEventListener('abort', stopped, { once: true })
    if (stop?.aborted) stopped()
    await Promise.race([broken, scan()])
  } finally {
    isOver = true
    clearTimeout(watch)
    stop?.removeEventListener('abort', stopped)
  }
}

/** Where the partitions that hold anything start and end, and how much they hold; asked again while leaders move. */
async function readBounds(
  config: KafkaConfig,
  topic: string,
  { giveUpAt, log }: { giveUpAt: number; log: KafkaLog },
): Promise<{ filled: { partition: number; start: bigint; end: bigint }[]; total: number }> {
  for (;;) {
    try {
      return await withAdmin(config, { clientId, log }, async (admin) => {
        const offsets = await admin.fetchTopicOffsets(topic)
        const filled = offsets
          .map(({ partition, low, high }) => ({ partition, start: BigInt(low), end: BigInt(high) }))
          .filter(({ start, end }) => start !== end)
          .toSorted((a, b) => a.partition - b.partition)
        return { filled, total: filled.reduce((sum, { start, end }) => sum + Number(end - start), 0) }
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
