import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { observations, registersOf } from './fold-log.fixture.ts'
import { type EntryStatus, entryKey, isFinal, type Observation, type ObservedEntry } from './observation.ts'
import { soundHistory, shuffledWithRepeats } from './random-history.fixture.ts'
import {
  emptyRegistration,
  joinObservation,
  mergeRegisters,
  type Registers,
  type View,
  viewOf,
} from './registration.ts'

const nothing = emptyRegistration.registers

describe('joining, up to eight rounds', () => {
  test('is idempotent: what is known already changes nothing, and says so', () => {
    fc.assert(
      fc.property(soundHistory, (history) => {
        const known = registersOf(history)
        for (const said of observations(history)) expect(joinObservation(known, said)).toBe(known)
        expect(mergeRegisters(known, registersOf(history))).toBe(known)
      }),
      { numRuns: 200 },
    )
  })

  test('does not depend on order or repetition', () => {
    const historyTwice = soundHistory.chain((history) =>
      fc.record({ history: fc.constant(history), otherwise: shuffledWithRepeats(history) }),
    )
    fc.assert(
      fc.property(historyTwice, ({ history, otherwise }) => {
        expect(registersOf(otherwise)).toEqual(registersOf(history))
        expect(viewOf(registersOf(otherwise))).toEqual(viewOf(registersOf(history)))
      }),
      { numRuns: 200 },
    )
  })

  test('is associative and commutative between register sets', () => {
    const registers = soundHistory.map(registersOf)
    fc.assert(
      fc.property(registers, registers, registers, (a, b, c) => {
        expect(mergeRegisters(mergeRegisters(a, b), c)).toEqual(mergeRegisters(a, mergeRegisters(b, c)))
        expect(mergeRegisters(a, b)).toEqual(mergeRegisters(b, a))
      }),
      { numRuns: 200 },
    )
  })

  test('of parts of a history gives the whole history', () => {
    fc.assert(
      fc.property(soundHistory, fc.nat({ max: 20 }), (history, cut) => {
        const parts = mergeRegisters(registersOf(history.slice(0, cut)), registersOf(history.slice(cut)))
        expect(parts).toEqual(registersOf(history))
      }),
      { numRuns: 200 },
    )
  })
})

/** The round whose answers count for an entry; null: none mentions it. */
function decidingRound({ rounds, sightings }: Registers, key: string): string | null {
  const mentioning = sightings.filter(({ entries }) => entries.some((entry) => entryKey(entry) === key))
  return rounds.findLast(({ id }) => mentioning.some(({ roundId }) => roundId === id))?.id ?? null
}

test('an entry never goes from a final to PENDING while the same round decides', () => {
  fc.assert(
    fc.property(soundHistory, (history) => {
      let registers = nothing
      for (const said of observations(history)) {
        const next = joinObservation(registers, said)
        const after = new Map(viewOf(next).entries.map((entry) => [entryKey(entry), entry.status]))
        for (const entry of viewOf(registers).entries) {
          const key = entryKey(entry)
          if (!isFinal(entry.status) || decidingRound(registers, key) !== decidingRound(next, key)) continue
          expect(after.get(key)).not.toBe('PENDING')
        }
        registers = next
      }
    }),
    { numRuns: 200 },
  )
})

test('up to eight rounds an entry never disappears', () => {
  fc.assert(
    fc.property(soundHistory, (history) => {
      const mentioned = new Set(observations(history).flatMap(({ entries }) => entries.map(entryKey)))
      expect(viewOf(registersOf(history)).entries.map(entryKey)).toEqual([...mentioned].toSorted())
    }),
    { numRuns: 200 },
  )
})

/** All of them, when it is not known yet. */
function roundsAfter({ rounds }: Registers, id: string): Set<string | null> {
  return new Set(rounds.slice(rounds.findIndex((round) => round.id === id) + 1).map((round) => round.id))
}

test('mail that leaves its round older never changes the collective, nor an entry that a later round mentions', () => {
  let compared = 0
  fc.assert(
    fc.property(soundHistory, (history) => {
      let before = nothing
      for (const mail of observations(history)) {
        const after = joinObservation(before, mail)
        compared += expectOlderMailChangesNothingLater({ before, mail, after }) ? 1 : 0
        before = after
      }
    }),
    { numRuns: 200 },
  )
  // Or the histories would prove little.
  expect(compared).toBeGreaterThan(100)
})

