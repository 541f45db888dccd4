import type { PartitionReader } from '@signalbox/kafka/partition-reader'
import type { Ask } from '../scheduler.ts'
import type { MemoryBroker } from './memory-broker.ts'

/** Reads ranges of partitions of a broker in memory, `recordsPerFetch` at a time. */
export function createMemoryReader(options: {
  broker: MemoryBroker
  ask: Ask
  recordsPerFetch: number
}): Pick<PartitionReader, 'read' | 'bounds' | 'offsetAt'> {
  const { broker, ask, recordsPerFetch: limit } = options
  return {
    async *read(range) {
      for (let from = range.from; from < range.to; ) {
        const records = await ask({ system: 'kafka', what: `read ${range.topic}` }, () =>
          broker.read({ ...range, from, limit }),
        )
        const last = records.at(-1)
        if (last === undefined) return
        yield records
        from = last.offset + 1n
      }
    },
    bounds: (of) => ask({ system: 'kafka', what: `bounds of ${of.topic}` }, () => broker.bounds(of)),
    offsetAt: (of) =>
      ask({ system: 'kafka', what: `offset at a time in ${of.topic}` }, () => broker.offsetAt(of)),
  }
}
