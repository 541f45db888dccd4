import type { Logger } from '@signalbox/runtime/log'
import type { AlertBook } from '../adapters/alert-book.ts'
import type { AlertQueue } from '../adapters/alert-queue.ts'
import type { OwedAlert } from '../owed-alert.ts'

export type SweepPorts = {
  book: Pick<AlertBook, 'owed' | 'owedCount' | 'settledAmong' | 'clear'>
  queue: Pick<AlertQueue, 'add' | 'stateOf' | 'revive'>
  report: { owed(count: number): void; swept(found: Swept): void }
}

/** What one sweep has repaired. */
export type Swept = { looked: number; added: number; revived: number; cleared: number }

const sliceSize = 50

/**
 * Creates the sweep: looks at owed alerts, where the last sweep ended, and gives a job to those that have none. A
 * job that failed without a receipt runs again; an obligation that outlived its settlement ends.
 */
export function createSweep(
  { book, queue, report }: SweepPorts,
  {
    partitions,
    olderThanMs,
    maxPerSweep,
  }: {
    partitions: number
    /** Younger ones may still be on their way from the fan-out to the queue. */
    olderThanMs: number
    maxPerSweep: number
  },
) {
  let partition = 0
  let rank = 0

  async function sweep(): Promise<void> {
    const swept: Swept = { looked: 0, added: 0, revived: 0, cleared: 0 }
    for (let ended = 0; ended < partitions && swept.looked < maxPerSweep; ) {
      const limit = Math.min(sliceSize, maxPerSweep - swept.looked)
      const slice = await book.owed({ partition, from: rank, limit })
      const youngest = Date.now() - olderThanMs
      const old = slice.filter(({ owedSinceMs }) => owedSinceMs <= youngest)
      const cleared = await repair(old, swept)
      swept.looked += old.length
      rank += old.length - cleared
      if (old.length < limit) {
        partition = (partition + 1) % partitions
        rank = 0
        ended += 1
      }
    }
    report.swept(swept)
    report.owed(await totalOwed())
  }

  /** Gives how many obligations ended. */
  async function repair(alerts: readonly OwedAlert[], swept: Swept): Promise<number> {
    const settled = await book.settledAmong(alerts.map(({ id }) => id))
    const open = alerts.filter(({ id }) => !settled.has(id))
    const states = await Promise.all(open.map(({ id }) => queue.stateOf(id)))
    const inState = (state: Awaited<(typeof states)[number]>) =>
      open.filter((_, index) => states[index] === state)

    // A job completes only after its receipt is in Kafka.
    const over = [...alerts.filter(({ id }) => settled.has(id)), ...inState('completed')]
    for (const alert of over) await book.clear(alert)
    const absent = inState('absent')
    await queue.add(absent)
    const failed = inState('failed')
    for (const { id } of failed) await queue.revive(id)

    swept.cleared += over.length
    swept.added += absent.length
    swept.revived += failed.length
    return over.length
  }

  async function totalOwed(): Promise<number> {
    const counts = await Promise.all(Array.from({ length: partitions }, (_, index) => book.owedCount(index)))
    return counts.reduce((sum, count) => sum + count, 0)
  }

  return sweep
}

/** Sweeps again and again, each time `everyMs` after the last; closing waits for a sweep under way. */
export function openSweeper({
  sweep,
  everyMs,
  log,
}: {
  sweep: () => Promise<void>
  everyMs: number
  log: Logger
}): AsyncDisposable {
  let underWay: Promise<void> = Promise.resolve()
  let timer: NodeJS.Timeout | undefined
  let isClosed = false

  function next(): void {
    timer = setTimeout(() => {
      underWay = sweep()
        .catch((error: unknown) => log.warn({ err: error }, 'sweep.failed'))
        .finally(() => {
          if (!isClosed) next()
        })
    }, everyMs)
  }
  next()

  return {
    async [Symbol.asyncDispose]() {
      isClosed = true
      clearTimeout(timer)
      await underWay
    },
  }
}
