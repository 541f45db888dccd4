import { describe, expect, test } from 'vitest'
import { flagsOf } from './flags.ts'
import { answer, hourMs, open, registersAfter, say, sayEntry } from './said.fixture.ts'
import type { Forgetting, Statement } from './statement.ts'
import { viewOf } from './view.ts'

type Said = Exclude<Statement, Forgetting>

function flags(...statements: Said[]): Record<string, string> {
  const raised = flagsOf(registersAfter(...statements))
  return Object.fromEntries(raised.map(({ flag, severity }) => [flag, severity]))
}

const approved = say({ atMs: 0, entries: { GCASH: 'APPROVED', TNG: 'PENDING' } })
const rejected = say({ atMs: hourMs, entries: { GCASH: 'REJECTED', TNG: 'PENDING' } })
const cancelled = say({ atMs: hourMs, entries: { GCASH: 'CANCELLED', TNG: 'PENDING' } })
/** Not so far, but signed later. */
const cancelledBefore = say({ atMs: hourMs, entries: { GCASH: 'CANCELLED' } })

function later<S extends { requestTimeMs: number }>(said: S, ms: number): S {
  return { ...said, requestTimeMs: said.requestTimeMs + ms }
}

describe('reversal', () => {
  test.each<[string, Said[], Record<string, string>]>([
    ['one final, seen often', [approved, later(approved, hourMs)], {}],
    ['a final after PENDING', [say({ atMs: 0, entries: { GCASH: 'PENDING' } }), rejected], {}],
    ['two different finals', [approved, rejected], { reversal: 'warn' }],
    ['the same in the other order', [rejected, approved], { reversal: 'warn' }],
    ['48 h apart', [approved, later(rejected, 47 * hourMs)], { reversal: 'warn' }],
    ['farther apart', [approved, later(rejected, 47 * hourMs + 1)], {}],
    ['APPROVED, then CANCELLED', [approved, cancelled], { reversal: 'info' }],
    ['CANCELLED, which had not come so far', [approved, cancelledBefore], { reversal: 'warn' }],
    ['CANCELLED, then APPROVED', [cancelled, later(approved, 2 * hourMs)], { reversal: 'warn' }],
    ['all three finals', [approved, rejected, cancelled], { reversal: 'warn' }],
    [
      'one entry withdrawn, another reversed',
      [
        say({ atMs: 0, entries: { GCASH: 'APPROVED', TNG: 'APPROVED', DANA: 'PENDING' } }),
        say({ atMs: 1, entries: { GCASH: 'CANCELLED', TNG: 'REJECTED', DANA: 'PENDING' } }),
      ],
      { reversal: 'warn' },
    ],
    [
      'in a round that no longer decides',
      [approved, rejected, say({ atMs: 48 * hourMs, round: 'R2', entries: { GCASH: 'PENDING' } })],
      {},
    ],
    [
      'in an older round that still decides',
      [approved, rejected, say({ atMs: 48 * hourMs, round: 'R2', entries: { TNG: 'PENDING' } })],
      { reversal: 'warn' },
    ],
    [
      'between a round and what is said outside it',
      [approved, { ...rejected, round: null }],
      { reversal: 'warn' },
    ],
    ['outside, before the round began', [{ ...rejected, round: null }, later(approved, 2 * hourMs)], {}],
  ])('%s', (_, statements, expected) => {
    expect(flags(...statements)).toEqual(expected)
  })

  const answered = answer({ atMs: 2 * hourMs, entries: { GCASH: 'APPROVED', TNG: 'PENDING' } })

  test.each<[string, Said[], Record<string, string>]>([
    ['an inquiry later than both settles it', [approved, rejected, answered], {}],
    ['another final is seen after it: held', [answered, later(rejected, 2 * hourMs)], { reversal: 'warn' }],
    ['held for 25 h', [answered, later(rejected, 26 * hourMs)], { reversal: 'warn' }],
    ['seen later than that: applied', [answered, later(rejected, 26 * hourMs + 1)], {}],
    ['the next inquiry settles it', [answered, later(rejected, 2 * hourMs), later(answered, 2 * hourMs)], {}],
    [
      'CANCELLED is held like any other',
      [approved, answered, later(cancelled, 2 * hourMs)],
      { reversal: 'warn' },
    ],
    [
      'two others, of which one is held',
      [answered, later(rejected, 2 * hourMs), later(cancelled, 60 * hourMs)],
      { reversal: 'warn' },
    ],
    [
      'two others, both too late to be held',
      [answered, later(rejected, 30 * hourMs), later(cancelled, 31 * hourMs)],
      { reversal: 'warn' },
    ],
    [
      'after an answer of PENDING only what is seen later counts',
      [approved, answer({ atMs: 0, entries: { GCASH: 'PENDING' } }), rejected],
      {},
    ],
    [
      'an answer that does not count settles nothing',
      [
        approved,
        rejected,
        say({ atMs: 48 * hourMs, round: 'R2' }),
        open('R0', -1),
        { ...answered, round: 'R0' },
      ],
      { reversal: 'warn' },
    ],
  ])('%s', (_, statements, expected) => {
    expect(flags(...statements)).toEqual(expected)
  })
})

