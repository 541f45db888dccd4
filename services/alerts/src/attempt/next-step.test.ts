import { expect, test } from 'vitest'
import type { Verdict } from './answer.ts'
import { alertLifeMs } from '../owed-alert.ts'
import { nextStep, standardBackoffMs } from './next-step.ts'

const hourMs = 3_600_000
const failed = (retryAfterMs: number | null = null): Verdict => ({
  kind: 'failed',
  status: 503,
  error: 'server_error',
  retryAfterMs,
})

const after = (of: Partial<Parameters<typeof nextStep>[0]>) =>
  nextStep({
    verdict: failed(),
    attempts: 1,
    nowMs: 0,
    deadlineMs: 26 * hourMs,
    backoffMs: [1_000, 60_000],
    random: 0,
    ...of,
  })

test('a delivered alert is delivered, and a refused one is given up at once', () => {
  expect(after({ verdict: { kind: 'delivered', status: 204 } })).toEqual({ kind: 'delivered' })
  expect(after({ verdict: { kind: 'refused', status: 410, error: 'gone' } })).toEqual({
    kind: 'given_up',
    reason: 'refused',
  })
})

test.each([
  ['the schedule', 1, null, 0, 1_000],
  ['the schedule of the second attempt', 2, null, 0, 60_000],
  ['up to as long again', 1, null, 0.999, 1_999],
  ['what the endpoint asked for, when that is longer', 1, 7_000, 0, 7_000],
  ['the schedule, when the endpoint asked for less', 2, 7_000, 0, 60_000],
])('the next attempt waits for %s', (_, attempts, retryAfterMs, random, delayMs) => {
  expect(after({ verdict: failed(retryAfterMs), attempts, random })).toEqual({ kind: 'again', delayMs })
})

test('past the schedule, or when the next attempt would come too late, the alert is given up', () => {
  expect(after({ attempts: 3 })).toEqual({ kind: 'given_up', reason: 'attempts_used_up' })
  expect(after({ deadlineMs: 1_000 })).toEqual({ kind: 'given_up', reason: 'expired' })
})

test.each([
  ['the least', 0],
  ['the greatest', 0.999_999],
])(
  'the standard schedule lasts for a day and ends within the life of an alert, with %s jitter',
  (_, random) => {
    const attemptsAtMs = [0]
    let step = after({ random, backoffMs: standardBackoffMs })
    while (step.kind === 'again') {
      const nowMs = (attemptsAtMs.at(-1) ?? 0) + step.delayMs
      attemptsAtMs.push(nowMs)
      const attempts = attemptsAtMs.length
      step = after({ attempts, random, nowMs, deadlineMs: alertLifeMs, backoffMs: standardBackoffMs })
    }
    expect(step).toEqual({ kind: 'given_up', reason: 'attempts_used_up' })
    expect(attemptsAtMs).toHaveLength(11)
    expect(attemptsAtMs.at(-1)).toBeGreaterThanOrEqual(24 * hourMs)
    expect(attemptsAtMs.at(-1)).toBeLessThan(alertLifeMs)
  },
)
