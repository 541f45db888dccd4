import { knownUnlessChanged, laterOf, mergeLists } from './merging.ts'
import type { EntrySightings, Rank, Seen, Sightings } from './registration.ts'
import {
  type CollectiveStatus,
  compareEntries,
  type FinalStatus,
  isFinal,
  type Snapshot,
} from './statement.ts'
import { compareOptionalText, compareText, greaterText } from './text-order.ts'

/** Twice the retry horizon: of two sightings further apart, the older cannot be a retry that overtook its successor. */
export const overtakingMs = 48 * 3_600_000

/** What one snapshot alone would make known of its round. */
export function sightingsOf(said: Snapshot): Sightings {
  const { requestTimeMs } = said
  const bestRank = rankOf(said)
  const sighting = { bestRank, lastSeenMs: requestTimeMs }
  return {
    roundId: said.round,
    collective:
      said.collective === null ? [] : [{ ...sighting, status: said.collective, rejectionReason: null }],
    entries: said.entries.map(({ pspName, productCode, reportedPspName, status, rejectionReason }) => ({
      pspName,
      productCode,
      reportedPspName,
      finals: isFinal(status) ? [{ ...sighting, status, rejectionReason }] : [],
    })),
    selfContradictionMs: said.selfContradiction ? requestTimeMs : null,
    unusualValueMs: said.unusualValue ? requestTimeMs : null,
  }
}

/** In the order of the round ids, *none* first. */
export function mergeSightings(
  known: readonly Sightings[],
  said: readonly Sightings[],
): readonly Sightings[] {
  return mergeLists(known, said, { compare: compareRoundIds, merge: mergeSightingsOfRound })
}

export function mergeSeen<Status extends FinalStatus | CollectiveStatus>(
  known: readonly Seen<Status>[],
  said: readonly Seen<Status>[],
): readonly Seen<Status>[] {
  return mergeLists(known, said, { compare: compareStatuses, merge: mergeSeenStatus })
}

/** Of statuses that contradict each other, the one that stands. */
export function prevailing<Status extends FinalStatus | CollectiveStatus>(
  seen: readonly Seen<Status>[],
): Seen<Status> | null {
  const [first = null] = seen
  if (seen.length <= 1) return first
  const newestMs = Math.max(...seen.map(({ lastSeenMs }) => lastSeenMs))
  return seen
    .filter(({ lastSeenMs }) => newestMs - lastSeenMs <= overtakingMs)
    .reduce((best, other) => (compareClaims(other, best) > 0 ? other : best))
}

export function compareRanks(left: Rank, right: Rank): number {
  return (
    left.finalEntries - right.finalEntries ||
    left.entries - right.entries ||
    left.completed - right.completed ||
    left.requestTimeMs - right.requestTimeMs
  )
}

function rankOf({ entries, collective, requestTimeMs }: Snapshot): Rank {
  return {
    finalEntries: entries.filter(({ status }) => isFinal(status)).length,
    entries: entries.length,
    completed: collective === 'COMPLETED' ? 1 : 0,
    requestTimeMs,
  }
}

function mergeSightingsOfRound(known: Sightings, said: Sightings): Sightings {
  return knownUnlessChanged(known, {
    roundId: known.roundId,
    collective: mergeSeen(known.collective, said.collective),
    entries: mergeLists(known.entries, said.entries, { compare: compareEntries, merge: mergeEntry }),
    selfContradictionMs: laterOf(known.selfContradictionMs, said.selfContradictionMs),
    unusualValueMs: laterOf(known.unusualValueMs, said.unusualValueMs),
  })
}

function mergeEntry(known: EntrySightings, said: EntrySightings): EntrySightings {
  return knownUnlessChanged(known, {
    pspName: known.pspName,
    productCode: known.productCode,
    reportedPspName: greaterText(known.reportedPspName, said.reportedPspName),
    finals: mergeSeen(known.finals, said.finals),
  })
}

function mergeSeenStatus<Status extends FinalStatus | CollectiveStatus>(
  known: Seen<Status>,
  said: Seen<Status>,
): Seen<Status> {
  const progress = compareRanks(said.bestRank, known.bestRank)
  const lastSeenMs = Math.max(known.lastSeenMs, said.lastSeenMs)
  if (progress > 0) return { ...said, lastSeenMs }
  const rejectionReason =
    progress < 0 ? known.rejectionReason : greaterText(known.rejectionReason, said.rejectionReason)
  return knownUnlessChanged(known, { ...known, rejectionReason, lastSeenMs })
}

function compareRoundIds(left: Sightings, right: Sightings): number {
  return compareOptionalText(left.roundId, right.roundId)
}

function compareStatuses(left: { status: string }, right: { status: string }): number {
  return compareText(left.status, right.status)
}

function compareClaims(
  left: Seen<FinalStatus | CollectiveStatus>,
  right: Seen<FinalStatus | CollectiveStatus>,
) {
  return compareRanks(left.bestRank, right.bestRank) || compareStatuses(left, right)
}
