import { collectiveEvidence, type EntryEvidence, entryEvidence, whatCounts } from './evidence.ts'
import type { Answer, EntryView, Registers, Seen } from './registration.ts'
import { compareRanks, overtakingMs, prevailing } from './sightings.ts'
import type { CollectiveStatus, EntryStatus, FinalStatus } from './statement.ts'

/** The state that is shown, and what the flags have to know of it. */
export type Visible = { collectiveStatus: CollectiveStatus | null; entries: readonly VisibleEntry[] }
type VisibleEntry = EntryView &
  Pick<EntryEvidence, 'mentionedIn'> & {
    reversal: Severity | null
    /** The answer that counts, if one does. */
    answer: EntryEvidence['answer']
  }

/** `warn`: an inquiry should settle it. */
export type Severity = 'info' | 'warn'

/** A retry of what was sent before an inquiry may be signed so long after it. */
const retryHorizonMs = 25 * 3_600_000

export function visibleIn(registers: Registers): Visible {
  return {
    collectiveStatus: collectiveStatusIn(registers),
    entries: entryEvidence(registers).map((evidence) => visibleEntry(evidence, registers)),
  }
}

/** As reported, never computed from the entries. */
function collectiveStatusIn(registers: Registers): CollectiveStatus | null {
  const { answer, seen } = whatCounts(collectiveEvidence(registers), registers)
  if (answer === null) return prevailing(seen)?.status ?? null

  if (answer.status === 'PENDING')
    return seen.find(({ status }) => status === 'COMPLETED')?.status ?? 'PENDING'
  const news = seen.filter((one) => one.status === 'COMPLETED' || !mayBeRetry(one, answer))
  return prevailing(news)?.status ?? 'COMPLETED'
}

function visibleEntry(evidence: EntryEvidence, registers: Registers): VisibleEntry {
  const { pspName, productCode, mentionedIn } = evidence
  const { answer, seen } = whatCounts(evidence, registers)
  const isSettled = answer !== null && answer.status !== 'PENDING'
  const { status, rejectionReason, reversal } = isSettled
    ? besideFinalAnswer(seen, answer)
    : amongFinals(seen)
  return { pspName, productCode, status, rejectionReason, mentionedIn, reversal, answer }
}

type Decided = Pick<VisibleEntry, 'status' | 'rejectionReason' | 'reversal'>

/** PENDING never displaces a final of the same round. */
function amongFinals(seen: readonly Seen<FinalStatus>[]): Decided {
  const final = prevailing(seen)
  return {
    status: final?.status ?? 'PENDING',
    rejectionReason: final?.rejectionReason ?? null,
    reversal: reversalAmong(seen),
  }
}

/** A different final may be an old retry: it is held, and the next inquiry decides. One seen later than that is news. */
function besideFinalAnswer(seen: readonly Seen<FinalStatus>[], answer: Answer<EntryStatus>): Decided {
  const isHeld = (one: Seen<FinalStatus>) => one.status !== answer.status && mayBeRetry(one, answer)
  const news = prevailing(seen.filter((one) => !mayBeRetry(one, answer)))
  const { status, rejectionReason } = news === null || news.status === answer.status ? answer : news
  return { status, rejectionReason, reversal: seen.some(isHeld) ? 'warn' : reversalAmong(seen) }
}

function mayBeRetry(
  { lastSeenMs }: Seen<FinalStatus | CollectiveStatus>,
  { answeredAtMs }: Answer<EntryStatus | CollectiveStatus>,
): boolean {
  return lastSeenMs <= answeredAtMs + retryHorizonMs
}

/** Two different finals were seen so close to each other that the older may have overtaken its successor. */
function reversalAmong(seen: readonly Seen<FinalStatus>[]): Severity | null {
  const isReversed = seen.some((one) =>
    seen.some((other) => other !== one && Math.abs(other.lastSeenMs - one.lastSeenMs) <= overtakingMs),
  )
  if (!isReversed) return null
  return isWithdrawal(seen) ? 'info' : 'warn'
}

/** Approved, then cancelled by the MPP: both are in order, and there is no third. */
function isWithdrawal(seen: readonly Seen<FinalStatus>[]): boolean {
  const approved = seen.find(({ status }) => status === 'APPROVED')
  const cancelled = seen.find(({ status }) => status === 'CANCELLED')
  if (approved === undefined || cancelled === undefined || seen.length !== 2) return false
  return compareRanks(cancelled.bestRank, approved.bestRank) > 0
}
