import { expect, test } from 'vitest'
import { fineHealth, type Health, healthAfter } from './endpoint-health.ts'

const budgetMs = 100_000
const usual = { budgetMs, isDisabled: false, usedSinceMs: 0 }

/** What is asked for while an endpoint fails every second, by when. */
function failing({
  seconds,
  health = fineHealth,
  ...differs
}: { seconds: number; health?: Health } & object) {
  let known = health
  const asked: string[] = []
  for (let second = 1; second <= seconds; second += 1) {
    const nowMs = second * 1_000
    const next = healthAfter(known, { ...usual, isSuccess: false, nowMs, ...differs })
    known = next.health
    if (next.act !== null)
      asked.push(`${second} ${next.act.kind === 'warn' ? next.act.percent : next.act.kind}`)
  }
  return { asked, health: known }
}

test('each threshold of the budget is warned of once, and at its end the endpoint is to be disabled', () => {
  expect(failing({ seconds: 101 }).asked).toEqual(['51 50', '76 75', '91 90', '101 disable'])
})

test('that it is to be disabled is asked for until it is', () => {
  expect(failing({ seconds: 103 }).asked.slice(3)).toEqual(['101 disable', '102 disable', '103 disable'])
  const { health } = failing({ seconds: 101 })
  const next = healthAfter(health, { ...usual, isSuccess: false, nowMs: 110_000, isDisabled: true })
  expect(next.act).toBeNull()
})

test('nine failures are too few for anything, however long apart', () => {
  let health = fineHealth
  for (let attempt = 1; attempt <= 9; attempt += 1) {
    const next = healthAfter(health, { ...usual, isSuccess: false, nowMs: attempt * budgetMs })
    expect(next.act).toBeNull()
    health = next.health
  }
  const tenth = healthAfter(health, { ...usual, isSuccess: false, nowMs: 10 * budgetMs })
  expect(tenth.act).toEqual({ kind: 'disable' })
})

test('one success gives the whole budget back', () => {
  const { health } = failing({ seconds: 95 })
  expect(healthAfter(health, { ...usual, isSuccess: true, nowMs: 96_000 })).toEqual({
    health: { ...fineHealth, lastSuccessMs: 96_000 },
    act: null,
  })
})

test('a success of one that is disabled for failing recovers it', () => {
  const after = healthAfter(fineHealth, { ...usual, isSuccess: true, nowMs: 1, isDisabled: true })
  expect(after.act).toEqual({ kind: 'recover' })
})

test('what failed before it was enabled does not count', () => {
  const { health } = failing({ seconds: 101 })
  const next = healthAfter(health, { ...usual, isSuccess: false, nowMs: 120_000, usedSinceMs: 110_000 })
  expect(next).toEqual({ health: { ...fineHealth, failingSinceMs: 120_000, failures: 1 }, act: null })
})
