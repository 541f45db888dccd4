import { inquiryOf, mergeInquiries } from './inquiry.ts'
import { keepIf, knownUnlessChanged } from './merging.ts'
import { emptyRegistration, type Registers, type Round, type Sightings } from './registration.ts'
import { mergeRounds } from './rounds.ts'
import { mergeSightings, sightingsOf } from './sightings.ts'
import type { Forgetting, Statement } from './statement.ts'

/** What is said in older rounds is forgotten, so that a registration stays bounded. */
const roundsWithSightings = 8

const nothing = emptyRegistration.registers

/** What is known once something more has been said. The very object that was given when no register rose. */
export function join(known: Registers, said: Exclude<Statement, Forgetting>): Registers {
  if (isBeforeErasure(known, said)) return known
  return mergeRegisters(known, registersOf(said, known))
}

/** What was said no later than the erasure is erased with the rest. */
export function isBeforeErasure({ erasedAtMs }: Registers, said: Exclude<Statement, Forgetting>): boolean {
  if (erasedAtMs === null || said.kind === 'erasure') return false
  return (said.kind === 'opening' ? said.openedAtMs : said.requestTimeMs) <= erasedAtMs
}

/**
 * The greater of each register. Up to eight rounds this is idempotent, commutative and associative, so repeats,
 * order and races cannot matter. The very object `known` when nothing in it rises.
 */
export function mergeRegisters(known: Registers, said: Registers): Registers {
  // A later erasure leaves nothing of what was known before it.
  if (erasureOf(known) > erasureOf(said)) return known
  if (erasureOf(said) > erasureOf(known)) return said

  const rounds = mergeRounds(known.rounds, said.rounds)
  const isRemembered = rememberedIn(rounds)
  return knownUnlessChanged(known, {
    rounds,
    sightings: mergeSightings(keepIf(known.sightings, isRemembered), keepIf(said.sightings, isRemembered)),
    inquiry: mergeInquiries(known.inquiry, said.inquiry),
    erasedAtMs: known.erasedAtMs,
  })
}

function erasureOf({ erasedAtMs }: Registers): number {
  return erasedAtMs ?? Number.NEGATIVE_INFINITY
}

function rememberedIn(rounds: readonly Round[]): (sightings: Sightings) => boolean {
  if (rounds.length <= roundsWithSightings) return () => true
  const latest = rounds.slice(-roundsWithSightings)
  return ({ roundId }) => roundId === null || latest.some(({ id }) => id === roundId)
}

/** What one statement alone would make known, after the erasure that is known. */
function registersOf(said: Exclude<Statement, Forgetting>, { erasedAtMs }: Registers): Registers {
  switch (said.kind) {
    case 'notification':
      return {
        rounds: heardRound(said.round, said.requestTimeMs),
        sightings: [sightingsOf(said)],
        inquiry: nothing.inquiry,
        erasedAtMs,
      }
    case 'inquiry':
      return { ...nothing, inquiry: inquiryOf(said), erasedAtMs }
    case 'opening':
      return { ...nothing, rounds: [openedRound(said)], erasedAtMs }
    default:
      return { ...nothing, erasedAtMs: said.erasedAtMs }
  }
}

function heardRound(id: string | null, firstSeenMs: number): readonly Round[] {
  return id === null ? [] : [{ id, firstSeenMs, openedAtMs: null, productCodes: [] }]
}

function openedRound({ round, openedAtMs, productCodes }: Extract<Statement, { kind: 'opening' }>): Round {
  return { id: round, firstSeenMs: null, openedAtMs, productCodes }
}