/** Whether there was anything to compare: the latest round is another one before and after. */
function expectOlderMailChangesNothingLater(step: {
  before: Registers
  mail: Observation
  after: Registers
}) {
  const { before, mail, after } = step
  const latest = before.rounds.at(-1)?.id
  if (mail.round === null || latest === mail.round || latest !== after.rounds.at(-1)?.id) return false
  expect(viewOf(after).collectiveStatus).toBe(viewOf(before).collectiveStatus)

  // Mail may also show that its round is older than was thought: rounds that become later only by that do not count.
  const later = roundsAfter(after, mail.round).intersection(roundsAfter(before, mail.round))
  const mentioned = before.sightings.filter(({ roundId }) => later.has(roundId))
  const keys = new Set(mentioned.flatMap(({ entries }) => entries.map(entryKey)))
  const ofThose = ({ entries }: View) => entries.filter((entry) => keys.has(entryKey(entry)))
  expect(ofThose(viewOf(after))).toEqual(ofThose(viewOf(before)))
  return true
}

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const startMs = Date.UTC(2020, 8, 18)

type Said = Partial<Omit<Observation, 'entries'>> & {
  atMs: number
  /** Statuses by pspName. */
  entries?: Record<string, EntryStatus>
}

function say({ atMs, entries = {}, ...rest }: Said): Observation {
  return {
    registration: { clientId: 'C', referenceMerchantId: 'M', referenceStoreId: null },
    round: 'R1',
    requestTimeMs: startMs + atMs,
    collective: 'PENDING',
    selfContradiction: false,
    unusualValue: false,
    ...rest,
    entries: Object.entries(entries).map(([pspName, status]) => ({
      pspName,
      productCode: '*',
      status,
      rejectionReason: null,
      reportedPspName: null,
    })),
  }
}

/** Speaks of one entry alone. */
function sayEntry({ atMs, ...changed }: { atMs: number } & Partial<ObservedEntry>): Observation {
  const entry: ObservedEntry = {
    pspName: 'ALIPAY_CN',
    productCode: '*',
    status: 'PENDING',
    rejectionReason: null,
    reportedPspName: null,
  }
  return { ...say({ atMs }), entries: [{ ...entry, ...changed }] }
}

function openedByCommand(id: string, openedAtMs: number): Registers {
  return { rounds: [{ id, firstSeenMs: startMs + 1, openedAtMs: startMs + openedAtMs }], sightings: [] }
}

function seen(...said: Said[]) {
  const { collectiveStatus, entries } = viewOf(said.map(say).reduce(joinObservation, nothing))
  return {
    collectiveStatus,
    entries: Object.fromEntries(entries.map(({ pspName, status }) => [pspName, status])),
  }
}

describe('two different finals in one round', () => {
  test('within 48 h the snapshot that had come farther stands, though it was signed earlier', () => {
    const farther = { atMs: 0, entries: { GCASH: 'APPROVED', TNG: 'APPROVED' } } as const
    expect(seen(farther, { atMs: 48 * hourMs, entries: { GCASH: 'CANCELLED' } }).entries).toEqual({
      GCASH: 'APPROVED',
      TNG: 'APPROVED',
    })
  })

  test('of equal progress the one signed last stands', () => {
    const approved = { atMs: 0, entries: { GCASH: 'APPROVED' } } as const
    expect(seen({ atMs: 1, entries: { GCASH: 'CANCELLED' } }, approved).entries).toEqual({
      GCASH: 'CANCELLED',
    })
  })

  test('farther apart than 48 h the older one cannot be news: it is dropped, whatever its rank', () => {
    const farther = { atMs: 0, entries: { GCASH: 'APPROVED', TNG: 'APPROVED' } } as const
    expect(seen(farther, { atMs: 48 * hourMs + 1, entries: { GCASH: 'CANCELLED' } }).entries).toEqual({
      GCASH: 'CANCELLED',
      TNG: 'APPROVED',
    })
  })

  test('signed in the same millisecond with equal progress: the greater text', () => {
    expect(
      seen({ atMs: 0, entries: { GCASH: 'REJECTED' } }, { atMs: 0, entries: { GCASH: 'APPROVED' } }).entries,
    ).toEqual({ GCASH: 'REJECTED' })
  })

  test('the reason shown is that of the best-ranked sighting of the status', () => {
    const registers = [
      sayEntry({ atMs: 2, status: 'REJECTED', rejectionReason: 'expired' }),
      sayEntry({ atMs: 1, status: 'REJECTED', rejectionReason: 'unclear photo' }),
    ].reduce(joinObservation, nothing)
    expect(viewOf(registers).entries).toMatchObject([{ rejectionReason: 'expired' }])
  })
})

