import type { CollectiveStatus, EntryId, EntryStatus, FinalStatus } from './statement.ts'

export type Registration = {
  /** 0: never seen. Rises by one exactly when the view changes, so a version never has two contents. */
  version: number
  /** As it was published under this version, perhaps by an older fold; it is never computed again. */
  view: View
  registers: Registers
  /** Content hashes of the last eight different contents, newest last. They tell `repeated` from `stale`. */
  contents: readonly string[]
}

/** What everybody sees of a registration: a pure function of its registers. */
export type View = {
  collectiveStatus: CollectiveStatus | null
  /** In the order of pspName, then productCode, by code units. */
  entries: readonly EntryView[]
  /** In the order of the closed list. */
  flags: readonly Flag[]
  /** When it was erased, if nothing was heard since. */
  erasedAtMs: number | null
}

export type EntryView = EntryId & { status: EntryStatus; rejectionReason: string | null }

/** Doubt that is shown beside the state; `flags.ts` says when. A closed list, in this order. */
export type Flag =
  | 'reversal'
  | 'round_order'
  | 'inconsistent_collective'
  | 'self_contradiction'
  | 'unusual_value'

/** What is known of a registration. Every register only ever takes the greater value (starts of rounds: the smaller). */
export type Registers = {
  /** Every round ever heard of, oldest first. */
  rounds: readonly Round[]
  /** What was said in the latest of these rounds and outside any, in the order of the round ids, *none* first. */
  sightings: readonly Sightings[]
  /** What was answered when the sender was asked. */
  inquiry: Inquiry
  /** When it was last erased. All other registers are about what was said since. */
  erasedAtMs: number | null
}

export type Round = {
  id: string
  /** The smallest signed Request-Time; null: nothing was ever heard in it. */
  firstSeenMs: number | null
  /** When the acquirer opened it, by command. */
  openedAtMs: number | null
  /** What it was opened for, in the order of code units. */
  productCodes: readonly string[]
}

export type Sightings = {
  /** null: the pseudo-round *none*. */
  roundId: string | null
  /** At most one per status, in the order of the status texts. */
  collective: readonly Seen<CollectiveStatus>[]
  /** Every entry the round mentions, in the order of pspName, then productCode. */
  entries: readonly EntrySightings[]
  /** The greatest Request-Time that raised the doubt. */
  selfContradictionMs: number | null
  unusualValueMs: number | null
}

export type EntrySightings = EntryId & {
  reportedPspName: string | null
  /** At most one per status, in the order of the status texts; none: only PENDING was seen. */
  finals: readonly Seen<FinalStatus>[]
}

export type Seen<Status extends FinalStatus | CollectiveStatus> = {
  status: Status
  /** Of the sighting that had come farthest. */
  bestRank: Rank
  /** The reason in that sighting; a collective status has none. */
  rejectionReason: string | null
  /** The greatest signed Request-Time, of whichever sighting. */
  lastSeenMs: number
}

/**
 * How far the sender had come when it took its snapshot, compared member by member. Inside a round snapshots only gain
 * finals, so progress is a better clock than any timestamp; time decides only between equals.
 */
export type Rank = {
  finalEntries: number
  entries: number
  /** 1: the collective status was COMPLETED. */
  completed: 0 | 1
  requestTimeMs: number
}

export type Inquiry = {
  /** The greatest Response-Time of any answer, whatever it was about. */
  inquiredAtMs: number | null
  /** The latest answer about the collective status. */
  collective: Answer<CollectiveStatus> | null
  /** The latest answer about each entry, in the order of pspName, then productCode. */
  entries: readonly (EntryId & Answer<EntryStatus>)[]
}

export type Answer<Status extends EntryStatus | CollectiveStatus> = {
  /** Response-Time. */
  answeredAtMs: number
  status: Status
  rejectionReason: string | null
  /** The round that was asked for, known or not; null: none was named. */
  askedRound: string | null
}

export const emptyRegistration: Registration = {
  version: 0,
  view: { collectiveStatus: null, entries: [], flags: [], erasedAtMs: null },
  registers: {
    rounds: [],
    sightings: [],
    inquiry: { inquiredAtMs: null, collective: null, entries: [] },
    erasedAtMs: null,
  },
  contents: [],
}
