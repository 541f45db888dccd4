import type { LogRecord, Producer } from '@signalbox/kafka/producer'
import type { Ask } from '../scheduler.ts'
import type { MemoryBroker } from './memory-broker.ts'

/** The verified publishing of a process, to a broker in memory. */
export function createMemoryProducer(options: {
  broker: MemoryBroker
  ask: Ask
}): Pick<Producer, 'publish' | 'encode'> {
  const { broker, ask } = options

  async function publish(records: readonly LogRecord[]): Promise<readonly bigint[]> {
    const topic = records[0]?.topic
    if (topic === undefined) return []
    return ask({ system: 'kafka', what: `publish to ${topic}`, writes: true, records }, () =>
      broker.append(records),
    )
  }

  return { publish, encode: (records) => ({ publish: async () => publish(records) }) }
}
