import type { PartitionReader } from '@signalbox/kafka/partition-reader'
import type { Damage } from './decide-attach.ts'
import type { Lost } from './rebuild.ts'

type Ports = { reader: Pick<PartitionReader, 'bounds'>; nowMs: () => number }

/** A view that is damaged again so soon after a rebuild is not made anew once more: that took the damage over. */
const damageAgainMs = 10 * 60_000

/**
 * Remembers what is wrong with the views of this process, so that what does not help is not done again and again. All of
 * it holds for one watermark: a view that somebody has replaced since may be sound.
 */
export function createViewTroubles({ reader, nowMs }: Ports, { stateTopic }: { stateTopic: string }) {
  const damaged = new Map<number, { watermark: string; problem: string }>()
  const rebuiltAtMs = new Map<number, number>()
  const lost = new Map<number, Lost>()

  return {
    /** Something in the view of a partition cannot be read. */
    damaged(partition: number, found: { watermark: string; problem: string }): void {
      damaged.set(partition, found)
    },

    /** null: nothing was found in the view that stands there. */
    damageOf(partition: number, watermark: string | null): Damage | null {
      const found = damaged.get(partition)
      if (found === undefined || found.watermark !== watermark) return null
      const sinceMs = nowMs() - (rebuiltAtMs.get(partition) ?? Number.NEGATIVE_INFINITY)
      return { problem: found.problem, isAgain: sinceMs < damageAgainMs }
    },

    rebuilt(partition: number): void {
      rebuiltAtMs.set(partition, nowMs())
    },

    /** A rebuild has found states that cannot be read. */
    lost(partition: number, found: Lost): void {
      lost.set(partition, found)
    },

    /** Why a rebuild would end as the last one did; null: it may not. */
    async inVain(partition: number, watermark: string | null): Promise<string | null> {
      const last = lost.get(partition)
      if (last === undefined) return null
      const { end } = await reader.bounds({ topic: stateTopic, partition })
      if (last.marker === watermark && last.stateEnd === end) return last.problem
      lost.delete(partition)
      return null
    },
  }
}