describe('round_order', () => {
  const one = say({ atMs: 0, round: 'R1' })
  const two = say({ atMs: 25 * hourMs, round: 'R2' })
  test.each<[string, Said[], Record<string, string>]>([
    ['one round', [one], {}],
    ['two that were first seen within 25 h', [one, two], { round_order: 'warn' }],
    ['farther apart', [one, later(two, 1)], {}],
    ['one of them opened by command', [one, two, open('R2', -1)], { round_order: 'warn' }],
    ['both opened', [one, two, open('R1', 0), open('R2', hourMs)], {}],
    ['opened in the other order', [one, two, open('R1', hourMs), open('R2', 0)], {}],
    ['in one of them nothing was heard', [one, open('R2', hourMs)], {}],
    ['two that are not the latest', [one, two, say({ atMs: 60 * hourMs, round: 'R3' })], {}],
    ['mail proves the older one to be older still', [one, two, later(one, -1)], {}],
    ['an inquiry does not settle it', [one, two, answer({ atMs: 30 * hourMs })], { round_order: 'warn' }],
  ])('%s', (_, statements, expected) => {
    expect(flags(...statements)).toEqual(expected)
  })
})

describe('inconsistent_collective', () => {
  const doubtful = { inconsistent_collective: 'warn' }
  const completed = { atMs: 0, collective: 'COMPLETED' } as const
  const polled = answer({ atMs: 1, collective: 'COMPLETED', entries: { GCASH: 'APPROVED' } })
  test.each<[string, Said[], Record<string, string>]>([
    ['COMPLETED, all final', [say({ ...completed, entries: { GCASH: 'REJECTED' } })], {}],
    [
      'COMPLETED, one PENDING',
      [say({ ...completed, entries: { GCASH: 'APPROVED', TNG: 'PENDING' } })],
      doubtful,
    ],
    ['COMPLETED, no entry', [say(completed)], doubtful],
    ['PENDING, all final', [say({ atMs: 0, entries: { GCASH: 'APPROVED' } })], doubtful],
    ['PENDING, one PENDING', [approved], {}],
    ['PENDING, no entry', [say({ atMs: 0 })], {}],
    ['never reported', [say({ atMs: 0, collective: null, entries: { GCASH: 'APPROVED' } })], {}],
    ['outside rounds', [say({ ...completed, round: null, entries: { GCASH: 'PENDING' } })], doubtful],
    [
      'an entry that only an older round mentions',
      [approved, say({ ...completed, atMs: 50 * hourMs, round: 'R2', entries: { DANA: 'APPROVED' } })],
      {},
    ],
    [
      'an entry that is mentioned only outside',
      [{ ...approved, round: null, collective: null }, say({ ...completed, entries: { DANA: 'APPROVED' } })],
      {},
    ],
    [
      'cleared by a later snapshot',
      [say(completed), say({ atMs: 1, collective: 'COMPLETED', entries: { GCASH: 'APPROVED' } })],
      {},
    ],
    [
      'cleared by an inquiry that knows more',
      [
        say({ ...completed, entries: { GCASH: 'PENDING' } }),
        answer({ atMs: 1, collective: 'COMPLETED', entries: { GCASH: 'APPROVED' } }),
      ],
      {},
    ],
    ['cleared by an inquiry that asked for the round', [say(completed), polled], {}],
    ['not by one that asked for none', [say(completed), { ...polled, round: null }], doubtful],
    ['not by one that asked for an unknown one', [say(completed), { ...polled, round: 'R9' }], doubtful],
    [
      'not by one that asked for an older round',
      [open('R0', -hourMs), say(completed), { ...polled, round: 'R0' }],
      doubtful,
    ],
    [
      'not by one that does not count, of an entry that a later round decides',
      [
        say({ atMs: 2, round: 'R2', collective: 'COMPLETED', entries: { GCASH: 'PENDING' } }),
        open('R2', 0),
        open('R1', -99 * hourMs),
        polled,
      ],
      doubtful,
    ],
    ['known by its opening and inquiries alone', [open('R1', 0), polled], {}],
    ['known by inquiries alone', [{ ...polled, round: null }], {}],
    [
      'COMPLETED was answered, and one that is PENDING',
      [open('R1', 0), answer({ ...completed, entries: { GCASH: 'APPROVED', TNG: 'PENDING' } })],
      doubtful,
    ],
    ['COMPLETED was answered, and no entry', [open('R1', 0), answer(completed)], doubtful],
    [
      'PENDING was answered, and all are final',
      [open('R1', 0), answer({ atMs: 0, entries: { GCASH: 'APPROVED' } })],
      doubtful,
    ],
    ['a round that is opened after the answer', [open('R1', 0), polled, open('R2', hourMs)], {}],
    ['a round that is only opened', [say(completed), open('R2', hourMs)], {}],
  ])('%s', (_, statements, expected) => {
    expect(flags(...statements)).toEqual(expected)
  })
})

