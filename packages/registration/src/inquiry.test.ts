import { describe, expect, test } from 'vitest'
import { answer, hourMs, nothing, open, registersAfter, type Said, say } from './said.fixture.ts'
import { join } from './join.ts'
import type { Forgetting, Statement } from './statement.ts'
import { viewOf } from './view.ts'

type Statements = Exclude<Statement, Forgetting>[]

/** Statuses by pspName, and the collective one. */
function seen(...statements: Statements) {
  const { collectiveStatus, entries } = viewOf(registersAfter(...statements))
  return {
    collective: collectiveStatus,
    ...Object.fromEntries(entries.map(({ pspName, status }) => [pspName, status])),
  }
}

function gcash(
  status: 'PENDING' | 'APPROVED' | 'REJECTED' | 'CANCELLED',
  atMs: number,
  rest: Partial<Said> = {},
): Said {
  return { atMs, entries: { GCASH: status }, ...rest }
}

function because(said: ReturnType<typeof answer>, rejectionReason: string): typeof said {
  return { ...said, entries: said.entries.map((entry) => ({ ...entry, rejectionReason })) }
}

const pending = (atMs: number, rest: Partial<Said> = {}) =>
  ({ atMs, ...rest, collective: 'PENDING' }) as const
const completed = (atMs: number, rest: Partial<Said> = {}) =>
  ({ atMs, ...rest, collective: 'COMPLETED' }) as const

describe('what is kept of the answers', () => {
  test('for each entry and the collective the latest one; of two at once the greater status, reason, round', () => {
    const statements = [
      answer({ atMs: 1, collective: 'COMPLETED', entries: { GCASH: 'APPROVED', TNG: 'APPROVED' } }),
      answer(gcash('APPROVED', 2)),
      answer(gcash('REJECTED', 2)),
      because(answer(gcash('REJECTED', 2)), 'a'),
      because(answer(gcash('REJECTED', 2)), 'b'),
      answer({ atMs: 3, collective: null }),
    ]
    const registers = registersAfter(...statements)
    expect(registers.inquiry).toMatchObject({
      inquiredAtMs: 3 + answer({ atMs: 0 }).requestTimeMs,
      collective: { status: 'PENDING', askedRound: 'R1' },
      entries: [
        { pspName: 'GCASH', status: 'REJECTED', rejectionReason: 'b' },
        { pspName: 'TNG', status: 'APPROVED' },
      ],
    })
    expect(registersAfter(...statements.toReversed())).toEqual(registers)
    expect(statements.reduce(join, registers)).toBe(registers)
  })

  test('an answer adds no round and mentions no entry in one', () => {
    const registers = registersAfter(answer(gcash('APPROVED', 0)))
    expect(registers.rounds).toEqual([])
    expect(registers.sightings).toEqual([])
    expect(join(nothing, answer({ atMs: 0, collective: null })).inquiry.inquiredAtMs).not.toBe(null)
  })

  test('it may show an entry that nobody mentioned', () => {
    expect(seen(say({ atMs: 0 }), answer(gcash('APPROVED', 1)))).toEqual({
      collective: 'PENDING',
      GCASH: 'APPROVED',
    })
  })
})

describe('an answer about an entry counts', () => {
  const first = say(gcash('REJECTED', 0))
  const second = say(gcash('PENDING', 100 * hourMs, { round: 'R2' }))

  test.each<[string, Statements, string]>([
    ['where no round mentions the entry', [say({ atMs: 9 }), answer(gcash('APPROVED', 0))], 'APPROVED'],
    [
      'beside what was said outside rounds',
      [say(gcash('REJECTED', 0, { round: null })), answer(gcash('APPROVED', 1))],
      'APPROVED',
    ],
    [
      'when the deciding round was asked for, whenever',
      [first, second, answer(gcash('APPROVED', -9, { round: 'R2' }))],
      'APPROVED',
    ],
    [
      'when a later round was asked for',
      [first, say({ atMs: 1, round: 'R2' }), answer(gcash('APPROVED', 0, { round: 'R2' }))],
      'APPROVED',
    ],
    [
      'when an opened round was asked for',
      [first, open('R2', 1), answer(gcash('APPROVED', 0, { round: 'R2' }))],
      'APPROVED',
    ],
    [
      'not when an earlier round was asked for',
      [first, second, answer(gcash('APPROVED', 101 * hourMs))],
      'PENDING',
    ],
    [
      'not when a round was asked for that began earlier, whatever its id',
      [
        say(gcash('PENDING', 0, { round: 'R2' })),
        say(gcash('REJECTED', 1)),
        answer(gcash('APPROVED', 9, { round: 'R2' })),
      ],
      'REJECTED',
    ],
    [
      'when none was asked for, since the round began',
      [first, second, answer(gcash('APPROVED', 100 * hourMs, { round: null }))],
      'APPROVED',
    ],
    [
      'not when none was asked for, before that',
      [first, second, answer(gcash('APPROVED', 100 * hourMs - 1, { round: null }))],
      'PENDING',
    ],
    [
      'when a round was asked for that nobody knows, as if none was',
      [first, second, answer(gcash('APPROVED', 100 * hourMs, { round: 'R9' }))],
      'APPROVED',
    ],
    [
      'not when an unknown one was asked for, before that',
      [first, second, answer(gcash('APPROVED', 100 * hourMs - 1, { round: 'R9' }))],
      'PENDING',
    ],
  ])('%s', (_, statements, status) => {
    expect(seen(...statements)).toMatchObject({ GCASH: status })
    expect(seen(...statements.toReversed())).toMatchObject({ GCASH: status })
  })
})

