import { laterOf } from './merging.ts'
import type { Flag, Registers } from './registration.ts'
import { latestRound, roundAsked, sightingsIn, startOf } from './rounds.ts'
import { isFinal } from './statement.ts'
import { type Severity, type Visible, visibleIn } from './visible.ts'

export type RaisedFlag = { flag: Flag; severity: Severity }

/** Of two rounds that were first seen no further apart, either may be the later one. */
const roundOrderMs = 25 * 3_600_000

/** What is in doubt, in the order of the closed list. A flag clears by itself when its condition no longer holds. */
export function flagsOf(
  registers: Registers,
  visible: Visible = visibleIn(registers),
): readonly RaisedFlag[] {
  const raised: Record<Flag, Severity | null> = {
    reversal: reversal(visible),
    round_order: isRoundOrderDoubtful(registers) ? 'warn' : null,
    inconsistent_collective: isCollectiveInconsistent(registers, visible) ? 'warn' : null,
    self_contradiction: isUnsettled(registers, 'selfContradictionMs') ? 'warn' : null,
    unusual_value: isUnsettled(registers, 'unusualValueMs') ? 'info' : null,
  }
  const flags: RaisedFlag[] = []
  for (const flag of closedList) {
    const severity = raised[flag]
    if (severity !== null) flags.push({ flag, severity })
  }
  return flags
}

const closedList: readonly Flag[] = [
  'reversal',
  'round_order',
  'inconsistent_collective',
  'self_contradiction',
  'unusual_value',
]

/** Two different finals of one entry stand against each other. */
function reversal({ entries }: Visible): Severity | null {
  if (entries.some(({ reversal }) => reversal === 'warn')) return 'warn'
  return entries.some(({ reversal }) => reversal === 'info') ? 'info' : null
}

/** The two latest rounds were first seen close to each other, and the acquirer did not say which came first. */
function isRoundOrderDoubtful({ rounds }: Registers): boolean {
  const [one, other] = rounds.slice(-2)
  if (one === undefined || other === undefined) return false
  if (one.firstSeenMs === null || other.firstSeenMs === null) return false
  if (one.openedAtMs !== null && other.openedAtMs !== null) return false
  return Math.abs(one.firstSeenMs - other.firstSeenMs) <= roundOrderMs
}

/** COMPLETED says that all have answered, PENDING that some have not, and the entries of that round differ. */
function isCollectiveInconsistent(registers: Registers, { collectiveStatus, entries }: Visible): boolean {
  if (collectiveStatus === null) return false
  const latestId = latestRound(registers)?.id ?? null
  const latest = sightingsIn(registers, latestId)
  const current = entries.filter(
    ({ mentionedIn, answer }) =>
      (mentionedIn !== null && mentionedIn === latest) ||
      (answer !== null && roundAsked(answer, registers) === latestId),
  )
  const haveAnswered = current.length > 0 && current.every(({ status }) => isFinal(status))
  return haveAnswered !== (collectiveStatus === 'COMPLETED')
}

/** The latest round, or what was said outside rounds since it began, raised the doubt, and no inquiry came later. */
function isUnsettled(registers: Registers, doubt: 'selfContradictionMs' | 'unusualValueMs'): boolean {
  const round = latestRound(registers)
  const inRound = round && (sightingsIn(registers, round.id)?.[doubt] ?? null)
  const outside = sightingsIn(registers, null)?.[doubt] ?? null
  const isBeside = outside !== null && (round === null || outside >= startOf(round))
  const raisedAtMs = laterOf(inRound, isBeside ? outside : null)
  const { inquiredAtMs } = registers.inquiry
  return raisedAtMs !== null && (inquiredAtMs === null || raisedAtMs > inquiredAtMs)
}
