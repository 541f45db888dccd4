import { askAtOnce } from '../scheduler.ts'
import { kafkaConformance } from './kafka.conformance.ts'
import { createMemoryBroker } from './memory-broker.ts'
import { createMemoryGroup, openMemoryConsumer } from './memory-consumer.ts'
import { createMemoryProducer } from './memory-producer.ts'
import { createMemoryReader } from './memory-reader.ts'

const partitions = 2
const topic = 'topic'

kafkaConformance(async () => {
  const broker = createMemoryBroker({ nowMs: () => Date.now(), partitions, topics: [topic] })
  const group = createMemoryGroup({ topic, partitions })
  return {
    freshTopic: async () => topic,
    producer: createMemoryProducer({ broker, ask: askAtOnce }),
    reader: createMemoryReader({ broker, ask: askAtOnce, recordsPerFetch: 4 }),
    async openConsumer({ attach, process, tick }) {
      const consumer = openMemoryConsumer({
        broker,
        group,
        ask: askAtOnce,
        after: (_, action) => void setImmediate(action),
        attach,
        process,
        chunkSize: () => 3,
        stopped: () => undefined,
        ...(tick === undefined ? {} : { tick: { ...tick, watches: topic } }),
      })
      return { reattach: () => consumer.reattach(), close: async () => consumer.leave() }
    },
  }
})
