import type { AlertReceipt } from '@signalbox/contracts/alert'
import { judge, showsTrouble, type Verdict } from '../attempt/answer.ts'
import { nextStep } from '../attempt/next-step.ts'
import type { SendWebhook } from '../attempt/send-webhook.ts'
import type { TroubledEndpoints } from '../attempt/troubled-endpoints.ts'
import { webhookHeaders } from '../attempt/webhook-headers.ts'
import type { Endpoint } from '../endpoints/endpoint-directory.ts'
import { alertLifeMs, type OwedAlert, registrationOf } from '../owed-alert.ts'
import { nothingTried, type Outcome, type Progress } from './progress.ts'

/** What became of one run of an alert's job. Trouble of ours is thrown: the job comes again soon. */
export type Run =
  /** It has its receipt now. */
  | { kind: 'settled'; outcome: Outcome }
  /** It had it before. */
  | { kind: 'known_settled' }
  /** An attempt failed and another one is due. */
  | { kind: 'again'; delayMs: number; why: string }
  /** No attempt was made: it is too early, or the endpoint is in trouble and busy. */
  | { kind: 'held'; delayMs: number }

export type Deliver = (alert: OwedAlert, options: { signal: AbortSignal }) => Promise<Run>

export type DeliveryPorts = {
  book: {
    read(alert: OwedAlert): Promise<{ isSettled: boolean; progress: Progress | null; body: string | null }>
    keep(alert: OwedAlert, made: Progress): Promise<void>
    markSettled(alert: OwedAlert): Promise<void>
    clear(alert: OwedAlert): Promise<void>
  }
  receipts: { write(receipt: AlertReceipt): Promise<void> }
  endpoints: { find(endpointId: string): Endpoint | undefined }
  troubled: TroubledEndpoints
  send: SendWebhook
  report: DeliveryReport
}

export type DeliveryReport = {
  attempted(made: {
    alert: OwedAlert
    verdict: Verdict
    attempt: number
    durationMs: number
    /** When the next one is due; null for the last one. */
    nextInMs: number | null
  }): void
  settled(alert: OwedAlert, outcome: Outcome): void
}

/** One HTTP call that is to be made. */
type Call = { alert: OwedAlert; endpoint: Endpoint; body: string; signal: AbortSignal }

const writeDownRetryMs = 500
/** A process with an older endpoints file must not give up what a newer one has begun to owe. */
const unknownEndpointLimitMs = 60 * 60 * 1_000
const unknownEndpointPauseMs = 60_000

