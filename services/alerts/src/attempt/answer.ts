import { retryAfterMs } from './retry-after.ts'

/** How an HTTP call to an endpoint ended: with a status, or without one. */
export type Answer =
  | { kind: 'status'; status: number; retryAfter: string | null }
  | { kind: 'none'; error: TransportError }

/** Closed, because merchants may see them. */
export type TransportError = 'timeout' | 'dns' | 'tls' | 'connection'

export type AttemptError =
  | TransportError
  /** A redirect, which is never followed. */
  | 'redirected'
  /** A 4xx by which the endpoint says that it will never take this. */
  | 'rejected'
  /** 410: the endpoint is no more. */
  | 'gone'
  /** A 4xx that asks for patience. */
  | 'busy'
  | 'server_error'
  | 'unexpected_status'

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

/** Whether the endpoint itself is in trouble; a 4xx is an answer of an endpoint that works. */
export function showsTrouble(verdict: Verdict): boolean {
  return verdict.kind === 'failed' && verdict.error !== 'redirected'
}
