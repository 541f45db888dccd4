import { setTimeout as pause } from 'node:timers/promises'
import type { KafkaConfig } from '@signalbox/kafka/config'
import { openPartitionConsumer, type PartitionConsumer } from '@signalbox/kafka/consumer'
import type { PartitionReader } from '@signalbox/kafka/partition-reader'
import type { Logger } from '@signalbox/runtime/log'
import type { Redis } from 'ioredis'
import type { AlertBook } from '../adapters/alert-book.ts'
import { createReceiptsSeen, type ReceiptsSeen } from './receipts-seen.ts'
import { createReceiptsTail } from './tail-receipts.ts'

/** How soon a Redis that was flushed under a running process is noticed. */
const lookEveryMs = 1_000
/** Markers are written by the deliveries themselves, so nobody waits for these but after trouble. */
const fetch = { minBytes: 256 * 1024, maxWaitMs: 400 }
const commitEveryMs = 5_000

/** Reads the receipts into markers, until it is closed. */
export async function openReceipts(options: {
  kafka: KafkaConfig
  clusterId: string
  topic: string
  groupId: string
  reader: Pick<PartitionReader, 'bounds' | 'offsetAt'>
  book: Pick<AlertBook, 'receiptsWatermark' | 'markSettled'>
  /** The connection that the book uses. */
  redis: Pick<Redis, 'on'>
  now?: () => number
  log: Logger
}): Promise<PartitionConsumer & { seen: ReceiptsSeen }> {
  const { kafka, topic, groupId, reader, book, log, now = Date.now } = options
  const readLog = { clusterId: options.clusterId, topic }
  const seen = createReceiptsSeen(
    { book, reader, now, pause: async (ms) => pause(ms, undefined, { ref: false }) },
    readLog,
  )
  // A run of Redis ends with its connections, and the next one may have lost something.
  options.redis.on('close', () => seen.doubtAll())
  const tail = createReceiptsTail({ book, reader, now }, readLog)
  const consumer = await openPartitionConsumer(kafka, {
    attach: tail.attach,
    process: tail.process,
    tick: {
      everyMs: lookEveryMs,
      async run(partition) {
        if (await tail.isOvertaken(partition)) consumer.reattach('the markers have changed')
      },
    },
    fetch,
    commitEveryMs,
    groupId,
    topic,
    clientId: 'signalbox-alerts-receipts',
    log,
  })
  return { ...consumer, seen }
}
