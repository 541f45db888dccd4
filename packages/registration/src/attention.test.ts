import { expect, test } from 'vitest'
import { type Attention, attentionOf } from './attention.ts'
import { fold } from './fold.ts'
import { emptyRegistration, type Registration } from './registration.ts'
import { answer, erase, hourMs, open, say, startMs } from './said.fixture.ts'
import type { Statement } from './statement.ts'

function registrationAfter(...statements: Statement[]): Registration {
  return statements.reduce((known, said) => {
    const decision = fold(known, said)
    return decision.outcome === 'quarantined' ? known : (decision.next ?? emptyRegistration)
  }, emptyRegistration)
}

const completed = { atMs: 0, collective: 'COMPLETED', entries: { GCASH: 'APPROVED' } } as const

test.each<[string, Statement[], Attention]>([
  ['all is well', [say(completed)], {}],
  ['only an *info* flag', [say({ ...completed, unusualValue: true })], {}],
  [
    'PENDING: since the latest that was heard in the round',
    [
      say({ atMs: 5, entries: { GCASH: 'PENDING' } }),
      say({ atMs: 3, entries: { GCASH: 'APPROVED', TNG: 'PENDING' } }),
    ],
    { pending: 5 },
  ],
  [
    'a final that was seen without a collective status',
    [
      say({ atMs: 5, entries: { GCASH: 'PENDING' } }),
      say({ atMs: 7, collective: null, entries: { TNG: 'APPROVED' } }),
    ],
    { pending: 7 },
  ],
  [
    'a *warn* flag',
    [say(completed), say({ ...completed, atMs: 9, entries: { GCASH: 'REJECTED' } })],
    { doubtful: 9 },
  ],
  [
    'the doubt was the latest that was heard',
    [say(completed), say({ atMs: 4, collective: null, selfContradiction: true })],
    { doubtful: 4 },
  ],
  [
    'both, in the latest round',
    [say({ atMs: 99, round: 'R0' }), say({ atMs: 60 * hourMs, entries: { GCASH: 'APPROVED' } })],
    { doubtful: 60 * hourMs, pending: 60 * hourMs },
  ],
  ['outside rounds, while there is none', [say({ atMs: 4, round: null })], { pending: 4 }],
  ['the sender was asked, and said nothing before', [answer({ atMs: 6 })], { pending: 6 }],
  ['opened, nothing heard', [say(completed), open('R2', 8)], { unanswered: 8 }],
  ['opened, then heard', [open('R1', -8), say(completed)], {}],
  ['an older round was opened and is silent', [open('R0', -8), say(completed)], {}],
  [
    'asked about a silent round, which is PENDING',
    [open('R2', 8), answer({ atMs: 9, round: 'R2' })],
    { pending: 8 },
  ],
  [
    'asked about a silent round, of which one entry is known',
    [open('R2', 8), answer({ atMs: 9, round: 'R2', collective: null, entries: { GCASH: 'APPROVED' } })],
    {},
  ],
  [
    'asked about a silent round, and nothing was said',
    [open('R2', 8), answer({ atMs: 9, round: 'R2', collective: null })],
    { unanswered: 8 },
  ],
  [
    'asked about the round before',
    [open('R1', 0), open('R2', 8), answer({ ...completed, atMs: 9, round: 'R1' })],
    { unanswered: 8 },
  ],
  ['opened, and all else was asked for', [open('R1', 8), answer({ ...completed, atMs: 9, round: 'R1' })], {}],
  ['asked about without any round', [answer({ ...completed, atMs: 9, round: null })], {}],
  ['erased', [say(completed), erase(3)], { erased: 3 }],
  ['erased, then heard again', [erase(3), say({ ...completed, atMs: 4 })], {}],
  ['never heard of', [], {}],
])('%s', (_, statements, expected) => {
  const since = Object.entries(expected).map(([kind, atMs]) => [kind, startMs + atMs])
  expect(attentionOf(registrationAfter(...statements))).toEqual(Object.fromEntries(since))
})