describe('collective status', () => {
  test('is the one of the latest round, also when that one never reported any', () => {
    const completed = { atMs: 0, round: 'R1', collective: 'COMPLETED' } as const
    expect(seen(completed).collectiveStatus).toBe('COMPLETED')
    expect(seen(completed, { atMs: 1, round: 'R2', collective: 'PENDING' }).collectiveStatus).toBe('PENDING')
    expect(seen(completed, { atMs: 1, round: 'R2', collective: null }).collectiveStatus).toBe(null)
  })

  test('is COMPLETED against a PENDING of equal progress, until PENDING is seen alone for 48 h', () => {
    const completed = { atMs: 0, collective: 'COMPLETED' } as const
    expect(seen(completed, { atMs: 48 * hourMs }).collectiveStatus).toBe('COMPLETED')
    expect(seen(completed, { atMs: 48 * hourMs + 1 }).collectiveStatus).toBe('PENDING')
  })

  test('is never computed from the entries', () => {
    expect(seen({ atMs: 0, collective: 'COMPLETED', entries: { GCASH: 'PENDING' } }).collectiveStatus).toBe(
      'COMPLETED',
    )
    expect(seen({ atMs: 0, collective: 'PENDING', entries: { GCASH: 'APPROVED' } }).collectiveStatus).toBe(
      'PENDING',
    )
  })
})

describe('rounds', () => {
  test('a new round may go back to PENDING; entries that it does not mention keep their status', () => {
    const first = { atMs: 0, entries: { GCASH: 'REJECTED', TNG: 'APPROVED' } } as const
    const again = { atMs: hourMs, round: 'R2', entries: { GCASH: 'PENDING' } } as const
    expect(seen(first, again).entries).toEqual({ GCASH: 'PENDING', TNG: 'APPROVED' })
  })

  test('are ordered by when they were first seen, then by id', () => {
    const one = { atMs: 0, round: 'R1', entries: { GCASH: 'REJECTED' } } as const
    const two = { atMs: 0, round: 'R2', entries: { GCASH: 'APPROVED' } } as const
    expect(seen(one, two).entries).toEqual({ GCASH: 'APPROVED' })
    expect(seen(one, two, { ...two, atMs: -1 }).entries).toEqual({ GCASH: 'REJECTED' })
  })

  test('one opened by command begins then, whenever it was first seen', () => {
    const both = [
      say({ atMs: 0, round: 'R1', entries: { GCASH: 'REJECTED' } }),
      say({ atMs: 1, round: 'R2', entries: { GCASH: 'APPROVED' } }),
    ].reduce(joinObservation, nothing)
    expect(viewOf(both).entries).toMatchObject([{ status: 'APPROVED' }])
    const early = mergeRegisters(both, openedByCommand('R2', -1))
    expect(viewOf(early).entries).toMatchObject([{ status: 'REJECTED' }])
    expect(joinObservation(early, say({ atMs: 1, round: 'R2' })).rounds).toEqual(early.rounds)
    expect(mergeRegisters(early, openedByCommand('R2', -2)).rounds[0]?.openedAtMs).toBe(startMs - 2)
    expect(mergeRegisters(early, openedByCommand('R2', 0))).toBe(early)
    expect(mergeRegisters(both, openedByCommand('R2', 2)).rounds.map(({ id }) => id)).toEqual(['R1', 'R2'])
  })

  test('beyond the eight latest only the place is remembered, and late mail does not bring the rest back', () => {
    const ten = Array.from({ length: 10 }, (_, index) =>
      say({ atMs: index * minuteMs, round: `R${index}`, entries: { [`PSP${index}`]: 'APPROVED' } }),
    )
    const registers = ten.reduce(joinObservation, nothing)
    expect(registers.rounds.map(({ id }) => id)).toEqual(ten.map(({ round }) => round))
    expect(registers.sightings.map(({ roundId }) => roundId)).toEqual(ten.slice(2).map(({ round }) => round))

    expect(joinObservation(registers, say({ atMs: 0, round: 'R0', entries: { PSP0: 'REJECTED' } }))).toBe(
      registers,
    )
    const earlier = joinObservation(registers, say({ atMs: -1, round: 'R0', entries: { PSP0: 'REJECTED' } }))
    expect(earlier.rounds[0]?.firstSeenMs).toBe(startMs - 1)
    expect(earlier.sightings).toBe(registers.sightings)
  })
})

