import { type Endpoint, verificationAskedAt } from '@signalbox/alert-endpoints/endpoint'
import { alertBody } from '@signalbox/contracts/alert'
import { alertLifeMs, isVerification, type OwedAlert } from '../owed-alert.ts'
import type { KnownEndpoint } from './known-endpoints.ts'
import type { Outcome, Progress } from './progress.ts'

/** Why an alert is given up without another call. */
export type GiveUpReason = 'expired' | 'endpoint_gone' | 'endpoint_disabled' | 'superseded'

/** What is to be done about an alert whose job runs. */
export type BeforeCall =
  | { kind: 'call'; target: KnownEndpoint; body: string }
  /** It has its receipt. */
  | { kind: 'known_settled' }
  /** An earlier run knew the end of it and did not come to write the receipt. */
  | { kind: 'settle'; outcome: Outcome }
  | { kind: 'give_up'; reason: GiveUpReason }
  | { kind: 'hold'; delayMs: number }
  /** Written with the obligation and kept for longer than an alert lives, so it can only be lost with Redis. */
  | { kind: 'body_lost' }

/** The endpoint may only not have come here yet. */
const unknownLimitMs = 60 * 60 * 1_000
const unknownPauseMs = 60_000
/** A question about an endpoint may be here before the endpoint is. */
const soonMs = 1_000
/** No key opens its secrets, which takes a person. */
const sealedPauseMs = 5 * 60_000

/** Decides from what is known of an alert and its endpoint. */
export function beforeCall(of: {
  alert: OwedAlert
  begun: { isSettled: boolean; isSuperseded: boolean; body: string | null }
  known: Progress
  target: KnownEndpoint | null
  nowMs: number
}): BeforeCall {
  const { alert, begun, known, target, nowMs } = of
  if (begun.isSettled) return { kind: 'known_settled' }
  if (known.outcome !== null) return { kind: 'settle', outcome: known.outcome }
  if (nowMs >= alert.owedSinceMs + alertLifeMs) return { kind: 'give_up', reason: 'expired' }
  if (target === null) {
    const isLong = nowMs >= alert.owedSinceMs + unknownLimitMs
    const delayMs =
      isVerification(alert) && nowMs < alert.owedSinceMs + unknownPauseMs ? soonMs : unknownPauseMs
    return isLong ? { kind: 'give_up', reason: 'endpoint_gone' } : { kind: 'hold', delayMs }
  }
  const { endpoint } = target
  // What is known of the endpoint is older than the question about it.
  if (isVerification(alert) && endpoint.revision < alert.version) return { kind: 'hold', delayMs: soonMs }
  if (endpoint.state === 'deleted') return { kind: 'give_up', reason: 'endpoint_gone' }
  if (endpoint.state === 'disabled' && endpoint.reason !== 'failing') {
    return { kind: 'give_up', reason: 'endpoint_disabled' }
  }
  if (isVerification(alert)) {
    if (!isStillAsked(endpoint, begun.body)) return { kind: 'give_up', reason: 'superseded' }
  } else if (endpoint.state === 'unverified') {
    // It was moved to another address, which has to be verified first.
    return { kind: 'hold', delayMs: unknownPauseMs }
  }
  if (target.secrets === null) return { kind: 'hold', delayMs: sealedPauseMs }
  if (begun.isSuperseded && endpoint.skipsSuperseded) return { kind: 'give_up', reason: 'superseded' }
  // A job that was made anew has lost its pause.
  const earlyMs = (known.dueAtMs ?? 0) - nowMs
  if (earlyMs > 0) return { kind: 'hold', delayMs: earlyMs }
  return begun.body === null ? { kind: 'body_lost' } : { kind: 'call', target, body: begun.body }
}

/** Whether an address still has to be confirmed, and was not asked about once more since. */
function isStillAsked(endpoint: Endpoint, body: string | null): boolean {
  if (endpoint.state !== 'unverified' || endpoint.target?.type !== 'email') return false
  const askedAt = verificationAskedAt(endpoint)
  if (askedAt === null || body === null) return true
  return Date.parse(askedAt) <= Date.parse(alertBody.parse(JSON.parse(body)).timestamp)
}
