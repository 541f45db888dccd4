import type { LoadRecord } from '@signalbox/testkit/load'
import { expect, test } from 'vitest'
import { planOverload, ratesOf, readOverload } from './overload.ts'

const plan = planOverload({ capacityPerSecond: 100, overloadMs: 1_000, quietMs: 2_000 })

type Request = { outcome: 'S' | 'U' | 'unsent'; dueMs: number; sentMs: number; answeredMs: number }

/** The numbers of the outcomes, as the generator sends them. */
const numbers = { S: 1, U: 3, unsent: 7 }

const recordOf = (requests: readonly Request[]): LoadRecord => ({
  startedAt: 0,
  durationMs: 11_000,
  cpuMs: 0,
  connectionsOpened: 0,
  outcome: Uint8Array.from(requests.map(({ outcome }) => numbers[outcome])),
  dueMs: Float64Array.from(requests.map(({ dueMs }) => dueMs)),
  sentMs: Float64Array.from(requests.map(({ sentMs }) => sentMs)),
  answeredMs: Float64Array.from(requests.map(({ answeredMs }) => answeredMs)),
})

const quiet = (fromMs: number, untilMs: number, latencyMs = 4): Request[] =>
  Array.from({ length: Math.floor((untilMs - fromMs) / 50) }, (_, n) => {
    const dueMs = fromMs + n * 50
    return { outcome: 'S', dueMs, sentMs: dueMs, answeredMs: dueMs + latencyMs }
  })

test('every overload is followed by quiet load without a gap', () => {
  expect(ratesOf(plan)).toEqual([
    { fromMs: 0, perSecond: 20 },
    { fromMs: 2_000, perSecond: 200 },
    { fromMs: 3_000, perSecond: 20 },
    { fromMs: 5_000, perSecond: 500 },
    { fromMs: 6_000, perSecond: 20 },
    { fromMs: 8_000, perSecond: 1_000 },
    { fromMs: 9_000, perSecond: 20 },
  ])
  expect(plan.steps.at(-1)?.quietUntilMs).toBe(11_000)
})

test('a step is what fell due in it: what was planned, sent, accepted, refused', () => {
  const step: Request[] = [
    { outcome: 'S', dueMs: 2_000, sentMs: 2_100, answeredMs: 2_150 },
    { outcome: 'S', dueMs: 2_200, sentMs: 2_300, answeredMs: 2_350 },
    { outcome: 'U', dueMs: 2_300, sentMs: 2_300, answeredMs: 2_302 },
    { outcome: 'unsent', dueMs: 2_900, sentMs: Number.NaN, answeredMs: 3_000 },
  ]
  const record = recordOf([...quiet(0, 2_000), ...step, ...quiet(3_000, 5_000)])
  const samples = [
    { atMs: 1_900, cpuMs: 1_000, rssMiB: 100 },
    { atMs: 2_500, cpuMs: 1_200, rssMiB: 130 },
    { atMs: 3_000, cpuMs: 1_600, rssMiB: 120 },
    { atMs: 5_000, cpuMs: 1_700, rssMiB: 105 },
  ]
  const [first] = readOverload(plan, { record, samples })
  expect(first).toMatchObject({
    factor: 2,
    plannedPerSecond: 200,
    sentPerSecond: 3,
    goodputPerSecond: 2,
    goodputShare: 0.02,
    acceptedP50Ms: 50,
    acceptedP99Ms: 50,
    acceptedSinceDueP99Ms: 150,
    refusalP99Ms: 2,
    cpuMicros: 200_000,
    rssGrowthMiB: 30,
    rssLeftMiB: 5,
    quietAfterMs: 0,
  })
  expect(first?.answers).toMatchObject({ S: 2, U: 1, unsent: 1, 'broken off': 0 })
})

test('it is quiet again from the first half second in which nothing is slow or refused', () => {
  const slowUntil = (untilMs: number) => [...quiet(3_000, untilMs, 30), ...quiet(untilMs, 5_000)]
  const quietAfter = (after: Request[]) =>
    readOverload(plan, { record: recordOf([...quiet(0, 2_000), ...after]), samples: [] })[0]?.quietAfterMs
  expect(quietAfter(slowUntil(3_700))).toBe(700)
  expect(quietAfter(slowUntil(5_000))).toBeNull()
  const refused: Request = { outcome: 'U', dueMs: 3_100, sentMs: 3_100, answeredMs: 3_101 }
  expect(quietAfter([refused, ...quiet(3_000, 5_000)])).toBe(150)
})
