import type { AlertBook } from '../adapters/alert-book.ts'
import type { OwedAlert } from '../owed-alert.ts'

/** An alert whose receipt is in the log. */
export type Settlement = {
  alert: OwedAlert
  /** The end of the call has taken it off the endpoint's backlog. */
  isCountedDown: boolean
}

export type Settlements = AsyncDisposable & {
  /** Ends the obligation soon, together with others of its partition. */
  add(settlement: Settlement): void
  /** Whether Redis still has to hear of this one. */
  has(alertId: string): boolean
}

/** So long others are waited for: a script that ends ten costs little more than one that ends one. */
const gatherMs = 25
/** Ended by one script. */
const mostAtOnce = 100
const retryMs = 500
const mostTries = 20

/**
 * Creates what marks alerts as settled and ends their obligations. Nobody waits for it: what Redis does not hear of for
 * ten seconds is left to the tailer, which writes the marker, and to the sweeper, which ends the obligation.
 */
export function createSettlements({
  book,
  onLeft,
  now,
}: {
  book: Pick<AlertBook, 'settle'>
  /** So many were left to tailer and sweeper. */
  onLeft: (count: number, error: unknown) => void
  /** Epoch milliseconds. */
  now: () => number
}): Settlements {
  const pending = new Set<string>()
  const underWay = new Set<Promise<void>>()
  let gathered: Settlement[] = []
  let timer: NodeJS.Timeout | undefined

  function flush(): void {
    clearTimeout(timer)
    timer = undefined
    const taken = gathered
    gathered = []
    for (const [partition, ofPartition] of Map.groupBy(taken, ({ alert }) => alert.partition)) {
      for (let start = 0; start < ofPartition.length; start += mostAtOnce) {
        const work = write(partition, ofPartition.slice(start, start + mostAtOnce))
        underWay.add(work)
        void work.then(() => underWay.delete(work))
      }
    }
  }

  async function write(partition: number, settlements: readonly Settlement[]): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        await book.settle(partition, settlements, now())
        break
      } catch (error) {
        if (tries === mostTries) {
          onLeft(settlements.length, error)
          break
        }
      }
      await new Promise((resolve) => setTimeout(resolve, retryMs))
    }
    for (const { alert } of settlements) pending.delete(alert.id)
  }

  return {
    add(settlement) {
      pending.add(settlement.alert.id)
      gathered.push(settlement)
      timer ??= setTimeout(flush, gatherMs)
    },
    has: (alertId) => pending.has(alertId),
    async [Symbol.asyncDispose]() {
      flush()
      await Promise.all(underWay)
    },
  }
}
