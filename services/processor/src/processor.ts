import type { KafkaConfig } from '@signalbox/kafka/config'
import { openPartitionConsumer } from '@signalbox/kafka/consumer'
import type { Producer } from '@signalbox/kafka/producer'
import { clusterId, ensureTopics } from '@signalbox/kafka/topics'
import type { RegistrationStore } from '@signalbox/registration-store/registration-store'
import type { Logger } from '@signalbox/runtime/log'
import type { Metrics } from '@signalbox/runtime/metrics'
import type { Check } from '@signalbox/runtime/ops-server'
import type { ProcessorTopics } from './output-records.ts'
import { createPartitionWorker } from './partition-worker.ts'
import { createReport } from './report.ts'

export type Processor = AsyncDisposable & {
  /** Resolves when the processor cannot do its work any more. */
  failed: Promise<Error>
  /** Whether the partitions that it owns are being worked on. */
  state: () => Check
}

/** Larger chunks gain nothing and hold up the other clients of Redis. */
const chunkRecords = 100
/** A few registrations with thousands of entries make outputs far larger than the records that move them. */
const outputBytes = 4 * 1024 * 1024

/**
 * Joins the group of processors and works on the partitions of the raw topic that it is given, until it is closed.
 *
 * @throws KafkaUnreachable; an Error for the operator when a topic is missing or made differently
 */
export async function openProcessor({
  kafka,
  topics,
  groupId,
  store,
  producer,
  log,
  metrics,
}: {
  kafka: KafkaConfig
  topics: ProcessorTopics
  groupId: string
  store: RegistrationStore
  producer: Producer
  log: Logger
  metrics: Metrics
}): Promise<Processor> {
  await ensureTopics(kafka, Object.values(topics), { log })
  const report = createReport({ log, metrics })
  const worker = createPartitionWorker(
    { store, producer, report },
    { clusterId: await clusterId(kafka, { log }), topics, outputBytes },
  )

  const broken = Promise.withResolvers<Error>()
  const consumer = await openPartitionConsumer(kafka, {
    groupId,
    topic: topics.raw.name,
    clientId: 'signalbox-processor',
    log,
    chunkSize: chunkRecords,
    attach: worker.attach,
    async process(chunk) {
      try {
        return await worker.process(chunk)
      } catch (error) {
        broken.resolve(error instanceof Error ? error : new Error(String(error)))
        return { kind: 'away', what: 'the processor is broken' }
      }
    },
    onChunk: (chunk) => report.left(chunk),
  })
  store.onNewRun(() => consumer.reattach('Redis is another run than before'))

  return {
    failed: Promise.race([consumer.failed, broken.promise]),
    state: () => consumer.state(),
    [Symbol.asyncDispose]: () => consumer[Symbol.asyncDispose](),
  }
}
