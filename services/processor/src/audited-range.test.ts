import { expect, test } from 'vitest'
import { auditedThrough, unaudited, withOurs } from './audited-range.ts'

const fresh = { foreign: [], through: 5n }

test('while nobody else writes, there is nothing to look at', () => {
  const after = withOurs(withOurs(fresh, [5n, 6n]), [7n])
  expect(after).toEqual({ foreign: [], through: 8n })
  expect(auditedThrough(after)).toBe(8n)
  expect(unaudited(after, 8n)).toEqual([])
})

test('what stands before, between and behind our records was written by somebody else', () => {
  const after = withOurs(fresh, [7n, 8n, 11n])
  expect(after.foreign).toEqual([
    { from: 5n, to: 7n },
    { from: 9n, to: 11n },
  ])
  expect(auditedThrough(after)).toBe(5n)
  expect(unaudited(after, 14n)).toEqual([...after.foreign, { from: 12n, to: 14n }])
})

test('a record told at a place that was passed already changes nothing', () => {
  expect(withOurs(fresh, [2n])).toEqual(fresh)
})

test('however often two workers write in turn, few ranges are remembered, and they leave nothing out', () => {
  let audited: Parameters<typeof withOurs>[0] = fresh
  for (let offset = 6n; offset < 1_000n; offset += 2n) audited = withOurs(audited, [offset])
  expect(audited.foreign.length).toBeLessThanOrEqual(50)
  expect(auditedThrough(audited)).toBe(5n)
  expect(audited.foreign.at(-1)?.to).toBe(998n)
})

test('what has to be looked at comes in parts of a bounded size, without a gap', () => {
  const parts = unaudited({ foreign: [{ from: 0n, to: 12_000n }], through: 12_000n }, 12_001n)
  expect(parts).toEqual([
    { from: 0n, to: 5_000n },
    { from: 5_000n, to: 10_000n },
    { from: 10_000n, to: 12_000n },
    { from: 12_000n, to: 12_001n },
  ])
})
