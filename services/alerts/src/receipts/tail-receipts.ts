import type { Attached, Chunk, ChunkOutcome, PartitionPosition } from '@signalbox/kafka/consumer'
import type { PartitionReader } from '@signalbox/kafka/partition-reader'
import type { AlertBook } from '../adapters/alert-book.ts'
import {
  fanOutStart,
  nextOf,
  type ReadLog,
  receiptsHorizonMs,
  watermarkAt,
} from '../fan-out/fan-out-start.ts'

export type TailPorts = {
  book: Pick<AlertBook, 'receiptsWatermark' | 'markSettled'>
  reader: Pick<PartitionReader, 'offsetAt'>
  now: () => number
}

/**
 * Creates what makes the markers a view of the receipts, for a partition consumer: markers and watermark change
 * together, so whatever Redis loses of them comes again.
 */
export function createReceiptsTail({ book, reader, now }: TailPorts, log: ReadLog) {
  const watermarks = new Map<number, string>()
  const doubted = new Map<number, string>()

  /** Decides where a partition goes on. @throws when Redis or Kafka does not answer, or the position is to be read again */
  async function attach(position: PartitionPosition): Promise<Attached> {
    const { partition } = position
    const watermark = (await book.receiptsWatermark(partition)) ?? (await beginAnew(partition))
    const start = fanOutStart(watermark, { position, log, doubted: doubted.get(partition) ?? null })
    if (start.kind === 'doubt') {
      doubted.set(partition, watermark)
      throw new Error(start.problem)
    }
    doubted.delete(partition)
    if (start.kind === 'from' && start.skipped === 0n) {
      watermarks.set(partition, watermark)
      return start
    }
    // Markers name ids, so those of receipts that the log has lost are as good as ever.
    if (start.kind === 'stop' && nextOf(watermark, log) === null) return start
    // Who waits for the markers would wait for receipts that nobody will see.
    const offset = start.kind === 'from' ? start.offset : position.logEnd
    watermarks.set(partition, await moveTo(partition, { watermark, offset }))
    return { kind: 'from', offset }
  }

  async function beginAnew(partition: number): Promise<string> {
    const { topic } = log
    const first = await reader.offsetAt({ topic, partition, timeMs: now() - receiptsHorizonMs })
    return moveTo(partition, { watermark: null, offset: first })
  }

  async function moveTo(
    partition: number,
    { watermark, offset }: { watermark: string | null; offset: bigint },
  ): Promise<string> {
    const next = watermarkAt({ ...log, next: offset })
    if (await book.markSettled({ partition, watermark, next, ids: [], nowMs: now() })) return next
    throw new Error('another process has just begun with this partition')
  }

  async function process({ partition, records }: Chunk): Promise<ChunkOutcome> {
    const watermark = watermarks.get(partition)
    const last = records.at(-1)
    if (watermark === undefined || last === undefined) {
      return { kind: 'reattach', why: 'no watermark is known' }
    }
    const next = watermarkAt({ ...log, next: last.offset + 1n })
    // The key is all that a marker needs, so one of any build will do.
    const ids = records.flatMap(({ key }) => (key?.startsWith('a-') === true ? [key] : []))
    if (!(await book.markSettled({ partition, watermark, next, ids, nowMs: now() }))) {
      return { kind: 'reattach', why: "the receipts' watermark in the queue Redis has changed" }
    }
    watermarks.set(partition, next)
    return { kind: 'done' }
  }

  /** Whether Redis is not as this process has left it. */
  async function isOvertaken(partition: number): Promise<boolean> {
    const watermark = watermarks.get(partition)
    return watermark !== undefined && (await book.receiptsWatermark(partition)) !== watermark
  }

  return { attach, process, isOvertaken }
}
