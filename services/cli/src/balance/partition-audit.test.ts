import { expect, test } from 'vitest'
import { rawLog, type Said } from '../raw-log.fixture.ts'
import {
  type AuditRecord,
  booksProblems,
  createChangesAudit,
  createRawAudit,
  createStateAudit,
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
const none: ReadonlyMap<bigint, number> = new Map()

function auditOf(records: readonly AuditRecord[], quarantined = none) {
  const audit = createRawAudit({ quarantined })
  audit.visit(records)
  return audit
}

const noonMs = Date.parse(unreadable.at)

test('the log folds to the registrations that it makes', () => {
  const audit = auditOf(rawLog([pending, approved, unreadable]), new Map([[2n, noonMs]]))
  expect([...audit.standings().keys()]).toEqual(['C_1/M1/S1'])
  expect(audit.standings().get('C_1/M1/S1')?.version).toBe(2)
  expect(audit.records()).toBe(3)
  expect(audit.notSetAside()).toBe(0)
})

test('an unreadable record that quarantine does not hold is noticed', () => {
  expect(auditOf(rawLog([pending, unreadable])).notSetAside()).toBe(1)
})

test('a record that quarantine holds has no part in the fold, one of an older topic has', () => {
  const tenMs = Date.parse(approved.signedAt)
  const version = (quarantined: ReadonlyMap<bigint, number>) =>
    auditOf(rawLog([pending, approved]), quarantined)
      .standings()
      .get('C_1/M1/S1')?.version
  expect(version(new Map([[1n, tenMs]]))).toBe(1)
  expect(version(new Map([[1n, tenMs - 1]]))).toBe(2)
})

const change = (key: string, version: number, content = `v${version}`): AuditRecord => ({
  offset: 0n,
  key,
  value: Buffer.from(content),
  headers: new Map([['ce_sequence', Buffer.from(String(version).padStart(16, '0'))]]),
  timestampMs: 1_000,
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
  expect(audit.problems(new Map(), { isWhole: true })).toEqual(problems)
})

test('where retention has taken the first changes, versions count from the first that is left', () => {
  const audit = createChangesAudit()
  audit.visit([change('a', 7), change('a', 8)])
  expect(audit.problems(new Map(), { isWhole: false })).toEqual([])
})

const shownAs = (version: number, causedAtMs: number) =>
  new Map([['a', { version, causedAtMs, view: standing(1).view }]])

test.each([
  { name: 'the last change is missing', changes: [change('a', 1)], version: 2, isWhole: true, lost: true },
  { name: 'all changes are missing', changes: [], version: 1, isWhole: true, lost: true },
  {
    name: 'it was published',
    changes: [change('a', 1), change('a', 2)],
    version: 2,
    isWhole: true,
    lost: false,
  },
  {
    name: 'retention has taken it',
    changes: [change('b', 1)],
    version: 2,
    isWhole: false,
    at: 900,
    lost: false,
  },
  {
    name: 'it is too young for that',
    changes: [change('b', 1)],
    version: 2,
    isWhole: false,
    at: 1_100,
    lost: true,
  },
])(
  'a version that Redis shows must have been published: $name',
  ({ changes, version, isWhole, at = 0, lost }) => {
    const audit = createChangesAudit()
    audit.visit(changes)
    expect(audit.problems(shownAs(version, at), { isWhole })).toEqual(
      lost ? [`a has version ${version} in Redis, and no change says so`] : [],
    )
  },
)

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
    given: { quarantine: { origins: none, isWhole: true } },
    problems: ['1 records are counted as quarantined, and the quarantine topic holds 0 of them'],
  },
  {
    name: 'no view',
    given: { watermarkOffset: null },
    problems: ['there is no view of it: no processor has come here, or it is being rebuilt'],
  },
  {
    name: 'quarantined records that retention has taken',
    given: { quarantine: { origins: none, isWhole: false } },
    problems: [],
  },
  {
    name: 'a partition that never held a record',
    given: { books: null, watermarkOffset: -1n, logEnd: 0n },
    problems: [],
  },
  { name: 'no view of an empty log', given: { watermarkOffset: null, logEnd: 0n }, problems: [] },
])('books: $name', ({ given, problems }) => {
  const quarantine = { origins: new Map([[3n, 0]]), isWhole: true }
  const usual = { books, watermarkOffset: 9n, logEnd: 10n, quarantine }
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
    standingProblems({
      here,
      hereName: 'Redis',
      there: new Map(Object.entries(there)),
      thereName: 'log',
      moved: new Set(),
    }),
  ).toEqual(problems)
})

test('what moved while it was read is not compared', () => {
  const there = new Map([
    ['a', standing(1)],
    ['b', standing(1)],
  ])
  const compared = { here: new Map([['a', standing(1)]]), hereName: 'Redis', there, thereName: 'log' }
  expect(standingProblems({ ...compared, moved: new Set(['b']) })).toEqual([])
})

const stateOf = (version: number, rev: string): AuditRecord => ({
  offset: 0n,
  key: 'C_1/M1/',
  value: Buffer.from(
    JSON.stringify({
      registration: { clientId: 'C_1', referenceMerchantId: 'M1', referenceStoreId: null },
      version,
      collectiveStatus: null,
      entries: [],
      flags: [],
      cause: { notificationId: 'n', requestTime: 't', raw: { topic: 'raw', partition: 0, offset: rev } },
      rebuild: { rev },
    }),
  ),
  headers: new Map([
    ['ce_sequence', Buffer.from(String(version).padStart(16, '0'))],
    ['rev', Buffer.from(rev)],
  ]),
  timestampMs: 0,
})

test('of the state records of a registration the newest counts, wherever it stands', () => {
  const audit = createStateAudit({ through: 9n })
  audit.visit([stateOf(2, '7'), stateOf(1, '3')])
  expect(audit.standings().get('C_1/M1/')?.version).toBe(2)
})

test('a state that is published and not saved yet does not count beside what was saved', () => {
  const audit = createStateAudit({ through: 9n })
  audit.visit([stateOf(2, '7'), stateOf(3, '10')])
  expect(audit.standings().get('C_1/M1/')?.version).toBe(2)
})

test('a record of somebody else in the state topic is told, not tripped over', () => {
  const audit = createStateAudit({ through: 9n })
  audit.visit([{ ...stateOf(1, '1'), value: Buffer.from('{') }])
  expect(audit.problems()).toEqual(['the state record of C_1/M1/ at offset 0 is not one of this build'])
})

const origin = (partition: string, offset: string) => ({
  headers: new Map(
    Object.entries({
      'dlq-original-topic': 'raw',
      'dlq-original-partition': partition,
      'dlq-original-offset': offset,
      'dlq-original-timestamp': '77',
      'dlq-error-code': 'wrong_type',
      'dlq-error-message': '',
    }).map(([name, value]) => [name, Buffer.from(value)]),
  ),
})

test('the origins of quarantined records are those of the partition asked for', () => {
  const records = [origin('1', '5'), origin('2', '6'), { headers: new Map<string, Buffer>() }]
  expect(quarantinedOrigins(records, { topic: 'raw', partition: 1 })).toEqual([[5n, 77]])
})