describe('with the ninth round', () => {
  const nine = Array.from(
    { length: 9 },
    (_, index): Said => ({
      atMs: index * minuteMs,
      round: `R${index}`,
      entries: index === 0 ? { GCASH: 'APPROVED', TNG: 'APPROVED' } : { GCASH: 'APPROVED' },
    }),
  )

  test('an entry that only the first one mentions is forgotten and no longer visible', () => {
    expect(seen(...nine.slice(0, 8)).entries).toEqual({ GCASH: 'APPROVED', TNG: 'APPROVED' })
    expect(seen(...nine).entries).toEqual({ GCASH: 'APPROVED' })
  })

  test('it is visible again as soon as a later round mentions it', () => {
    const mentioned = { atMs: 9 * minuteMs, round: 'R8', entries: { TNG: 'PENDING' } } as const
    expect(seen(...nine, mentioned).entries).toEqual({ GCASH: 'APPROVED', TNG: 'PENDING' })
  })
})

describe('what is said without a request id', () => {
  const outside = { round: null, entries: { GCASH: 'APPROVED' } } as const

  test('decides alone where no round mentions the entry', () => {
    expect(seen({ ...outside, atMs: 0 }, { atMs: hourMs, entries: { TNG: 'PENDING' } }).entries).toEqual({
      GCASH: 'APPROVED',
      TNG: 'PENDING',
    })
  })

  test('counts beside a round unless it fell silent before the round began', () => {
    const round = { atMs: hourMs, entries: { GCASH: 'PENDING' } } as const
    expect(seen(round, { ...outside, atMs: hourMs - 1 }).entries).toEqual({ GCASH: 'PENDING' })
    expect(seen(round, { ...outside, atMs: hourMs }).entries).toEqual({ GCASH: 'APPROVED' })
  })

  test('the same holds for the collective status', () => {
    const completed = { round: null, collective: 'COMPLETED' } as const
    expect(seen({ ...completed, atMs: 0 }).collectiveStatus).toBe('COMPLETED')
    expect(seen({ ...completed, atMs: 0 }, { atMs: 1 }).collectiveStatus).toBe('PENDING')
    expect(seen({ ...completed, atMs: 1 }, { atMs: 1 }).collectiveStatus).toBe('COMPLETED')
  })
})

test('the latest doubt of each kind is kept per round', () => {
  const registers = [
    say({ atMs: 2, selfContradiction: true }),
    say({ atMs: 1, selfContradiction: true, unusualValue: true }),
    say({ atMs: 3 }),
  ].reduce(joinObservation, nothing)
  expect(registers.sightings).toMatchObject([
    { roundId: 'R1', selfContradictionMs: startMs + 2, unusualValueMs: startMs + 1 },
  ])
})

test('the greatest other spelling of a name is kept beside the entry, and is not visible', () => {
  const registers = ['ALIPAYCN', 'AlipayCN', null]
    .map((reportedPspName) => sayEntry({ atMs: 0, reportedPspName }))
    .reduce(joinObservation, nothing)
  expect(registers.sightings).toMatchObject([{ entries: [{ reportedPspName: 'AlipayCN' }] }])
  expect(viewOf(registers)).toEqual(viewOf(joinObservation(nothing, sayEntry({ atMs: 0 }))))
})
