import { earlierOf, knownUnlessChanged } from './merging.ts'
import type { Answer, Registers, Round, Sightings } from './registration.ts'
import type { CollectiveStatus, EntryStatus } from './statement.ts'
import { compareText } from './text-order.ts'

/** When a round began: as the acquirer says, else with the first that was heard in it. */
export function startOf({ openedAtMs, firstSeenMs }: Round): number {
  return openedAtMs ?? firstSeenMs ?? Number.NEGATIVE_INFINITY
}

export function latestRound({ rounds }: Registers): Round | null {
  return rounds.at(-1) ?? null
}

/** What was said in a round (null: outside any); null: nothing, or it is forgotten. */
export function sightingsIn({ sightings }: Registers, roundId: string | null): Sightings | null {
  return sightings.find((said) => said.roundId === roundId) ?? null
}

/** The known round that an answer was asked for; null: none. */
export function roundAsked(
  { askedRound }: Answer<EntryStatus | CollectiveStatus>,
  { rounds }: Registers,
): string | null {
  return rounds.find(({ id }) => id === askedRound)?.id ?? null
}

/** Joined by id, oldest first. */
export function mergeRounds(known: readonly Round[], said: readonly Round[]): readonly Round[] {
  let merged = known
  for (const round of said) {
    const before = merged.find(({ id }) => id === round.id)
    const after = before === undefined ? round : mergeRound(before, round)
    if (after !== before) merged = [...merged.filter((other) => other !== before), after]
  }
  return merged === known ? known : merged.toSorted(compareRounds)
}

function mergeRound(known: Round, said: Round): Round {
  return knownUnlessChanged(known, {
    id: known.id,
    firstSeenMs: earlierOf(known.firstSeenMs, said.firstSeenMs),
    openedAtMs: earlierOf(known.openedAtMs, said.openedAtMs),
    productCodes: mergeProductCodes(known.productCodes, said.productCodes),
  })
}

function mergeProductCodes(known: readonly string[], said: readonly string[]): readonly string[] {
  const all = new Set([...known, ...said])
  return all.size === known.length ? known : [...all].toSorted(compareText)
}

/** Oldest first. */
export function compareRounds(left: Round, right: Round): number {
  return startOf(left) - startOf(right) || compareText(left.id, right.id)
}
