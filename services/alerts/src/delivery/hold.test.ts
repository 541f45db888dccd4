import { expect, test } from 'vitest'
import type { LaneEntry } from '../adapters/lanes.ts'
import { holdMs } from './hold.ts'

const entry = (differs: Partial<Extract<LaneEntry, { kind: 'wait' }>>) =>
  ({ kind: 'wait', why: 'full', waitMs: 0, serviceMs: 0, outstanding: 0, ...differs }) as const

const minuteMs = 60_000

test.each([
  ['never less than half a second', {}, 0, 500],
  ['the time that the backlog takes', { serviceMs: 1_000, outstanding: 80 }, 0.5, 500 + 10_000],
  ['a guess of that time before a first call has ended', { outstanding: 3_000 }, 1, 500 + 75_000],
  [
    'at most ten minutes',
    { serviceMs: 15_000, outstanding: 10_000, waitMs: 60 * minuteMs },
    1,
    10 * minuteMs,
  ],
  [
    'what the breaker says, and a window',
    { why: 'open', waitMs: 3_000, serviceMs: 5_000, outstanding: 40 },
    0.1,
    8_000,
  ],
  [
    'exactly until its slot of the rate',
    { why: 'rate', waitMs: 40, serviceMs: 5_000, outstanding: 40 },
    0.9,
    40,
  ],
] as const)('a job stays away for %s', (_, differs, random, ms) => {
  expect(holdMs(entry(differs), { cap: 4, random })).toBe(ms)
})

test('of a backlog, about as many ask in any time as the endpoint can take in it', () => {
  const outstanding = 600
  const serviceMs = 200
  const cap = 4
  const times = Array.from({ length: outstanding }, (_, index) =>
    holdMs(entry({ serviceMs, outstanding }), { cap, random: index / outstanding }),
  )
  const inOneSecond = times.filter((ms) => ms >= 5_000 && ms < 6_000).length
  expect(inOneSecond).toBe((cap * 1_000) / serviceMs)
})
