import assert from 'node:assert/strict'
import type { ConsumedRecord } from '@signalbox/kafka/consumer'
import type { LogRecord } from '@signalbox/kafka/producer'

export type TopicPartition = { topic: string; partition: number }

/** What one partition holds. */
type Log = {
  /** In the order of their offsets; compaction leaves gaps. */
  records: ConsumedRecord[]
  start: bigint
  end: bigint
  /** Everything that ever stood here, for the comparison at the end. */
  ever: ConsumedRecord[]
  listeners: Set<() => void>
}

/**
 * A Kafka with one broker in memory: topics whose append time is the virtual clock's, retention and compaction. What
 * it is asked to do, it does at once and in one piece.
 */
export function createMemoryBroker(options: {
  nowMs: () => number
  partitions: number
  topics: readonly string[]
}) {
  const logs = new Map<string, Log[]>(
    options.topics.map((topic) => [topic, Array.from({ length: options.partitions }, emptyLog)]),
  )

  function logOf({ topic, partition }: TopicPartition): Log {
    const log = logs.get(topic)?.[partition]
    assert(log !== undefined, `there is no partition ${partition} of ${topic}`)
    return log
  }

  return {
    /** Gives the offset of each record. */
    append(records: readonly LogRecord[]): readonly bigint[] {
      const touched = new Set<Log>()
      const offsets = records.map((record) => {
        const log = logOf(record)
        const stored = storedRecord(record, { offset: log.end, timestampMs: options.nowMs() })
        log.records.push(stored)
        log.ever.push(stored)
        log.end += 1n
        touched.add(log)
        return stored.offset
      })
      for (const { listeners } of touched) for (const listener of listeners) listener()
      return offsets
    },

    /** Records from `from` on, `limit` at most and those below `to` only. */
    read(of: TopicPartition & { from: bigint; to?: bigint; limit?: number }): readonly ConsumedRecord[] {
      const { from, to, limit = Number.POSITIVE_INFINITY } = of
      const found: ConsumedRecord[] = []
      for (const record of logOf(of).records) {
        if (found.length >= limit || (to !== undefined && record.offset >= to)) break
        if (record.offset >= from) found.push(record)
      }
      return found
    },

    bounds(of: TopicPartition): { start: bigint; end: bigint } {
      const { start, end } = logOf(of)
      return { start, end }
    },

    /** The first offset appended at or after a time; the end when there is none. */
    offsetAt({ timeMs, ...of }: TopicPartition & { timeMs: number }): bigint {
      const { records, end } = logOf(of)
      return records.find(({ timestampMs }) => timestampMs >= timeMs)?.offset ?? end
    },

    /** Calls back after each append; the returned function ends it. */
    onAppend(of: TopicPartition, listener: () => void): () => void {
      const { listeners } = logOf(of)
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },

    /**
     * Keeps the last record of each key among those older than `lagMs`; the records behind the first younger one are
     * not looked at. One without a value goes too, `tombstoneMs` later. Gives how many went.
     */
    compact(of: TopicPartition, { lagMs, tombstoneMs }: { lagMs: number; tombstoneMs: number }): number {
      const log = logOf(of)
      const nowMs = options.nowMs()
      const firstYoung = log.records.findIndex(({ timestampMs }) => timestampMs > nowMs - lagMs)
      const old = firstYoung === -1 ? log.records : log.records.slice(0, firstYoung)
      const last = new Map(old.map(({ key, offset }) => [key, offset]))
      const before = log.records.length
      log.records = log.records.filter(
        (record, index) =>
          index >= old.length ||
          (last.get(record.key) === record.offset &&
            (record.value !== null || record.timestampMs > nowMs - lagMs - tombstoneMs)),
      )
      return before - log.records.length
    },

    /** Retention: what stands before an offset goes. Gives how many went. */
    expire(of: TopicPartition, { before }: { before: bigint }): number {
      const log = logOf(of)
      const count = log.records.length
      log.records = log.records.filter(({ offset }) => offset >= before)
      if (before > log.start) log.start = before
      return count - log.records.length
    },

    /** Everything that was ever appended, whatever retention and compaction have left of it. */
    everAppended: (of: TopicPartition): readonly ConsumedRecord[] => logOf(of).ever,
  }
}

export type MemoryBroker = ReturnType<typeof createMemoryBroker>

function emptyLog(): Log {
  return { records: [], start: 0n, end: 0n, ever: [], listeners: new Set() }
}

function storedRecord(
  { topic, partition, key, value, headers = {} }: LogRecord,
  at: { offset: bigint; timestampMs: number },
): ConsumedRecord {
  const bytes = value === null ? null : Buffer.from(value)
  return {
    topic,
    partition,
    ...at,
    key,
    value: bytes,
    headers: new Map(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)])),
    bytes: Buffer.byteLength(key) + (bytes?.length ?? 0),
  }
}
