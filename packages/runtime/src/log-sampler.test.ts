import { expect, test } from 'vitest'
import { createLogSampler } from './log-sampler.ts'

test('up to the full rate every line is written; beyond, one in so many, which says for how many it stands', () => {
  let nowMs = 5_000
  const sampler = createLogSampler({ fullPerSecond: 3, thenOneIn: 4, now: () => nowMs })
  const take = (count: number) => Array.from({ length: count }, () => sampler.next())
  expect(take(12)).toEqual([1, 1, 1, null, null, null, 4, null, null, null, 4, null])
  nowMs = 6_000
  expect(take(4)).toEqual([1, 1, 1, null])
})

test('what was not written is counted until it is told', () => {
  const sampler = createLogSampler({ fullPerSecond: 1, thenOneIn: Number.POSITIVE_INFINITY, now: () => 0 })
  for (let n = 0; n < 10; n++) sampler.next()
  expect(sampler.takeSkipped()).toBe(9)
  expect(sampler.takeSkipped()).toBe(0)
})