/** Creates the work of one job: find out what is left to do of an alert, do it, and write down what came of it. */
export function createDeliver(
  ports: DeliveryPorts,
  { backoffMs, stop }: { backoffMs: readonly number[]; stop: AbortSignal },
): Deliver {
  const { book, report } = ports
  /** Alerts of which this process knows something that Redis does not know yet. */
  const unwritten = new Set<string>()

  return async function deliver(alert, { signal }) {
    // The job stalled while Redis was away, and its first run, which made the call, still waits to write it down.
    if (unwritten.has(alert.id)) return { kind: 'held', delayMs: heldMs() }
    const { isSettled, progress, body } = await book.read(alert)
    if (isSettled) {
      await book.clear(alert)
      return { kind: 'known_settled' }
    }
    const known = progress ?? nothingTried
    if (known.outcome !== null) return settle(alert, known, known.outcome)

    const endpoint = ports.endpoints.find(alert.endpointId)
    if (Date.now() >= alert.owedSinceMs + alertLifeMs) return giveUp(alert, known, 'expired')
    if (endpoint === undefined) {
      if (Date.now() >= alert.owedSinceMs + unknownEndpointLimitMs)
        return giveUp(alert, known, 'endpoint_gone')
      return { kind: 'held', delayMs: unknownEndpointPauseMs }
    }
    // A job that was made anew has lost its pause.
    const earlyMs = (known.dueAtMs ?? 0) - Date.now()
    if (earlyMs > 0) return { kind: 'held', delayMs: earlyMs }
    // Written with the obligation and kept for longer than an alert lives, so it can only be lost with Redis.
    if (body === null)
      throw new Error(`The body of ${alert.registrationKey} version ${alert.version} is lost`)
    if (!ports.troubled.enter(endpoint.id)) return { kind: 'held', delayMs: heldMs() }
    return attempt({ alert, endpoint, body, signal }, known)
  }

  async function attempt(call: Call, known: Progress): Promise<Run> {
    const { alert } = call
    const since = performance.now()
    const verdict = await verdictOf(call)
    const attempts = known.attempts + 1
    const nowMs = Date.now()
    const deadlineMs = alert.owedSinceMs + alertLifeMs
    const step = nextStep({ verdict, attempts, nowMs, deadlineMs, backoffMs, random: Math.random() })
    report.attempted({
      alert,
      verdict,
      attempt: attempts,
      durationMs: performance.now() - since,
      nextInMs: step.kind === 'again' ? step.delayMs : null,
    })

    const lastError = verdict.kind === 'delivered' ? null : verdict.error
    const made = { attempts, lastStatus: verdict.status, lastError, dueAtMs: null, outcome: null }
    if (step.kind !== 'again') return decided(call, made, { ...step, at: nowMs })
    await writeDown(call, { ...made, dueAtMs: nowMs + step.delayMs })
    return { kind: 'again', delayMs: step.delayMs, why: lastError ?? 'failed' }
  }

  /** Makes the HTTP call, in a slot that was entered before. */
  async function verdictOf({ alert, endpoint, body, signal }: Call): Promise<Verdict> {
    let isTroubled: boolean | null = null
    try {
      const headers = webhookHeaders({ id: alert.id, body, secret: endpoint.secret, nowMs: Date.now() })
      const answer = await ports.send({ url: endpoint.url, headers, body, signal })
      const verdict = judge(answer, { nowMs: Date.now() })
      isTroubled = showsTrouble(verdict)
      return verdict
    } finally {
      ports.troubled.leave(endpoint.id, isTroubled)
    }
  }

  /** Writes the outcome down before anything else, so that whatever fails from here on, nothing is sent again. */
  async function decided(call: Call, made: Progress, outcome: Outcome): Promise<Run> {
    const final = { ...made, outcome }
    await writeDown(call, final)
    return settle(call.alert, final, outcome)
  }

  /**
   * Only this process knows what came of the call, so it stays with it for as long as Redis is away; a lost lock
   * does not end that, only a stop whose time is over does, or the end of the alert's life.
   */
  async function writeDown({ alert, signal }: Call, made: Progress): Promise<void> {
    unwritten.add(alert.id)
    try {
      while (true) {
        try {
          return await book.keep(alert, made)
        } catch (error) {
          const isOver = Date.now() >= alert.owedSinceMs + alertLifeMs
          if (isOver || (stop.aborted && signal.aborted)) throw error
        }
        await pause(writeDownRetryMs)
      }
    } finally {
      unwritten.delete(alert.id)
    }
  }

  async function giveUp(
    alert: OwedAlert,
    known: Progress,
    reason: 'expired' | 'endpoint_gone',
  ): Promise<Run> {
    const outcome: Outcome = { kind: 'given_up', reason, at: Date.now() }
    const final = { ...known, outcome }
    await book.keep(alert, final)
    return settle(alert, final, outcome)
  }

  /** Receipt, then marker, then the end of the obligation: cut anywhere, the next run goes on from there. */
  async function settle(alert: OwedAlert, final: Progress, outcome: Outcome): Promise<Run> {
    await ports.receipts.write(receiptOf(alert, final, outcome))
    await book.markSettled(alert)
    await book.clear(alert)
    report.settled(alert, outcome)
    return { kind: 'settled', outcome }
  }
}

function receiptOf(alert: OwedAlert, final: Progress, outcome: Outcome): AlertReceipt {
  return {
    alertId: alert.id,
    registration: registrationOf(alert.registrationKey),
    version: alert.version,
    endpointId: alert.endpointId,
    outcome: outcome.kind,
    reason: outcome.kind === 'given_up' ? outcome.reason : null,
    attempts: final.attempts,
    lastStatus: final.lastStatus,
    lastError: final.lastError,
    settledAt: new Date(outcome.at).toISOString(),
  }
}

/** Long enough that a backlog of thousands in wait for a dead endpoint costs next to nothing: 5 to 10 s. */
function heldMs(): number {
  return Math.round(5_000 + 5_000 * Math.random())
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
