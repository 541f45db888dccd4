import { isBeforeErasure, join } from './join.ts'
import type { EntryView, Registration, View } from './registration.ts'
import { contentHash, type Forgetting, type Statement } from './statement.ts'
import { viewOf } from './view.ts'

/** What one statement does to a registration. */
export type Decision =
  /** The view changed (`flagged`: only its flags): a new version. */
  | { outcome: 'applied' | 'flagged'; next: Registration; previous: View; moved: true }
  /**
   * Nothing visible changed. `moved`: a register rose, so a state record is due. An exact copy of what was said last
   * gives the very registration that was known.
   */
  | { outcome: 'repeated' | 'stale'; next: Registration; moved: boolean }
  /** It is forgotten: what an erasure had left goes too, without a new version. */
  | { outcome: 'applied'; next: null; previous: View; moved: true }
  /** Not let in; the registration stays as it is. */
  | { outcome: 'quarantined'; reason: 'too_many_rounds' }

/** Rises when the same registers begin to give another view, or the registers themselves change meaning. */
export const foldVersion = 2

/** A registration remembers the id of every round; real ones have a handful. */
const mostRounds = 64

/** An old retry is recognised among this many different contents. */
const contentsRemembered = 8

/** For so long an erased registration still knows that older mail is `stale`. */
const forgettableAfterMs = 31 * 24 * 3_600_000

/**
 * Joins what one record says into what is known. `known` is `emptyRegistration` for one that was never heard of; when
 * `next` has version 0, it still is.
 */
export function fold(known: Registration, said: Statement): Decision {
  if (said.kind === 'forgetting') return forget(known, said)
  if (isBeforeErasure(known.registers, said)) return { outcome: 'stale', next: known, moved: false }

  const registers = join(known.registers, said)
  if (registers.rounds.length > mostRounds) return { outcome: 'quarantined', reason: 'too_many_rounds' }

  const content = contentHash(said)
  const isErased = registers.erasedAtMs !== known.registers.erasedAtMs
  const contents = remember(content, isErased ? [] : known.contents)
  const view = viewOf(registers)

  // Compared with the view that was published, not with one that newer code would make of the old registers.
  const isNew = known.version === 0
  if (isNew || !isSameState(known.view, view) || !isSameFlags(known.view, view)) {
    const next = { version: known.version + 1, view, registers, contents }
    const outcome = !isNew && isSameState(known.view, view) ? 'flagged' : 'applied'
    return { outcome, next, previous: known.view, moved: true }
  }

  const isSame = registers === known.registers && contents === known.contents
  return {
    outcome: known.contents.includes(content) ? 'repeated' : 'stale',
    next: isSame ? known : { version: known.version, view: known.view, registers, contents },
    moved: registers !== known.registers,
  }
}

function forget(known: Registration, said: Forgetting): Decision {
  const { erasedAtMs } = known.view
  const isForgettable = erasedAtMs !== null && said.appendTimeMs - erasedAtMs >= forgettableAfterMs
  if (!isForgettable) return { outcome: 'stale', next: known, moved: false }
  return { outcome: 'applied', next: null, previous: known.view, moved: true }
}

function remember(content: string, contents: readonly string[]): readonly string[] {
  if (contents.at(-1) === content) return contents
  return [...contents.filter((hash) => hash !== content), content].slice(-contentsRemembered)
}

function isSameState(left: View, right: View): boolean {
  return (
    left.collectiveStatus === right.collectiveStatus &&
    left.erasedAtMs === right.erasedAtMs &&
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
