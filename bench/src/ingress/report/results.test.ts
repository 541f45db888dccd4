import { expect, test } from 'vitest'
import { spreadOf } from '../../report/statistics.ts'
import type { Measurement } from '../measure/measurement.ts'
import type { VariantName } from '../variants/variants.ts'
import { headlineOf, problemsOf, type Series } from './results.ts'

const clean = {
  unanswered: 0,
  S: 100,
  F: 0,
  U: 0,
  malformed: 0,
  'badly signed': 0,
  'broken off': 0,
  unsent: 0,
}

const measurement = (given: Partial<Measurement>): Measurement => ({
  answers: clean,
  acksPerSecond: 1,
  p50Ms: 1,
  p99Ms: 1,
  p999Ms: 1,
  cpuMicros: 1,
  brokerMicros: null,
  generatorMicros: 1,
  rssMiB: 1,
  ...given,
})

const closed = (variant: VariantName, rounds: Partial<Measurement>[], connections = 64): Series => ({
  variant,
  replicas: 1,
  load: { kind: 'closed', connections },
  rounds: rounds.map(measurement),
})

const open = (variant: VariantName, perSecond: number, p99Ms: number): Series => ({
  variant,
  replicas: 1,
  load: { kind: 'open', perSecond, connections: 256 },
  rounds: [measurement({ p99Ms })],
})

test('ratios are taken within a round, so that a machine that drifts does not change them', () => {
  const headline = headlineOf([
    closed('fastify', [
      { acksPerSecond: 100, cpuMicros: 10 },
      { acksPerSecond: 10, cpuMicros: 100 },
      { acksPerSecond: 1000, cpuMicros: 1 },
    ]),
    closed('ours', [
      { acksPerSecond: 30, cpuMicros: 40 },
      { acksPerSecond: 3, cpuMicros: 400 },
      { acksPerSecond: 900, cpuMicros: 4 },
    ]),
    // More connections are another load.
    closed('ours', [{ acksPerSecond: 1 }], 256),
  ])
  expect(headline).toEqual({
    ratioToObvious: null,
    ratioToFastify: 0.3,
    cpuRatioToFastify: 4,
    cpuMicrosPerAck: 40,
    acksPerSecond: 30,
    p99Ms500: null,
    p99Ms2000: null,
  })
})

test('the p99 of the open loops is that of ours', () => {
  const all = [open('obvious', 500, 90), open('ours', 500, 5), open('ours', 2_000, 9)]
  expect(headlineOf(all)).toMatchObject({ p99Ms500: 5, p99Ms2000: 9 })
})

test.each(['F', 'U', 'malformed', 'badly signed', 'broken off', 'unanswered'] as const)(
  'one answer that is %s makes a run count for nothing',
  (outcome) => {
    const series = [
      closed('ours', [{}, { answers: { ...clean, [outcome]: 1 } }]),
      closed('obvious', [{ answers: clean }]),
    ]
    const problems = problemsOf({ series, overload: [] }, { refusalsAreFine: false })
    expect(problems).toEqual([`(d) Signalbox: 1 × ${outcome}`])
  },
)

const crowd = (answers: Measurement['answers']) =>
  problemsOf({ series: [closed('ours', [{ answers }], 256)], overload: [] }, { refusalsAreFine: false })

test('a crowd of connections may be refused, but not answered wrongly', () => {
  expect(crowd({ ...clean, U: 5 })).toEqual([])
  expect(crowd({ ...clean, malformed: 5 })).toHaveLength(1)
})

test('the median of an even number of rounds lies between the two in the middle', () => {
  expect(spreadOf([4, 1, 2, 100])).toEqual({ median: 3, min: 1, max: 100 })
  expect(spreadOf([]).median).toBeNaN()
})
