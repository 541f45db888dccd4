import type { Verdict } from './answer.ts'

/** What comes after an attempt. */
export type NextStep =
  | { kind: 'delivered' }
  | { kind: 'again'; delayMs: number }
  | { kind: 'given_up'; reason: 'refused' | 'attempts_used_up' | 'expired' }

const secondMs = 1000
const minuteMs = 60 * secondMs
const hourMs = 60 * minuteMs

/** Pauses between attempts: quick while it may be a hiccup, and long enough in sum for a day of outage. */
export const standardBackoffMs: readonly number[] = [
  5 * secondMs,
  30 * secondMs,
  2 * minuteMs,
  10 * minuteMs,
  30 * minuteMs,
  hourMs,
  2 * hourMs,
  4 * hourMs,
  8 * hourMs,
  8 * hourMs + 20 * minuteMs,
]

/** Spread over this, the alerts that waited for one endpoint do not come back all at once. */
const maxJitterMs = 5 * minuteMs

/**
 * Decides after an attempt. The pause is never shorter than the schedule's, or an endpoint that asks for seconds
 * would use up a day's attempts in a minute, and never shorter than the endpoint asked for.
 *
 * @param attempts how many were made, this one included
 * @param random from 0 to below 1
 */
export function nextStep({
  verdict,
  attempts,
  nowMs,
  deadlineMs,
  backoffMs,
  random,
}: {
  verdict: Verdict
  attempts: number
  nowMs: number
  /** When the alert expires, epoch milliseconds. */
  deadlineMs: number
  backoffMs: readonly number[]
  random: number
}): NextStep {
  if (verdict.kind === 'delivered') return { kind: 'delivered' }
  if (verdict.kind === 'refused') return { kind: 'given_up', reason: 'refused' }
  const scheduledMs = backoffMs[attempts - 1]
  if (scheduledMs === undefined) return { kind: 'given_up', reason: 'attempts_used_up' }
  const pauseMs = Math.max(scheduledMs, verdict.retryAfterMs ?? 0)
  const delayMs = Math.round(pauseMs + random * Math.min(pauseMs, maxJitterMs))
  return nowMs + delayMs >= deadlineMs ? { kind: 'given_up', reason: 'expired' } : { kind: 'again', delayMs }
}
