import assert from 'node:assert/strict'
import { beforeAll, expect, test } from 'vitest'
import { quickStops } from './alerts-chaos-verb.ts'
import { describePlan, faultKinds, planOf } from './plan.ts'
import { type ChaosRun, runPlan } from './run-plan.ts'

/** Together they have every kind of fault, with one alerts process and with two. */
const plans = [2, 5, 10].map((seed) => planOf(seed, { alerts: 700, stops: quickStops }))
let runs: readonly ChaosRun[] = []

beforeAll(async () => {
  // At once, because what they do is mostly to wait for what was killed or stopped.
  runs = await Promise.all(
    plans.map((plan) => {
      const keepIn = `test-results/alerts-chaos-${plan.seed}`
      return runPlan(plan, { env: process.env, asBuilt: false, build: null, keepIn })
    }),
  )
})

test.each(plans.map((plan, index) => [describePlan(plan), index] as const))(
  'no alert is lost, and none sent twice but for an answer that a fault cut off: %s',
  (_, index) => {
    const { problems, findings, strikes } = runs[index] ?? {}
    const told = JSON.stringify({ problems, strikes, unexplained: findings?.unexplained }, null, 2)
    assert.deepEqual(problems, [], told)
    expect(strikes).toHaveLength(plans[index]?.faults.length ?? 0)
  },
)

test('each kind of fault takes effect while alerts are owed', () => {
  const effective = runs
    .flatMap(({ strikes }) => strikes)
    .filter(({ mark, owed }) => mark !== null && owed > 0)
    .map(({ fault }) => fault.kind)
  expect(new Set(effective)).toEqual(new Set(faultKinds))
})

test('markers are rebuilt after the queue Redis has lost them', () => {
  const rebuilt = runs.filter(({ findings }) => findings.markersRebuilt > 0)
  expect(rebuilt.map(({ plan }) => plan.seed)).toEqual([2, 10])
})
