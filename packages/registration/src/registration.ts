import { keepIf, knownUnlessChanged, mergeLists } from './merging.ts'
import {
  type CollectiveStatus,
  type EntryStatus,
  entryKey,
  type FinalStatus,
  isFinal,
  type Observation,
} from './observation.ts'
import { compareText, greaterText } from './text-order.ts'

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
  flags: readonly Flag[]
}

export type EntryView = {
  pspName: string
  productCode: string
  status: EntryStatus
  rejectionReason: string | null
}

/** Doubt that is shown beside the state. */
export type Flag =
  | 'reversal'
  | 'round_order'
  | 'inconsistent_collective'
  | 'self_contradiction'
  | 'unusual_value'

/** What is known of a registration. Every register only ever takes the greater value (`firstSeenMs`: the smaller). */
export type Registers = {
  /** Every round ever heard of, oldest first. */
  rounds: readonly Round[]
  /** What was said in the latest of these rounds and outside any, in the order of the round ids. */
  sightings: readonly Sightings[]
}

export type Round = {
  id: string
  /** The smallest signed Request-Time. */
  firstSeenMs: number
  /** When a command opened it. */
  openedAtMs?: number
}

export type Sightings = {
  /** null: the pseudo-round *none*. */
  roundId: string | null
  /** At most one per status. */
  collective: readonly Seen<CollectiveStatus>[]
  /** Every entry the round mentions, in the order of pspName, then productCode. */
  entries: readonly EntrySightings[]
  /** The greatest Request-Time that raised the doubt. */
  selfContradictionMs: number | null
  unusualValueMs: number | null
}

export type EntrySightings = {
  pspName: string
  productCode: string
  reportedPspName: string | null
  /** At most one per status; none: only PENDING was seen. */
  finals: readonly Seen<FinalStatus>[]
}

