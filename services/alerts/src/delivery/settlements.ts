import type { AlertBook } from '../adapters/alert-book.ts'
import { endsWithin } from '../ends-within.ts'
import type { OwedAlert } from '../owed-alert.ts'

/** An alert whose receipt is in the log. */
export type Settlement = {
  alert: OwedAlert
  /** The end of the call has taken it off the endpoint's backlog. */
  isCountedDown: boolean
}

export type Settlements = AsyncDisposable & {
  /** Ends the obligation soon, together with others. Resolves when that is done, or left to others; never rejects. */
  add(settlement: Settlement): Promise<void>
  /** Whether Redis still has to hear of this one. */
  has(alertId: string): boolean
}

/** So long others are waited for: a script that ends ten costs little more than one that ends one. */
const gatherMs = 25
/** Ended by one script. */
const mostAtOnce = 100
const retryMs = 500
/** After that no other try is made; a try that hangs is ended by the connection's own limit. */
const limitMs = 10_000
const closingLimitMs = 1_000

type Batch = { settlements: Settlement[]; written: Promise<void> }

/**
 * Creates what marks alerts as settled and ends their obligations. What Redis does not hear of for ten seconds is left to
 * the tailer, which writes the marker, and to the sweeper, which ends the obligation.
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
  let gathering: Batch | null = null
  let closeByMs = Number.POSITIVE_INFINITY

  function gather(): Batch {
    const settlements: Settlement[] = []
    const gathered = new Promise((resolve) => setTimeout(resolve, gatherMs))
    const written = gathered.then(async () => {
      gathering = null
      await writeAll(settlements)
    })
    underWay.add(written)
    void written.then(() => underWay.delete(written))
    return { settlements, written }
  }

  async function writeAll(settlements: readonly Settlement[]): Promise<void> {
    const works: Promise<void>[] = []
    for (const [partition, its] of Map.groupBy(settlements, ({ alert }) => alert.partition)) {
      for (let start = 0; start < its.length; start += mostAtOnce) {
        works.push(write(partition, its.slice(start, start + mostAtOnce)))
      }
    }
    await Promise.all(works)
  }

  async function write(partition: number, settlements: readonly Settlement[]): Promise<void> {
    const giveUpAtMs = performance.now() + limitMs
    for (;;) {
      try {
        await book.settle(partition, settlements, now())
        break
      } catch (error) {
        if (performance.now() + retryMs > Math.min(giveUpAtMs, closeByMs)) {
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
      gathering ??= gather()
      gathering.settlements.push(settlement)
      return gathering.written
    },
    has: (alertId) => pending.has(alertId),
    async [Symbol.asyncDispose]() {
      closeByMs = performance.now() + closingLimitMs
      await endsWithin(Promise.all(underWay), closingLimitMs)
    },
  }
}
