import {
  contentHash,
  type EntryStatus,
  entryKey,
  type FinalStatus,
  isFinal,
  type Observation,
} from './observation.ts'
import { type EntryView, joinObservation, type Registration, type View, viewOf } from './registration.ts'

/** What one observation does to a registration. */
export type Decision =
  /** The view changed (`flagged`: only its flags): a new version. */
  | { outcome: 'applied' | 'flagged'; next: Registration; previous: View; moved: true }
  /** Nothing visible changed. `moved`: a register rose, so a state record is due. */
  | { outcome: 'repeated' | 'stale'; next: Registration; moved: boolean }
  /** Not let in; the registration stays as it is. */
  | { outcome: 'quarantined'; reason: 'too_many_rounds' }

/** Rises when the same registers begin to give another view, or the registers themselves change meaning. */
export const foldVersion = 1

/** A registration remembers the id of every round; real ones have a handful. */
const mostRounds = 64

/** An old retry is recognised among this many different contents. */
const contentsRemembered = 8

/** Joins what one notification says into what is known. */
export function fold(known: Registration, said: Observation): Decision {
  const registers = joinObservation(known.registers, said)
  if (registers.rounds.length > mostRounds) return { outcome: 'quarantined', reason: 'too_many_rounds' }

  const content = contentHash(said)
  const contents = [...known.contents.filter((hash) => hash !== content), content].slice(-contentsRemembered)
  const view = viewOf(registers)

  // Compared with the view that was published, not with one that newer code would make of the old registers.
  const isNew = known.version === 0
  if (isNew || !isSameState(known.view, view) || !isSameFlags(known.view, view)) {
    const next = { version: known.version + 1, view, registers, contents }
    const outcome = !isNew && isSameState(known.view, view) ? 'flagged' : 'applied'
    return { outcome, next, previous: known.view, moved: true }
  }

  return {
    outcome: known.contents.includes(content) ? 'repeated' : 'stale',
    next: { version: known.version, view: known.view, registers, contents },
    moved: registers !== known.registers,
  }
}

export type AlertableEvent =
  | {
      kind: 'entry'
      pspName: string
      productCode: string
      status: FinalStatus
      /** null: the entry was not there before. */
      previousStatus: EntryStatus | null
      rejectionReason: string | null
    }
  | { kind: 'collective_completed' }

/** What merchants are told of a change: entries that enter or change a final, and the collective becoming COMPLETED. */
export function alertableEvents(previous: View, next: View): readonly AlertableEvent[] {
  const before = new Map(previous.entries.map((entry) => [entryKey(entry), entry.status]))
  const events: AlertableEvent[] = []
  for (const entry of next.entries) {
    const { pspName, productCode, status, rejectionReason } = entry
    const previousStatus = before.get(entryKey(entry)) ?? null
    if (!isFinal(status) || status === previousStatus) continue
    events.push({ kind: 'entry', pspName, productCode, status, previousStatus, rejectionReason })
  }
  if (next.collectiveStatus === 'COMPLETED' && previous.collectiveStatus !== 'COMPLETED') {
    events.push({ kind: 'collective_completed' })
  }
  return events
}

function isSameState(left: View, right: View): boolean {
  return (
    left.collectiveStatus === right.collectiveStatus &&
    left.entries.length === right.entries.length &&
    left.entries.every((entry, index) => isSameEntry(entry, right.entries[index]))
  )
}

function isSameEntry(left: EntryView, right: EntryView | undefined): boolean {
  return (
    left.pspName === right?.pspName &&
    left.productCode === right.productCode &&
    left.status === right.status &&
    left.rejectionReason === right.rejectionReason
  )
}

function isSameFlags(left: View, right: View): boolean {
  return (
    left.flags.length === right.flags.length && left.flags.every((flag, index) => flag === right.flags[index])
  )
}
