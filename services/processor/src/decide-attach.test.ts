import type { PartitionPosition } from '@signalbox/kafka/consumer'
import { expect, test } from 'vitest'
import { decideAttach } from './decide-attach.ts'
import { formatWatermark } from './watermark.ts'

const log = { clusterId: 'cluster', topic: 'raw' }

const watermarkAt = (offset: bigint, other: Partial<typeof log & { partition: number }> = {}) =>
  formatWatermark({ ...log, partition: 1, offset, notificationId: 'n', ...other })

const decide = (
  watermark: string | null,
  position: Omit<PartitionPosition, 'partition'>,
  doubted: string | null = null,
) => decideAttach({ ...log, watermark, doubted, position: { partition: 1, ...position } })

test.each([
  ['the same as the group', 9n, { committed: 10n, logStart: 0n, logEnd: 20n }, 'equal'],
  ['the same at the end of the log', 9n, { committed: 10n, logStart: 0n, logEnd: 10n }, 'equal'],
  ['behind the group: Redis lost its tail', 9n, { committed: 15n, logStart: 0n, logEnd: 20n }, 'behind'],
  [
    'ahead of the group: a worker died before its commit',
    9n,
    { committed: 5n, logStart: 0n, logEnd: 20n },
    'ahead',
  ],
  ['known, but the group has no offset', 9n, { committed: null, logStart: 0n, logEnd: 20n }, 'ahead'],
  ['just before what the log still has', 9n, { committed: 10n, logStart: 10n, logEnd: 20n }, 'equal'],
] as const)('a partition goes on behind its watermark when that is %s', (_, offset, position, because) => {
  expect(decide(watermarkAt(offset), position)).toEqual({ kind: 'from', offset: 10n, because })
})

test.each([
  ['nothing was ever read', { committed: null, logStart: 0n, logEnd: 20n }, 'first_run'],
  ['the log is still empty', { committed: null, logStart: 0n, logEnd: 0n }, 'first_run'],
  ['the group has committed the start', { committed: 0n, logStart: 0n, logEnd: 20n }, 'first_run'],
  ['the view was lost and the log is whole', { committed: 15n, logStart: 0n, logEnd: 20n }, 'view_lost'],
] as const)('without a watermark everything is folded when %s', (_, position, because) => {
  expect(decide(null, position)).toEqual({ kind: 'from', offset: 0n, because })
})

test.each([
  [
    'the view was lost and so was the start of the log',
    null,
    { committed: 15n, logStart: 3n, logEnd: 20n },
    /signalbox rebuild/,
  ],
  [
    'nothing was ever read and the start of the log is lost',
    null,
    { committed: null, logStart: 3n, logEnd: 20n },
    /signalbox rebuild/,
  ],
  [
    'the view comes from another cluster',
    watermarkAt(9n, { clusterId: 'old' }),
    { committed: 10n, logStart: 0n, logEnd: 20n },
    /cluster old/,
  ],
  [
    'the view comes from another topic',
    watermarkAt(9n, { topic: 'older' }),
    { committed: 10n, logStart: 0n, logEnd: 20n },
    /built from older/,
  ],
  [
    'the view comes from another partition',
    watermarkAt(9n, { partition: 2 }),
    { committed: 10n, logStart: 0n, logEnd: 20n },
    /raw\[2\]/,
  ],
  [
    'records behind the watermark were deleted',
    watermarkAt(9n),
    { committed: 10n, logStart: 12n, logEnd: 20n },
    /2 notifications were never read/,
  ],
  [
    'the watermark is in another form',
    'rebuilding:1',
    { committed: 10n, logStart: 0n, logEnd: 20n },
    /later build/,
  ],
])('a partition stops with an alarm when %s', (_, watermark, position, problem) => {
  expect(decide(watermark, position)).toEqual({
    kind: 'stop',
    problem: expect.stringMatching(problem) as unknown,
  })
})

test('a watermark beyond the end of the log is doubted at first, and stops the partition when it stays there', () => {
  const position = { committed: 10n, logStart: 0n, logEnd: 9n }
  const problem = expect.stringMatching(/made anew/) as unknown
  expect(decide(watermarkAt(9n), position)).toEqual({ kind: 'doubt', problem })
  expect(decide(watermarkAt(9n), position, watermarkAt(9n))).toEqual({ kind: 'stop', problem })
  expect(decide(watermarkAt(10n), position, watermarkAt(9n))).toEqual({ kind: 'doubt', problem })
})
