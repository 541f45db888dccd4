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
  const giveUpAt = Date.now() + deadlineMs
  const ends = await readEnds(config, topic, { giveUpAt, log })
  if (ends.size === 0) return []

  const groupId = `${clientId}-${randomUUID()}`
  const client = createClient(config, { clientId, log, requestTimeoutMs: 10_000, connectRetries: 10 })
  const consumer = client.kafka.consumer({
    groupId,
    maxWaitTimeInMs: 100,
    maxBytesPerPartition: 4 * 1024 * 1024,
    allowAutoTopicCreation: false,
  })
  const records: ConsumedRecord[] = []
  const next = new Map<number, bigint>()
  const unread = new Set(ends.keys())
  const { promise: finished, resolve: finish } = Promise.withResolvers<void>()
  // This event comes for batches of control records too, which the handler never sees.
  consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload: { partition, lastOffset } }) => {
    const end = ends.get(partition)
    if (end !== undefined && BigInt(lastOffset) + 1n >= end) unread.delete(partition)
    if (unread.size === 0) finish()
  })

  await connect(config, client, consumer)
  try {
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachBatch: async (payload) => {
        const { partition, messages } = payload.batch
        const end = ends.get(partition) ?? 0n
        for (const message of messages) {
          const record = toConsumedRecord(topic, partition, message)
          // Whenever kafkajs joins the group again, it starts from the beginning.
          if (record.offset < (next.get(partition) ?? 0n) || record.offset >= end) continue
          records.push(record)
          next.set(partition, record.offset + 1n)
        }
        const last = messages.at(-1)
        if (last !== undefined) payload.resolveOffset(last.offset)
      },
    })
    await within(giveUpAt - Date.now(), `reading ${topic} to its end`, finished)
  } finally {
    await within(closeDeadlineMs, 'leaving', consumer.disconnect()).catch(() => undefined)
    client.end()
    await withAdmin(config, { clientId, log }, (admin) => admin.deleteGroups([groupId])).catch(
      () => undefined,
    )
  }
  return records.toSorted((a, b) => a.partition - b.partition || Number(a.offset - b.offset))
}

/** Where the partitions that hold anything end; asked again while leaders move. */
async function readEnds(
  config: KafkaConfig,
  topic: string,
  { giveUpAt, log }: { giveUpAt: number; log: KafkaLog },
): Promise<Map<number, bigint>> {
  for (;;) {
    try {
      return await withAdmin(config, { clientId, log }, async (admin) => {
        const offsets = await admin.fetchTopicOffsets(topic)
        const filled = offsets.filter(({ low, high }) => low !== high)
        return new Map(filled.map(({ partition, high }) => [partition, BigInt(high)]))
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
