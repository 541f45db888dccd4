import { expect, test } from 'vitest'
import { rawLog, type Said } from '../raw-log.fixture.ts'
import {
  type AuditRecord,
  booksProblems,
  createChangesAudit,
  createRawAudit,
  quarantinedOrigins,
  type Standing,
  standingProblems,
} from './partition-audit.ts'

const pending: Said = {
  signedAt: '2026-11-01T09:00:00Z',
  round: 'R1',
  collective: 'PENDING',
  entries: [{ psp: 'GCASH', status: 'PENDING' }],
}
const approved: Said = {
  ...pending,
  signedAt: '2026-11-01T10:00:00Z',
  entries: [{ psp: 'GCASH', status: 'APPROVED' }],
}
const unreadable = { body: '{"referenceMerchantId":"M1"}', at: '2026-11-01T12:00:00Z' }
const none: ReadonlySet<bigint> = new Set()

function auditOf(records: readonly AuditRecord[], quarantined = none) {
  const audit = createRawAudit({ quarantined })
  audit.visit(records)
  return audit
}

test('the log folds to the registrations that it makes, and names its notifications', () => {
  const audit = auditOf(rawLog([pending, approved, unreadable]), new Set([2n]))
  expect([...audit.standings().keys()]).toEqual(['C_1/M1/S1'])
  expect(audit.standings().get('C_1/M1/S1')?.version).toBe(2)
  expect(audit.records()).toBe(3)
  expect(audit.knows('n-3')).toBe(true)
  expect(audit.knows('n-4')).toBe(false)
  expect(audit.notSetAside()).toBe(0)
})

test('an unreadable record that quarantine does not hold is noticed', () => {
  expect(auditOf(rawLog([pending, unreadable])).notSetAside()).toBe(1)
})

test('a record that quarantine holds has no part in the fold', () => {
  expect(
    auditOf(rawLog([pending, approved]), new Set([1n]))
      .standings()
      .get('C_1/M1/S1')?.version,
  ).toBe(1)
})

const change = (key: string, version: number, content = `v${version}`): AuditRecord => ({
  offset: 0n,
  key,
  value: Buffer.from(content),
  headers: new Map([['ce_sequence', Buffer.from(String(version).padStart(16, '0'))]]),
  timestampMs: 0,
})

test.each([
  { name: 'versions that follow each other', changes: [change('a', 1), change('a', 2)], problems: [] },
  { name: 'repeats on the wire', changes: [change('a', 1), change('a', 2), change('a', 1)], problems: [] },
  {
    name: 'a gap',
    changes: [change('a', 1), change('a', 3)],
    problems: ['a has changes with a gap: versions 1, 3'],
  },
  {
    name: 'a missing first version',
    changes: [change('a', 2)],
    problems: ['a has changes with a gap: versions 2'],
  },
  {
    name: 'two contents of one version',
    changes: [change('a', 1), change('a', 1, 'other')],
    problems: ['a has two contents of version 1 in the changes'],
  },
])('changes: $name', ({ changes, problems }) => {
  const audit = createChangesAudit()
  audit.visit(changes)
  expect(audit.problems({ isWhole: true })).toEqual(problems)
})

test('where retention has taken the first changes, versions count from the first that is left', () => {
  const audit = createChangesAudit()
  audit.visit([change('a', 7), change('a', 8)])
  expect(audit.problems({ isWhole: false })).toEqual([])
})

const books = {
  countedFrom: '0',
  countedThrough: '9',
  counts: { applied: 4, flagged: 1, repeated: 2, stale: 2, quarantined: 1 },
}

test.each([
  { name: 'books that add up', given: {}, problems: [] },
  {
    name: 'an outcome too few',
    given: { books: { ...books, counts: { ...books.counts, stale: 1 } } },
    problems: ['the outcomes sum to 9, but offsets 0 to 9 are 10 records'],
  },
  {
    name: 'a view ahead of its books',
    given: { watermarkOffset: 10n, logEnd: 20n },
    problems: ['the view has come to offset 10, and only 9 is counted'],
  },
  {
    name: 'a view beyond the log',
    given: { logEnd: 9n },
    problems: ['the view has come to offset 9, but the log ends before 9'],
  },
  {
    name: 'a quarantined record that is in no quarantine',
    given: { quarantinedOrigins: none },
    problems: ['1 records are counted as quarantined, and the quarantine topic holds 0 of them'],
  },
  {
    name: 'no view',
    given: { watermarkOffset: null },
    problems: ['there is no view of it: no processor has come here, or it is being rebuilt'],
  },
  { name: 'no view of an empty log', given: { watermarkOffset: null, logEnd: 0n }, problems: [] },
])('books: $name', ({ given, problems }) => {
  const usual = { books, watermarkOffset: 9n, logEnd: 10n, quarantinedOrigins: new Set([3n]) }
  expect(booksProblems({ ...usual, ...given })).toEqual(problems)
})

const standing = (version: number, collectiveStatus: string | null = null): Standing => ({
  version,
  view: { collectiveStatus, entries: [], flags: [], erasedAtMs: null },
})

test.each([
  { name: 'the same', there: { a: standing(1) }, problems: [] },
  {
    name: 'missing here',
    there: { a: standing(1), b: standing(1) },
    problems: ['b stands in log and not in Redis'],
  },
  { name: 'missing there', there: {}, problems: ['a stands in Redis and not in log'] },
  { name: 'another version', there: { a: standing(2) }, problems: ['a has version 1 in Redis and 2 in log'] },
  {
    name: 'another content',
    there: { a: standing(1, 'PENDING') },
    problems: ['a shows another content in Redis than in log under version 1'],
  },
])('registrations compared: $name', ({ there, problems }) => {
  const here = new Map([['a', standing(1)]])
  expect(
    standingProblems({ here, hereName: 'Redis', there: new Map(Object.entries(there)), thereName: 'log' }),
  ).toEqual(problems)
})

test('the origins of quarantined records are those of the partition asked for', () => {
  const origin = (partition: string, offset: string) => ({
    headers: new Map(
      Object.entries({
        'dlq-original-topic': 'raw',
        'dlq-original-partition': partition,
        'dlq-original-offset': offset,
      }).map(([name, value]) => [name, Buffer.from(value)]),
    ),
  })
  const records = [origin('1', '5'), origin('2', '6'), { headers: new Map<string, Buffer>() }]
  expect(quarantinedOrigins(records, { topic: 'raw', partition: 1 })).toEqual([5n])
})