describe('beside an answer that counts, for an entry', () => {
  test.each<[string, Statements, string]>([
    ['sightings up to it are ignored', [say(gcash('REJECTED', 5)), answer(gcash('PENDING', 5))], 'PENDING'],
    ['a final after PENDING decides', [say(gcash('REJECTED', 6)), answer(gcash('PENDING', 5))], 'REJECTED'],
    [
      'of finals after PENDING the usual one decides',
      [answer(gcash('PENDING', 0)), say(gcash('REJECTED', 6)), say(gcash('APPROVED', 7))],
      'APPROVED',
    ],
    [
      'another final is held for 25 h',
      [answer(gcash('APPROVED', 0)), say(gcash('REJECTED', 25 * hourMs))],
      'APPROVED',
    ],
    ['later it is news', [answer(gcash('APPROVED', 0)), say(gcash('REJECTED', 25 * hourMs + 1))], 'REJECTED'],
    [
      'of several news the usual one decides',
      [
        answer(gcash('APPROVED', 0)),
        say(gcash('REJECTED', 26 * hourMs)),
        say(gcash('CANCELLED', 27 * hourMs)),
      ],
      'CANCELLED',
    ],
    [
      'one that is held does not take part',
      [
        answer(gcash('APPROVED', 0)),
        say({ atMs: hourMs, entries: { GCASH: 'REJECTED', TNG: 'APPROVED' } }),
        say(gcash('CANCELLED', 26 * hourMs)),
      ],
      'CANCELLED',
    ],
    [
      'the answered status is news as well when it is seen again',
      [
        answer(gcash('APPROVED', 0)),
        say(gcash('REJECTED', 26 * hourMs)),
        say(gcash('APPROVED', 100 * hourMs)),
      ],
      'APPROVED',
    ],
    [
      'the same of what is said outside rounds',
      [
        say({ atMs: 0, entries: { GCASH: 'PENDING' } }),
        answer(gcash('APPROVED', 0)),
        say(gcash('REJECTED', hourMs, { round: null })),
      ],
      'APPROVED',
    ],
    [
      'a snapshot outside that the answer knew of lends no rank to one in the round',
      [
        say({ atMs: 0, round: null, entries: { DANA: 'APPROVED', GCASH: 'REJECTED', TNG: 'APPROVED' } }),
        say(gcash('PENDING', 0)),
        answer(gcash('PENDING', 1)),
        say(gcash('REJECTED', 2)),
        say(gcash('APPROVED', 3)),
      ],
      'APPROVED',
    ],
  ])('%s', (_, statements, status) => {
    expect(seen(...statements)).toMatchObject({ GCASH: status })
    expect(seen(...statements.toReversed())).toMatchObject({ GCASH: status })
  })

  test('it stands with its reason, also when it is seen again', () => {
    const answered = because(answer(gcash('REJECTED', 0)), 'expired')
    for (const again of [hourMs, 30 * hourMs]) {
      const { entries } = viewOf(registersAfter(answered, say(gcash('REJECTED', again))))
      expect(entries).toMatchObject([{ status: 'REJECTED', rejectionReason: 'expired' }])
    }
  })

  test('PENDING shows no reason', () => {
    const { entries } = viewOf(registersAfter(because(answer(gcash('PENDING', 0)), 'odd')))
    expect(entries).toMatchObject([{ status: 'PENDING', rejectionReason: null }])
  })
})

describe('beside an answer that counts, for the collective status', () => {
  test.each<[string, Statements, 'PENDING' | 'COMPLETED' | null]>([
    ['sightings up to it are ignored', [say(completed(5)), answer(pending(5))], 'PENDING'],
    ['COMPLETED after PENDING decides', [say(completed(6)), answer(pending(5))], 'COMPLETED'],
    [
      'also when PENDING is seen long after it',
      [answer(pending(5)), say(completed(6)), say(pending(100 * hourMs))],
      'COMPLETED',
    ],
    ['PENDING is held for 25 h', [answer(completed(0)), say(pending(25 * hourMs))], 'COMPLETED'],
    ['later it is news', [answer(completed(0)), say(pending(25 * hourMs + 1))], 'PENDING'],
    [
      'news against COMPLETED of higher rank: the usual choice',
      [answer(completed(0)), say(completed(1)), say(pending(26 * hourMs))],
      'COMPLETED',
    ],
    [
      'farther apart than 48 h as well',
      [answer(completed(0)), say(completed(1)), say(pending(50 * hourMs))],
      'PENDING',
    ],
    [
      'it counts for the latest round',
      [say(pending(0)), say(pending(9, { round: 'R2' })), answer(completed(99))],
      'PENDING',
    ],
    ['also when that was only opened', [open('R2', 9), answer(completed(9, { round: null }))], 'COMPLETED'],
    ['and not from before that', [open('R2', 9), answer(completed(8, { round: null }))], null],
    ['alone it is shown', [answer(completed(0))], 'COMPLETED'],
    [
      'one that says nothing of it changes nothing',
      [say(pending(0)), answer({ atMs: 1, collective: null })],
      'PENDING',
    ],
  ])('%s', (_, statements, collective) => {
    expect(seen(...statements)).toMatchObject({ collective })
    expect(seen(...statements.toReversed())).toMatchObject({ collective })
  })

  test('a PENDING that is held raises no flag', () => {
    const { flags } = viewOf(
      registersAfter(
        say({ atMs: 0, collective: 'COMPLETED', entries: { GCASH: 'APPROVED' } }),
        answer(completed(1)),
        say(pending(2)),
      ),
    )
    expect(flags).toEqual([])
  })
})
