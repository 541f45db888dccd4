import { expect, test } from 'vitest'
import { fanOutStart, watermarkAt, watermarkOwing } from './fan-out-start.ts'

const log = { clusterId: 'cluster', topic: 'changes' }
const position = { partition: 1, committed: 40n, logStart: 10n, logEnd: 50n }

test.each([
  ['at its watermark, whatever the group has committed', watermarkAt({ ...log, next: 20n }), 20n, 0n],
  ['at the end when all is fanned out', watermarkAt({ ...log, next: 50n }), 50n, 0n],
  ['where jobs were still to be made', watermarkOwing({ ...log, next: 20n, until: 30n, slice: 2 }), 20n, 0n],
  ['behind what retention has taken', watermarkAt({ ...log, next: 7n }), 10n, 3n],
])('a partition goes on %s', (_, watermark, offset, skipped) => {
  expect(fanOutStart(watermark, { position, log, doubted: null })).toEqual({ kind: 'from', offset, skipped })
})

test.each([
  ['another cluster', watermarkAt({ ...log, clusterId: 'old', next: 20n }), 'another log'],
  ['another topic', watermarkAt({ ...log, topic: 'old', next: 20n }), 'another log'],
  ['no log that we know of', 'garbage', 'another log'],
  ['more than the log holds', watermarkAt({ ...log, next: 51n }), 'made anew'],
])('a watermark about %s stops the partition, and says why', (_, watermark, problem) => {
  expect(fanOutStart(watermark, { position, log, doubted: watermark })).toEqual({
    kind: 'stop',
    problem: expect.stringContaining(problem) as unknown,
  })
})

test('a watermark beyond the end that was read before it is doubted once, not stopped at', () => {
  const watermark = watermarkAt({ ...log, next: 51n })
  const start = (doubted: string | null) => fanOutStart(watermark, { position, log, doubted }).kind
  expect(start(null)).toBe('doubt')
  expect(start(watermarkAt({ ...log, next: 52n }))).toBe('doubt')
  expect(start(watermark)).toBe('stop')
})