describe.each([
  ['self_contradiction', { selfContradiction: true }, 'warn'],
  ['unusual_value', { unusualValue: true }, 'info'],
] as const)('%s', (flag, raising, severity) => {
  const raised = { [flag]: severity }
  test.each<[string, Said[], Record<string, string>]>([
    ['raised in the latest round', [say({ atMs: 0, ...raising })], raised],
    ['not cleared by later mail of the round', [say({ atMs: 0, ...raising }), say({ atMs: hourMs })], raised],
    [
      'in a round that is not the latest',
      [say({ atMs: 0, ...raising }), say({ atMs: 50 * hourMs, round: 'R2' })],
      {},
    ],
    ['outside, without any round', [say({ atMs: 0, round: null, ...raising })], raised],
    ['outside, since the round began', [say({ atMs: 0 }), say({ atMs: 0, round: null, ...raising })], raised],
    ['outside, before the round began', [say({ atMs: 1 }), say({ atMs: 0, round: null, ...raising })], {}],
    ['an inquiry at the same time settles it', [say({ atMs: 1, ...raising }), answer({ atMs: 1 })], {}],
    ['an earlier one does not', [say({ atMs: 1, ...raising }), answer({ atMs: 0 })], raised],
    ['raised again after it', [answer({ atMs: 1 }), say({ atMs: 2, ...raising })], raised],
    ['an inquiry raises nothing itself', [answer({ atMs: 0, ...raising })], {}],
  ])('%s', (_, statements, expected) => {
    expect(flags(...statements)).toEqual(expected)
  })
})

test('the view names the flags in the order of the closed list', () => {
  const statements = [
    say({ atMs: 0, selfContradiction: true, unusualValue: true, round: 'R0' }),
    say({ atMs: 1, collective: 'COMPLETED', entries: { GCASH: 'APPROVED', TNG: 'PENDING' } }),
    say({ atMs: 2, selfContradiction: true, unusualValue: true, entries: { GCASH: 'REJECTED' } }),
  ]
  const registers = registersAfter(...statements)
  const names = ['reversal', 'round_order', 'inconsistent_collective', 'self_contradiction', 'unusual_value']
  expect(viewOf(registers).flags).toEqual(names)
  expect(flagsOf(registers).map(({ flag }) => flag)).toEqual(names)
  expect(viewOf(registersAfter(...statements.toReversed())).flags).toEqual(names)
})

test('one entry under two products is two entries: no reversal', () => {
  const registers = registersAfter(
    sayEntry({ atMs: 0, productCode: 'A', status: 'APPROVED' }),
    sayEntry({ atMs: 0, productCode: 'B', status: 'REJECTED' }),
  )
  expect(flagsOf(registers).map(({ flag }) => flag)).not.toContain('reversal')
})
