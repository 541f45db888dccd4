import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { observations, registersOf } from './fold-log.fixture.ts'
import { join, mergeRegisters } from './join.ts'
import { soundHistory } from './random-history.fixture.ts'
import type { Registers, View } from './registration.ts'
import {
  hourMs,
  minuteMs,
  nothing,
  open,
  registersAfter,
  type Said,
  say,
  sayEntry,
  startMs,
} from './said.fixture.ts'
import { entryKey, isFinal, type Observation } from './statement.ts'
import { viewOf } from './view.ts'

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
        const next = join(registers, said)
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
        const after = join(before, mail)
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

function seen(...said: Said[]) {
  const { collectiveStatus, entries } = viewOf(registersAfter(...said.map(say)))
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
    ].reduce(join, nothing)
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
    ].reduce(join, nothing)
    expect(viewOf(both).entries).toMatchObject([{ status: 'APPROVED' }])
    const early = mergeRegisters(both, registersAfter(open('R2', -1)))
    expect(viewOf(early).entries).toMatchObject([{ status: 'REJECTED' }])
    expect(join(early, say({ atMs: 1, round: 'R2' })).rounds).toEqual(early.rounds)
    expect(mergeRegisters(early, registersAfter(open('R2', -2))).rounds[0]?.openedAtMs).toBe(startMs - 2)
    expect(mergeRegisters(early, registersAfter(open('R2', 0)))).toBe(early)
    expect(mergeRegisters(both, registersAfter(open('R2', 2))).rounds.map(({ id }) => id)).toEqual([
      'R1',
      'R2',
    ])
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
