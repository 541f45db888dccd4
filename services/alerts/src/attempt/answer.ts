import type { AttemptError } from '@signalbox/alert-endpoints/attempt-log'
import type { Answer } from '@signalbox/webhook-sender/send-webhook'
import { retryAfterMs } from './retry-after.ts'

export type Verdict =
  | { kind: 'delivered'; status: number }
  | { kind: 'refused'; status: number; error: AttemptError }
  /** `retryAfterMs` is what the endpoint asked for. */
  | { kind: 'failed'; status: number | null; error: AttemptError; retryAfterMs: number | null }

const patienceStatuses = [408, 409, 425, 429]

/** What an answer means for the alert: taken, refused for good, or to be tried again. */
export function judge(answer: Answer, { nowMs }: { nowMs: number }): Verdict {
  if (answer.kind === 'none') {
    return { kind: 'failed', status: null, error: answer.error, retryAfterMs: null }
  }
  const { status } = answer
  const failed = (error: AttemptError): Verdict => {
    return { kind: 'failed', status, error, retryAfterMs: retryAfterMs(answer.retryAfter, { nowMs }) }
  }
  if (status >= 200 && status < 300) return { kind: 'delivered', status }
  if (status >= 300 && status < 400) return failed('redirected')
  if (status === 410) return { kind: 'refused', status, error: 'gone' }
  if (patienceStatuses.includes(status)) return failed('busy')
  if (status >= 400 && status < 500) return { kind: 'refused', status, error: 'rejected' }
  if (status >= 500 && status < 600) return failed('server_error')
  return failed('unexpected_status')
}

/** Whether the endpoint itself is in trouble; another 4xx is an answer of an endpoint that works. */
export function showsTrouble(verdict: Verdict): boolean {
  return verdict.kind === 'failed' && verdict.error !== 'redirected' && !isOurTrouble(verdict)
}

/** Whether it says nothing about the endpoint: that we have no mail server is no fault of its own. */
export function isOurTrouble(verdict: Verdict): boolean {
  return verdict.kind === 'failed' && verdict.error === 'mail_unavailable'
}
