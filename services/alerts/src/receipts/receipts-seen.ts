import type { PartitionReader } from '@signalbox/kafka/partition-reader'
import type { AlertBook } from '../adapters/alert-book.ts'
import { nextOf, type ReadLog } from '../fan-out/fan-out-start.ts'

/** Knows how far the markers in the queue Redis reflect the receipts in the log. */
export type ReceiptsSeen = {
  /**
   * Resolves when there is a marker for every receipt that is in the log of the partition when this is asked. Many may
   * ask at a time.
   *
   * @throws when that takes longer than ten seconds, or Kafka or Redis does not answer
   */
  upTo(partition: number): Promise<void>
  /** The same, and gives the offset that the next receipt had. */
  reached(partition: number): Promise<bigint>
  /** True until `upTo` has resolved once since the queue Redis was last doubted: it may have lost markers. */
  isDoubtful(partition: number): boolean
  /** To be called when the connection to the queue Redis is lost, before another one is made. */
  doubtAll(): void
}

const limitMs = 10_000
/** About what `upTo` takes at most: who comes while one looks waits for that, and then for a look of its own. */
export const mostWaitMs = 2 * limitMs

export function createReceiptsSeen(
  {
    book,
    reader,
    now,
    pause,
    pollMs = 50,
  }: {
    book: Pick<AlertBook, 'receiptsWatermark'>
    reader: Pick<PartitionReader, 'bounds'>
    now: () => number
    pause: (ms: number) => Promise<void>
    pollMs?: number
  },
  log: ReadLog,
): ReceiptsSeen {
  const { topic } = log
  let doubts = 0
  /** By partition, how many doubts there had been when its markers were seen. */
  const seen = new Map<number, number>()
  const rounds = new Map<number, { underWay: Promise<bigint>; next: Promise<bigint> | null }>()

  async function look(partition: number): Promise<bigint> {
    const giveUpAtMs = now() + limitMs
    for (;;) {
      const doubtsBefore = doubts
      const { end } = await reader.bounds({ topic, partition })
      await untilThere(partition, { end, giveUpAtMs })
      // What was seen meanwhile may have been lost again.
      if (doubts !== doubtsBefore) continue
      seen.set(partition, doubts)
      return end
    }
  }

  async function untilThere(
    partition: number,
    { end, giveUpAtMs }: { end: bigint; giveUpAtMs: number },
  ): Promise<void> {
    for (;;) {
      const watermark = await book.receiptsWatermark(partition)
      // Without a single receipt nobody may have begun to read them.
      const next = watermark === null ? 0n : nextOf(watermark, log)
      if (next !== null && next >= end) return
      if (now() >= giveUpAtMs) {
        throw new Error(
          `the markers of partition ${partition} have not come to receipt ${end} (${watermark})`,
        )
      }
      await pause(pollMs)
    }
  }

  /** Who comes while one looks needs a look that begins later, and shares it with all others who come meanwhile. */
  function reached(partition: number): Promise<bigint> {
    const round = rounds.get(partition)
    if (round === undefined) {
      const started = { underWay: look(partition), next: null }
      rounds.set(partition, started)
      const end = () => void (rounds.get(partition) === started && rounds.delete(partition))
      started.underWay.then(end, end)
      return started.underWay
    }
    const again = () => {
      rounds.delete(partition)
      return reached(partition)
    }
    round.next ??= round.underWay.then(again, again)
    return round.next
  }

  return {
    async upTo(partition) {
      await reached(partition)
    },
    reached,
    isDoubtful: (partition) => seen.get(partition) !== doubts,
    doubtAll() {
      doubts += 1
    },
  }
}
