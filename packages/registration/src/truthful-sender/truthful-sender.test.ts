import { beforeAll, expect, test } from 'vitest'
import { allConditions, complaintsAbout, type Row, simulate } from './simulation.fixture.ts'

/** `npm run truthful-sender` has 40,000. */
const histories = 1_000

let rows: readonly Row[]
beforeAll(() => {
  rows = allConditions.map((conditions) => simulate(conditions, { histories, seed: 1 }))
}, 120_000)

test('with a truthful sender nothing is silently wrong, and without reversals nothing is wrong', () => {
  expect(rows).toHaveLength(72)
  expect(complaintsAbout(rows)).toEqual([])
})

test('hardly a history is unknowable, or the rows would say little', () => {
  expect(Math.max(...rows.map(({ unknowable }) => unknowable))).toBeLessThan(histories / 100)
})

test('reversals and second registrations happen, and doubt about them is told', () => {
  const [calm, ...others] = rows.filter(({ conditions }) => conditions.loss === 0)
  expect(calm?.warnedThoughRight).toBe(0)
  for (const { conditions, warnedThoughRight } of others) {
    const isDoubtful = conditions.reversals || conditions.registersAgain || conditions.lists !== 'full'
    expect(warnedThoughRight > 0).toBe(isDoubtful)
  }
})
