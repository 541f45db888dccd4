import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { observations, registersOf } from './fold-log.fixture.ts'
import { join, mergeRegisters } from './join.ts'
import { shuffledWithRepeats, soundHistory } from './random-history.fixture.ts'
import {
  answer,
  erase,
  minuteMs,
  nothing,
  open,
  registersAfter,
  say,
  sayEntry,
  startMs,
} from './said.fixture.ts'
import { viewOf } from './view.ts'

describe('joining, up to eight rounds', () => {
  test('is idempotent: what is known already changes nothing, and says so', () => {
    fc.assert(
      fc.property(soundHistory, (history) => {
        const known = registersOf(history)
        for (const said of observations(history)) expect(join(known, said)).toBe(known)
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

test('the latest doubt of each kind is kept per round', () => {
  const registers = [
    say({ atMs: 2, selfContradiction: true }),
    say({ atMs: 1, selfContradiction: true, unusualValue: true }),
    say({ atMs: 3 }),
  ].reduce(join, nothing)
  expect(registers.sightings).toMatchObject([
    { roundId: 'R1', selfContradictionMs: startMs + 2, unusualValueMs: startMs + 1 },
  ])
})

test('the greatest other spelling of a name is kept beside the entry, and is not visible', () => {
  const registers = ['ALIPAYCN', 'AlipayCN', null]
    .map((reportedPspName) => sayEntry({ atMs: 0, reportedPspName }))
    .reduce(join, nothing)
  expect(registers.sightings).toMatchObject([{ entries: [{ reportedPspName: 'AlipayCN' }] }])
  expect(viewOf(registers)).toEqual(viewOf(join(nothing, sayEntry({ atMs: 0 }))))
})

test('beyond the eight latest only the place is remembered, and late mail does not bring the rest back', () => {
  const ten = Array.from({ length: 10 }, (_, index) =>
    say({ atMs: index * minuteMs, round: `R${index}`, entries: { [`PSP${index}`]: 'APPROVED' } }),
  )
  const registers = ten.reduce(join, nothing)
  expect(registers.rounds.map(({ id }) => id)).toEqual(ten.map(({ round }) => round))
  expect(registers.sightings.map(({ roundId }) => roundId)).toEqual(ten.slice(2).map(({ round }) => round))

  expect(join(registers, say({ atMs: 0, round: 'R0', entries: { PSP0: 'REJECTED' } }))).toBe(registers)
  const earlier = join(registers, say({ atMs: -1, round: 'R0', entries: { PSP0: 'REJECTED' } }))
  expect(earlier.rounds[0]?.firstSeenMs).toBe(startMs - 1)
  expect(earlier.sightings).toBe(registers.sightings)
})

describe('an opening', () => {
  test('adds a round in which nothing was heard, at the earliest time it was opened', () => {
    const registers = registersAfter(open('R2', 5), open('R2', 4), open('R2', 6))
    expect(registers).toEqual({
      ...nothing,
      rounds: [{ id: 'R2', firstSeenMs: null, openedAtMs: startMs + 4, productCodes: [] }],
    })
    expect(join(registers, open('R2', 4))).toBe(registers)
  })

  test('adds what it was opened for, sorted', () => {
    const registers = registersAfter(open('R2', 5, ['B']), open('R2', 5, ['A', 'C']), open('R2', 5, ['B']))
    expect(registers.rounds).toMatchObject([{ productCodes: ['A', 'B', 'C'] }])
    expect(join(registers, open('R2', 5, ['C', 'A']))).toBe(registers)
  })

  test('puts its round where it began, whenever that was heard of', () => {
    const statements = [say({ atMs: 1, round: 'R1' }), say({ atMs: 2, round: 'R2' }), open('R2', 0)]
    for (const said of [statements, statements.toReversed()]) {
      expect(registersAfter(...said).rounds.map(({ id }) => id)).toEqual(['R2', 'R1'])
    }
  })

  test('of a ninth round makes what was said in the oldest forgotten', () => {
    const eight = Array.from({ length: 8 }, (_, index) => say({ atMs: index, round: `R${index}` }))
    const registers = registersAfter(...eight, open('R8', 8))
    expect(registers.rounds).toHaveLength(9)
    expect(registers.sightings.map(({ roundId }) => roundId)).toEqual(
      eight.slice(1).map(({ round }) => round),
    )
  })
})

describe('an erasure', () => {
  const erased = { ...nothing, erasedAtMs: startMs + 5 }
  const everything = [say({ atMs: 9 }), answer({ atMs: 9 }), open('R2', 9)] as const

  test('leaves nothing but its time', () => {
    expect(registersAfter(...everything, erase(5))).toEqual(erased)
  })

  test('lets in what was said later, and nothing else', () => {
    for (const said of [say({ atMs: 5 }), answer({ atMs: 5 }), open('R2', 5)]) {
      const known = registersAfter(erase(5))
      expect(join(known, said)).toBe(known)
    }
    const { erasedAtMs, ...since } = registersAfter(erase(5), ...everything)
    expect(erasedAtMs).toBe(startMs + 5)
    expect({ ...since, erasedAtMs: null }).toEqual(registersAfter(...everything))
  })

  test('that is not the latest erases nothing', () => {
    const known = registersAfter(erase(5), ...everything)
    expect(join(known, erase(5))).toBe(known)
    expect(join(known, erase(4))).toBe(known)
    expect(join(known, erase(6))).toEqual({ ...nothing, erasedAtMs: startMs + 6 })
  })

  test('merges with other registers as one that they had not heard of yet', () => {
    const since = registersAfter(erase(5), say({ atMs: 6 }))
    const before = registersAfter(say({ atMs: 9, round: 'R9' }))
    expect(mergeRegisters(before, since)).toEqual(since)
    expect(mergeRegisters(since, before)).toBe(since)
  })
})
