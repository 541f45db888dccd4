import { expect, test } from 'vitest'
import { alertsOwed, changesFor } from './changes.ts'
import { endpoints, planOf } from './plan.ts'

const options = { alerts: 1_500, stops: { leastMs: 4_000, mostMs: 8_000 } }

test('a seed decides all of a plan, and another seed another one', () => {
  expect(planOf(7, options)).toEqual(planOf(7, options))
  expect(planOf(7, options).faults).not.toEqual(planOf(8, options).faults)
})

test('the changes of a run owe as many alerts as were asked for, each endpoint some of them', () => {
  const changes = changesFor(1_500)
  const owed = alertsOwed(changes, { partitions: 4 })
  expect(owed.size).toBe(1_500)
  expect(new Set(owed.values()).size).toBeGreaterThan(1)
  for (const { merchant } of endpoints) {
    const heard = changes.filter(
      ({ registration }) => merchant === '*' || merchant === registration.referenceMerchantId,
    )
    expect(heard.length).toBeGreaterThan(50)
  }
})