export type Seen<Status extends EntryStatus | CollectiveStatus> = {
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

/** What is said in older rounds is forgotten, so that a registration stays bounded. */
const roundsWithSightings = 8

/** Twice the retry horizon: of two sightings further apart, the older cannot be a retry that overtook its successor. */
const overtakingMs = 48 * 3_600_000

export const emptyRegistration: Registration = {
  version: 0,
  view: { collectiveStatus: null, entries: [], flags: [] },
  registers: { rounds: [], sightings: [] },
  contents: [],
}

/** What is known once an observation has been heard. The very object that was given when no register rose. */
export function joinObservation(registers: Registers, observation: Observation): Registers {
  return mergeRegisters(registers, registersOf(observation))
}

/**
 * The greater of each register. Up to eight rounds this is idempotent, commutative and associative, so repeats,
 * order and races cannot matter. The very object `known` when nothing in it rises.
 */
export function mergeRegisters(known: Registers, said: Registers): Registers {
  const rounds = mergeLists({
    known: known.rounds,
    said: said.rounds,
    keyOf: ({ id }) => id,
    merge: mergeRounds,
    compare: compareRounds,
  })
  const remembered = new Set<string | null>([null, ...rounds.slice(-roundsWithSightings).map(({ id }) => id)])
  const isRemembered = ({ roundId }: Sightings) => remembered.has(roundId)
  const sightings = mergeLists({
    known: keepIf(known.sightings, isRemembered),
    said: keepIf(said.sightings, isRemembered),
    // No round has the empty id: the empty text means "not given".
    keyOf: ({ roundId }) => roundId ?? '',
    merge: mergeSightings,
  })
  return knownUnlessChanged(known, { rounds, sightings })
}

/** What is visible. */
export function viewOf(registers: Registers): View {
  return { collectiveStatus: collectiveOf(registers), entries: entriesOf(registers), flags: [] }
}

/** As reported, never computed from the entries, and only in the latest round. */
function collectiveOf(registers: Registers): CollectiveStatus | null {
  const latest = registers.rounds.at(-1)
  const reported = besideRound({
    inRound: (latest && sightingsIn(registers, latest.id)?.collective) ?? [],
    outside: sightingsIn(registers, null)?.collective ?? [],
    startMs: latest && startOf(latest),
  })
  return prevailing(reported)?.status ?? null
}

/** For each entry the latest round that mentions it decides; a later one that leaves it out does not delete it. */
function entriesOf(registers: Registers): readonly EntryView[] {
  const deciding = new Map<string, { entry: EntrySightings; startMs: number }>()
  for (const round of registers.rounds) {
    for (const entry of sightingsIn(registers, round.id)?.entries ?? []) {
      deciding.set(entryKey(entry), { entry, startMs: startOf(round) })
    }
  }

  const views = new Map<string, EntryView>()
  for (const [key, { entry }] of deciding) views.set(key, entryView(entry))
  for (const outside of sightingsIn(registers, null)?.entries ?? []) {
    const key = entryKey(outside)
    const round = deciding.get(key)
    const finals = besideRound({
      inRound: round?.entry.finals ?? [],
      outside: outside.finals,
      startMs: round?.startMs,
    })
    views.set(key, entryView({ ...outside, finals }))
  }
  return [...views].toSorted(([left], [right]) => compareText(left, right)).map(([, view]) => view)
}

function sightingsIn(registers: Registers, roundId: string | null): Sightings | undefined {
  return registers.sightings.find((sightings) => sightings.roundId === roundId)
}

/** What one observation alone would make known. */
function registersOf(said: Observation): Registers {
  const { requestTimeMs } = said
  const bestRank: Rank = {
    finalEntries: said.entries.filter(({ status }) => isFinal(status)).length,
    entries: said.entries.length,
    completed: said.collective === 'COMPLETED' ? 1 : 0,
    requestTimeMs,
  }
  return {
    rounds: said.round === null ? [] : [{ id: said.round, firstSeenMs: requestTimeMs }],
    sightings: [
      {
        roundId: said.round,
        collective:
          said.collective === null
            ? []
            : [{ status: said.collective, bestRank, rejectionReason: null, lastSeenMs: requestTimeMs }],
        entries: said.entries.map(({ pspName, productCode, reportedPspName, status, rejectionReason }) => ({
          pspName,
          productCode,
          reportedPspName,
          finals: isFinal(status) ? [{ status, bestRank, rejectionReason, lastSeenMs: requestTimeMs }] : [],
        })),
        selfContradictionMs: said.selfContradiction ? requestTimeMs : null,
        unusualValueMs: said.unusualValue ? requestTimeMs : null,
      },
    ],
  }
}

function mergeRounds(known: Round, said: Round): Round {
  const firstSeenMs = Math.min(known.firstSeenMs, said.firstSeenMs)
  const opened = [known.openedAtMs, said.openedAtMs].filter((time) => time !== undefined)
  return knownUnlessChanged(
    known,
    opened.length === 0
      ? { id: known.id, firstSeenMs }
      : { id: known.id, firstSeenMs, openedAtMs: Math.min(...opened) },
  )
}

function mergeSightings(known: Sightings, said: Sightings): Sightings {
  return knownUnlessChanged(known, {
    roundId: known.roundId,
    collective: mergeSeenLists(known.collective, said.collective),
    entries: mergeLists({ known: known.entries, said: said.entries, keyOf: entryKey, merge: mergeEntries }),
    selfContradictionMs: laterOf(known.selfContradictionMs, said.selfContradictionMs),
    unusualValueMs: laterOf(known.unusualValueMs, said.unusualValueMs),
  })
}

function mergeEntries(known: EntrySightings, said: EntrySightings): EntrySightings {
  return knownUnlessChanged(known, {
    ...known,
    reportedPspName: greaterText(known.reportedPspName, said.reportedPspName),
    finals: mergeSeenLists(known.finals, said.finals),
  })
}

function mergeSeenLists<Status extends EntryStatus | CollectiveStatus>(
  known: readonly Seen<Status>[],
  said: readonly Seen<Status>[],
): readonly Seen<Status>[] {
  return mergeLists({ known, said, keyOf: ({ status }) => status, merge: mergeSeen })
}

function mergeSeen<Status extends EntryStatus | CollectiveStatus>(
  known: Seen<Status>,
  said: Seen<Status>,
): Seen<Status> {
  const order = compareRanks(said.bestRank, known.bestRank)
  const lastSeenMs = Math.max(known.lastSeenMs, said.lastSeenMs)
  if (order > 0) return { ...said, lastSeenMs }
  return knownUnlessChanged(known, {
    ...known,
    rejectionReason:
      order < 0 ? known.rejectionReason : greaterText(known.rejectionReason, said.rejectionReason),
    lastSeenMs,
  })
}

/**
 * What is said outside rounds stands in no order to them. It counts beside a round unless it fell silent before the
 * round began, and alone where there is no round.
 */
function besideRound<Status extends EntryStatus | CollectiveStatus>(said: {
  inRound: readonly Seen<Status>[]
  outside: readonly Seen<Status>[]
  startMs: number | undefined
}): readonly Seen<Status>[] {
  const { inRound, outside, startMs = Number.NEGATIVE_INFINITY } = said
  return mergeSeenLists(
    inRound,
    outside.filter(({ lastSeenMs }) => lastSeenMs >= startMs),
  )
}

/** Of answers that contradict each other, the one that stands. */
function prevailing<Status extends EntryStatus | CollectiveStatus>(
  answers: readonly Seen<Status>[],
): Seen<Status> | undefined {
  const newestMs = Math.max(...answers.map(({ lastSeenMs }) => lastSeenMs))
  return answers
    .filter(({ lastSeenMs }) => newestMs - lastSeenMs <= overtakingMs)
    .toSorted(
      (left, right) => compareRanks(right.bestRank, left.bestRank) || compareText(right.status, left.status),
    )[0]
}

function entryView({ pspName, productCode, finals }: EntrySightings): EntryView {
  const final = prevailing(finals)
  return {
    pspName,
    productCode,
    status: final?.status ?? 'PENDING',
    rejectionReason: final?.rejectionReason ?? null,
  }
}

function startOf(round: Round): number {
  return round.openedAtMs ?? round.firstSeenMs
}

function compareRounds(left: Round, right: Round): number {
  return startOf(left) - startOf(right) || compareText(left.id, right.id)
}

function compareRanks(left: Rank, right: Rank): number {
  return (
    left.finalEntries - right.finalEntries ||
    left.entries - right.entries ||
    left.completed - right.completed ||
    left.requestTimeMs - right.requestTimeMs
  )
}

function laterOf(left: number | null, right: number | null): number | null {
  if (left === null || right === null) return left ?? right
  return Math.max(left, right)
}
