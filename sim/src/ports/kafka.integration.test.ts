import { randomUUID } from 'node:crypto'
import type { KafkaConfig } from '@signalbox/kafka/config'
import { openPartitionConsumer } from '@signalbox/kafka/consumer'
import { openPartitionReader } from '@signalbox/kafka/partition-reader'
import { openProducer } from '@signalbox/kafka/producer'
import { ensureTopics } from '@signalbox/kafka/topics'
import { onTestFinished } from 'vitest'
import { kafkaBrokers } from './infra.fixture.ts'
import { kafkaConformance } from './kafka.conformance.ts'

const config: KafkaConfig = {
  brokers: kafkaBrokers,
  tls: false,
  partitions: 2,
  replication: 1,
  createTopics: true,
}
const clientId = 'sim-test'
const quiet = () => undefined
const log = { debug: quiet, info: quiet, warn: quiet, error: quiet }

kafkaConformance(async () => {
  const opened = new AsyncDisposableStack()
  onTestFinished(() => opened.disposeAsync())
  const producer = opened.use(await openProducer(config, { clientId, log }))
  const reader = opened.use(await openPartitionReader(config, { clientId, log }))
  return {
    producer,
    reader,
    async freshTopic() {
      const name = `test.sim.${randomUUID()}`
      await ensureTopics(
        config,
        [{ name, cleanup: 'delete', config: { 'message.timestamp.type': 'LogAppendTime' } }],
        { log },
      )
      return name
    },
    async openConsumer(options) {
      const consumer = await openPartitionConsumer(config, { ...options, clientId, log, maxChunkSize: 20 })
      opened.use(consumer)
      return { reattach: () => consumer.reattach('a test'), close: () => consumer[Symbol.asyncDispose]() }
    },
  }
})
