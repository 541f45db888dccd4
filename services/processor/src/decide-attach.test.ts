import type { PartitionPosition } from '@signalbox/kafka/consumer'
import { expect, test } from 'vitest'
import { foldVersion } from '@signalbox/registration/fold'
import { type Damage, decideAttach } from './decide-attach.ts'
import { formatWatermark, type Watermark } from '@signalbox/registration-store/watermark'

const log = { clusterId: 'cluster', topic: 'raw' }

const watermarkOf = (offset: bigint, other: Partial<Watermark> = {}): Watermark => ({
  ...log,
  partition: 1,
  offset,
  notificationId: 'n',
  stateOffset: 3n,
  foldVersion,
  ...other,
})
const watermarkAt = (offset: bigint, other: Partial<Watermark> = {}) =>
  formatWatermark(watermarkOf(offset, other))

type Also = { doubted?: string; damage?: Damage; found?: { notificationId: string | null } | null }

const decide = (
  watermark: string | null,
  position: Omit<PartitionPosition, 'partition'>,
  { doubted, damage, found = { notificationId: 'n' } }: Also = {},
) =>
  decideAttach({
    ...log,
    watermark,
    found,
    doubted: doubted ?? null,
    damage: damage ?? null,
    position: { partition: 1, ...position },
  })

const position = { committed: 10n, logStart: 0n, logEnd: 20n }
const matching = (text: RegExp) => expect.stringMatching(text) as unknown

test.each([
  ['the same as the group', 9n, position, 'equal'],
  ['the same at the end of the log', 9n, { ...position, logEnd: 10n }, 'equal'],
  ['behind the group: Redis lost its tail', 9n, { ...position, committed: 15n }, 'behind'],
  ['ahead of the group: a worker died before its commit', 9n, { ...position, committed: 5n }, 'ahead'],
  ['known, but the group has no offset', 9n, { ...position, committed: null }, 'ahead'],
  ['just before what the log still has', 9n, { ...position, logStart: 10n }, 'equal'],
  ['before the first record', -1n, { ...position, committed: null }, 'ahead'],
] as const)('a partition goes on behind its watermark when that is %s', (_, offset, at, because) => {
  expect(decide(watermarkAt(offset), at)).toEqual({ kind: 'from', watermark: watermarkOf(offset), because })
})

test.each([
  ['nothing was ever read', null, { ...position, committed: null }, 'first_run'],
  ['the group has committed the start', null, { ...position, committed: 0n }, 'first_run'],
  ['the view was lost', null, position, 'view_lost'],
  ['the view was lost and the start of the log too', null, { ...position, logStart: 5n }, 'view_lost'],
  ['somebody has left a rebuild half done', 'rebuilding:1', position, 'interrupted'],
] as const)('a view is made anew, as a matter of course, when %s', (_, watermark, at, because) => {
  expect(decide(watermark, at)).toEqual({ kind: 'rebuild', because, alarm: null })
})

test('a view is made anew, with an alarm, when the log holds another record at its watermark', () => {
  expect(decide(watermarkAt(9n), position, { found: { notificationId: 'm' } })).toEqual({
    kind: 'rebuild',
    because: 'log_replaced',
    alarm: matching(/log holds m there/),
  })
})

test.each([
  ['the record was deleted since', watermarkAt(9n), null],
  ['the watermark names none', watermarkAt(9n, { notificationId: null }), { notificationId: 'm' }],
])('a log is taken for the same when %s', (_, watermark, found) => {
  expect(decide(watermark, position, { found })).toMatchObject({ kind: 'from', because: 'equal' })
})

test('a watermark beyond the end of the log is doubted at first, and when it stays there the view is made anew', () => {
  const at = { ...position, logEnd: 9n }
  const problem = matching(/made anew/)
  const found = null
  expect(decide(watermarkAt(9n), at, { found })).toEqual({ kind: 'doubt', problem })
  expect(decide(watermarkAt(9n), at, { found, doubted: watermarkAt(9n) })).toEqual({
    kind: 'rebuild',
    because: 'log_replaced',
    alarm: problem,
  })
  expect(decide(watermarkAt(10n), at, { found, doubted: watermarkAt(9n) })).toEqual({
    kind: 'doubt',
    problem,
  })
})

test.each([
  ['the view comes from another cluster', watermarkAt(9n, { clusterId: 'old' }), position, /cluster old/],
  ['the view comes from another topic', watermarkAt(9n, { topic: 'older' }), position, /built from older/],
  ['the view comes from another partition', watermarkAt(9n, { partition: 2 }), position, /raw\[2\]/],
  [
    'records behind the watermark were deleted',
    watermarkAt(9n),
    { ...position, logStart: 12n },
    /2 records were never read/,
  ],
  ['the watermark is in another form', 'v2:9', position, /cannot be read: v2:9/],
])('a partition is held, and no other, when %s', (_, watermark, at, problem) => {
  expect(decide(watermark, at)).toEqual({ kind: 'hold', problem: matching(problem) })
})

test.each([
  ['says so', watermarkAt(9n, { foldVersion: foldVersion + 1 })],
  ['is in a form that only that one knows', `{"foldVersion":${foldVersion + 1}}`],
])('the process stops when the watermark is of a later build and %s', (_, watermark) => {
  expect(decide(watermark, position)).toEqual({ kind: 'stop', problem: matching(/run the later build/) })
})

test('a view of an earlier build is made anew', () => {
  const rebuild = { kind: 'rebuild', because: 'older_fold', alarm: null }
  expect(decide(watermarkAt(9n, { foldVersion: foldVersion - 1 }), position)).toEqual(rebuild)
  expect(decide(watermarkAt(9n).replace(/,"foldVersion".*/, '}'), position)).toEqual(rebuild)
})

test('a view in which something cannot be read is made anew with an alarm, and if that did not help it is held', () => {
  const problem = 'It is damaged.'
  expect(decide(watermarkAt(9n), position, { damage: { problem, isAgain: false } })).toEqual({
    kind: 'rebuild',
    because: 'view_damaged',
    alarm: matching(/raw\[1\]: It is damaged/),
  })
  expect(decide(watermarkAt(9n), position, { damage: { problem, isAgain: true } })).toEqual({
    kind: 'hold',
    problem: matching(/It is damaged\. It was just made anew/),
  })
})
