import { randomUUID } from 'node:crypto'
import type { KafkaConfig } from '@signalbox/kafka/config'
import { openPartitionConsumer } from '@signalbox/kafka/consumer'
import { openPartitionReader } from '@signalbox/kafka/partition-reader'
import type { Producer } from '@signalbox/kafka/producer'
import { clusterId as readClusterId, ensureTopics } from '@signalbox/kafka/topics'
import type { RegistrationStore } from '@signalbox/registration-store/registration-store'
import { parseWatermark } from '@signalbox/registration-store/watermark'
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

const clientId = 'signalbox-processor'
/** Larger chunks gain nothing and hold up the other clients of Redis. */
const maxChunkRecords = 500
const auditEveryMs = 5_000
/** A broker that is frozen must not take the time of a chunk. */
const auditDeadlineMs = 2_000
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
  const settings = { clusterId: await readClusterId(kafka, { log }), topics, outputBytes }
  const report = createReport({ log, metrics })
  const resources = new AsyncDisposableStack()
  const reader = resources.use(await openPartitionReader(kafka, { clientId, log }))
  const auditReader = resources.use(
    await openPartitionReader(kafka, { clientId, log, deadlineMs: auditDeadlineMs }),
  )
  const worker = createPartitionWorker(
    { store, producer, reader, auditReader, report, newMarker: randomUUID, nowMs: () => performance.now() },
    settings,
  )

  const broken = Promise.withResolvers<Error>()
  /** What a worker throws for good ends the process; the supervisor starts it anew. */
  function giveUp(error: unknown): void {
    broken.resolve(error instanceof Error ? error : new Error(String(error)))
  }

  const consumer = await openPartitionConsumer(kafka, {
    groupId,
    topic: topics.raw.name,
    clientId,
    log,
    maxChunkSize: maxChunkRecords,
    attach: worker.attach,
    async process(chunk) {
      try {
        return await worker.process(chunk)
      } catch (error) {
        giveUp(error)
        return { kind: 'away', what: 'the processor is broken' }
      }
    },
    tick: { everyMs: auditEveryMs, run: (partition) => audit(partition) },
    onChunk: (chunk) => report.left(chunk),
  }).catch(async (error: unknown) => {
    await resources.disposeAsync()
    throw error
  })
  resources.use(consumer)
  store.onNewRun(() => consumer.reattach('Redis is another run than before'))

  async function audit(partition: number): Promise<void> {
    try {
      const outcome = await worker.audit(partition)
      if (outcome.kind === 'reattach') return consumer.reattach(outcome.why)
      const [text, books] = await Promise.all([
        store.readWatermark({ partition }),
        store.readBooks({ partition }),
      ])
      const watermark = text === null ? null : parseWatermark(text)
      if (watermark !== null) report.balance({ partition, watermark, books })
    } catch (error) {
      // Kafka or Redis being away passes.
      if (!(error instanceof Error && error.name === 'Error')) giveUp(error)
      throw error
    }
  }

  return {
    failed: Promise.race([consumer.failed, broken.promise]),
    state() {
      const state = consumer.state()
      const rebuild = state.ok ? null : report.underRebuild()
      return rebuild === null ? state : { ok: false, detail: `${state.detail}: ${rebuild}` }
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}
