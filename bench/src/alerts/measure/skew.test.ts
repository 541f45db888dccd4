import { expect, test } from 'vitest'
import { latenciesOf } from './skew.ts'

test('latencies are those of the slowest, in whatever order they came', () => {
  const milliseconds = Array.from({ length: 200 }, (_, index) => ((index * 7) % 200) + 1)
  expect(latenciesOf(milliseconds)).toEqual({ deliveries: 200, p50Ms: 101, p99Ms: 199, mostMs: 200 })
})
