import type { LogRecord } from '@signalbox/kafka/producer'
import type { LogReader } from './quarantine.ts'
import type { LoggedRecord } from './quarantined-record.ts'

/** Topics in memory, to be read and appended to as those of Kafka; every append is a millisecond later. */
export function createInMemoryLog() {
  const topics = new Map<string, LoggedRecord[]>()
  const partitionOf = (of: { topic: string; partition: number }) => {
    const name = `${of.topic}/${of.partition}`
    const records = topics.get(name) ?? []
    topics.set(name, records)
    return records
  }
  let nowMs = Date.UTC(2026, 5, 1)
  let reads = 0

  const log: LogReader = {
    async *read({ from, to, ...of }) {
      const records = partitionOf(of).filter(({ offset }) => offset >= from && offset < to)
      for (let start = 0; start < records.length; start += 3) {
        reads++
        yield records.slice(start, start + 3)
      }
    },
    async bounds(of) {
      return { start: 0n, end: BigInt(partitionOf(of).length) }
    },
    async offsetAt({ timeMs, ...of }) {
      const records = partitionOf(of)
      return records.find(({ timestampMs }) => timestampMs >= timeMs)?.offset ?? BigInt(records.length)
    },
  }

  function append({ headers = {}, ...record }: LogRecord): LoggedRecord {
    const records = partitionOf(record)
    const appended = {
      ...record,
      offset: BigInt(records.length),
      timestampMs: ++nowMs,
      value: record.value === null ? null : Buffer.from(record.value),
      headers: new Map(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)])),
    }
    records.push(appended)
    return appended
  }

  return {
    log,
    append,
    producer: {
      async publish(records: readonly LogRecord[]) {
        for (const record of records) append(record)
      },
    },
    recordsOf: (topic: string) =>
      [...topics].flatMap(([name, records]) => (name.startsWith(`${topic}/`) ? records : [])),
    nowMs: () => nowMs,
    passMs: (ms: number) => (nowMs += ms),
    reads: () => reads,
  }
}
