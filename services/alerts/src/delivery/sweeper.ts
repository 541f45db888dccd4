import type { Logger } from '@signalbox/runtime/log'
import type { AlertBook } from '../adapters/alert-book.ts'
import type { AlertQueue } from '../adapters/alert-queue.ts'
import { liveBatches } from '../live-batches.ts'
import type { OwedAlert } from '../owed-alert.ts'

export type SweepPorts = {
  book: Pick<AlertBook, 'owed' | 'owedCount' | 'settledAmong' | 'batchesOf' | 'clear' | 'setOutstanding'>
  queue: Pick<AlertQueue, 'add' | 'stateOf' | 'revive' | 'discard'>
  report: { owed(count: number): void; swept(found: Swept): void }
  /** Epoch milliseconds. */
  now: () => number
}

/** What one sweep has repaired. */
export type Swept = { looked: number; added: number; revived: number; cleared: number }

const sliceSize = 50

/**
 * Creates the sweep: looks at owed alerts, where the last sweep ended, and gives a job to those that have none, or one
 * that no worker will come to. A job that failed without a receipt runs again; an obligation that outlived its settlement
 * ends.
 */
export function createSweep(
  { book, queue, report, now }: SweepPorts,
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
  /** What each endpoint has outstanding, as counted since the round of all partitions began. */
  let counted = new Map<string, number>()
  let sawYoung = false

  async function sweep(): Promise<void> {
    const swept: Swept = { looked: 0, added: 0, revived: 0, cleared: 0 }
    for (let ended = 0; ended < partitions && swept.looked < maxPerSweep; ) {
      const limit = Math.min(sliceSize, maxPerSweep - swept.looked)
      const slice = await book.owed({ partition, from: rank, limit })
      const youngest = now() - olderThanMs
      const old = slice.filter(({ owedSinceMs }) => owedSinceMs <= youngest)
      const open = await repair(old, swept)
      swept.looked += old.length
      rank += open.length
      if (old.length < limit) {
        sawYoung ||= slice.length > old.length
        partition = (partition + 1) % partitions
        rank = 0
        ended += 1
        if (partition === 0) await endRound()
      }
    }
    report.swept(swept)
    report.owed(await totalOwed())
  }

  /** The counts are right when none has been on its way meanwhile; else a flood would be ranked as a few. */
  async function endRound(): Promise<void> {
    if (!sawYoung) for (const [endpointId, count] of counted) await book.setOutstanding(endpointId, count)
    counted = new Map()
    sawYoung = false
  }

  /** Gives those that are still owed. */
  async function repair(alerts: readonly OwedAlert[], swept: Swept): Promise<readonly OwedAlert[]> {
    if (alerts.length === 0) return []
    const settled = await book.settledAmong(
      partition,
      alerts.map(({ id }) => id),
    )
    const open = alerts.filter(({ id }) => !settled.has(id))
    const states = await Promise.all(open.map(({ id }) => queue.stateOf(id)))
    const inState = (state: Awaited<(typeof states)[number]>) =>
      open.filter((_, index) => states[index] === state)

    // A job completes only after its receipt is in Kafka.
    const completed = inState('completed')
    const over = [...alerts.filter(({ id }) => settled.has(id)), ...completed]
    for (const alert of over) await book.clear(alert)
    const stillOwed = open.filter((alert) => !completed.includes(alert))
    const ranks = new Map(stillOwed.map((alert) => [alert.id, count(alert)]))
    const discarded: OwedAlert[] = []
    for (const alert of inState('torn')) if (await queue.discard(alert.id)) discarded.push(alert)
    const absent = await withoutBatch([...inState('absent'), ...discarded])
    await queue.add(absent, { priorityOf: ({ id }) => ranks.get(id) ?? 1, isRepair: true })
    const failed = inState('failed')
    for (const { id } of failed) await queue.revive(id)

    swept.cleared += over.length
    swept.added += absent.length
    swept.revived += failed.length
    return stillOwed
  }

  /** Those that no live job of a batch will send either. */
  async function withoutBatch(alerts: readonly OwedAlert[]): Promise<OwedAlert[]> {
    const batches = await book.batchesOf(partition, alerts)
    const live = await liveBatches(batches, queue)
    return alerts.filter((_, index) => !live.has(batches[index] ?? null))
  }

  /** Gives how many its endpoint has outstanding with it. */
  function count({ endpointId }: OwedAlert): number {
    const outstanding = (counted.get(endpointId) ?? 0) + 1
    counted.set(endpointId, outstanding)
    return outstanding
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
