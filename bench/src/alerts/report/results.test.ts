import { expect, test } from 'vitest'
import type { Measurement } from '../measure/measurement.ts'
import { headlineOf } from './results.ts'

const measured = (
  deliveriesPerSecond: number,
  { cpuMicros = 1, rssMiBOfTenths = Array.from({ length: 10 }, () => 1) } = {},
): Measurement => ({
  deliveries: 1,
  seconds: 1,
  deliveriesPerSecond,
  wholePerSecond: 1,
  cpuMicros,
  redisMicros: null,
  brokerMicros: null,
  sinkMicros: 1,
  rssMiBOfTenths,
})

const latencies = (p99Ms: number) => ({ deliveries: 1, p50Ms: 1, p99Ms, mostMs: 1_000 })
const skew = (without: number, beside: number) => ({
  without: latencies(without),
  beside: latencies(beside),
  hangingCalls: 8,
})

test('ratios are taken within a round, so that a machine that drifts does not change them', () => {
  const headline = headlineOf({
    series: {
      bare: [measured(500), measured(10_000), measured(200)],
      bullmq: [measured(250), measured(2_000), measured(12.5)],
      obvious: [measured(40), measured(500), measured(10)],
      ours: [
        measured(100, { cpuMicros: 50 }),
        measured(1_000, { cpuMicros: 40 }),
        measured(10, { cpuMicros: 90 }),
      ],
    },
    skews: [skew(10, 12), skew(100, 90), skew(1, 1.1)],
    memory: measured(1, { rssMiBOfTenths: [1, 2, 3, 4, 80, 10, 10, 10, 10, 72] }),
  })
  expect(headline).toEqual({
    ratioToBareBullmq: 0.5,
    ratioToObvious: 2,
    ratioToBareUndici: 0.1,
    deliveriesPerSecond: 100,
    cpuMicrosPerDelivery: 50,
    skewP99Ratio: 1.1,
    skewP99Ms: 12,
    memoryGrowth: 0.9,
  })
})

test('what was left out has no figure', () => {
  const headline = headlineOf({ series: { ours: [measured(1)] }, skews: [], memory: null })
  expect(headline).toMatchObject({ ratioToBareBullmq: null, skewP99Ratio: null, memoryGrowth: null })
})
