import { type AlertReceipt, eventTypesIn } from '@signalbox/contracts/alert'
import type { AlertBook } from '../adapters/alert-book.ts'
import type { Verdict } from '../attempt/answer.ts'
import { alertLifeMs, type OwedAlert, registrationOf } from '../owed-alert.ts'
import { type BeforeCall, beforeCall } from './before-call.ts'
import type { Call, EndpointCalls } from './endpoint-calls.ts'
import type { EndpointFate } from './endpoint-fate.ts'
import type { KnownEndpoint, KnownEndpoints } from './known-endpoints.ts'
import { nothingTried, type Outcome, type Progress } from './progress.ts'
import type { Settlements } from './settlements.ts'

/** One run of an alert's job. */
export type AlertRun = {
  alert: OwedAlert
  /** A run before it has failed, as far as the queue knows. */
  isRetry: boolean
  /** Its job stalled or was made anew: a run before it may have settled the alert, and Redis forgotten it. */
  isDoubtful: boolean
}

/** What became of one run of a job. Trouble of ours is thrown: the job comes again soon. */
export type Run =
  /** It has its receipt now. */
  | { kind: 'settled'; outcome: Outcome }
  /** It had it before. */
  | { kind: 'known_settled' }
  /** An attempt failed and another one is due. */
  | { kind: 'again'; delayMs: number; why: string }
  /** No attempt was made: it is too early, or the endpoint's lane has no room. */
  | { kind: 'held'; delayMs: number }
  /** What was to be sent once more has come to its end. */
  | { kind: 'replayed'; isDelivered: boolean }

export type Deliver = (run: AlertRun, options: { signal: AbortSignal }) => Promise<Run>

export type DeliveryPorts = {
  book: Pick<AlertBook, 'begin' | 'keep' | 'clear'>
  settlements: Pick<Settlements, 'add' | 'has'>
  calls: EndpointCalls
  endpoints: Pick<KnownEndpoints, 'find'>
  fate: EndpointFate
  receipts: { write(receipt: AlertReceipt): Promise<void> }
  /** Whether the markers reflect all receipts of this run of Redis; `upTo` waits until they reflect those of now. */
  receiptsSeen: { isDoubtful(partition: number): boolean; upTo(partition: number): Promise<unknown> }
  report: DeliveryReport
  /** Epoch milliseconds. */
  now: () => number
  /** From 0 to below 1. */
  random: () => number
}

export type DeliveryReport = {
  settled(alert: OwedAlert, outcome: Outcome): void
  /** An alert that is owed has no body; the fan-out writes it again when Redis has lost what it held. */
  bodyLost(alert: OwedAlert): void
  /** What an attempt did to its endpoint could not be written down; the next one makes up for it. */
  fateUnknown(endpointId: string, error: unknown): void
}

const writeDownRetryMs = 500
/** Kafka takes a receipt in less, unless it is in trouble. */
const receiptPatienceMs = 100
const bodyPauseMs = 60_000

/**
 * Creates the work of one job: find out what is left to do of an alert, do it, and write down what came of it.
 *
 * @param retrySlots calls of retries that this process makes at a time, so that they leave room for new alerts
 */
export function createDeliver(
  { book, settlements, calls, endpoints, fate, receipts, receiptsSeen, report, now, random }: DeliveryPorts,
  { retrySlots, stop }: { retrySlots: number; stop: AbortSignal },
): Deliver {
  /** Alerts that are being sent, or of which only this process knows what came of the call. */
  const underWay = new Set<string>()
  let retriesUnderWay = 0

  return async function deliver(run, { signal }) {
    const { alert, isRetry } = run
    // The job stalled while Redis was away, or was made anew when Redis had lost it; its first run is still at it.
    if (underWay.has(alert.id) || settlements.has(alert.id)) return shortlyHeld()
    if (!isRetry) return deliverNow(run, signal)
    if (retriesUnderWay >= retrySlots) return shortlyHeld()
    retriesUnderWay += 1
    try {
      return await deliverNow(run, signal)
    } finally {
      retriesUnderWay -= 1
    }
  }

  async function deliverNow({ alert, isRetry, isDoubtful }: AlertRun, signal: AbortSignal): Promise<Run> {
    const { partition } = alert
    if (isDoubtful || receiptsSeen.isDoubtful(partition)) await receiptsSeen.upTo(partition)
    const target = await endpoints.find(alert.endpointId)
    using place = await calls.place(target)
    if (place === null) return shortlyHeld()
    const [begun, entry] = await Promise.all([
      book.begin(alert, { skipsSuperseded: target?.endpoint.skipsSuperseded ?? false }),
      target === null ? null : calls.enter(alert, target, { isRetry }),
    ])
    const known = begun.progress ?? nothingTried
    const next = beforeCall({ alert, begun, known, target, nowMs: now() })
    if (next.kind !== 'call') {
      if (entry?.kind === 'go') await calls.leave(alert)
      return withoutCall(alert, { known, next, body: begun.body })
    }
    if (entry?.kind === 'wait') return held(calls.waitMs(entry, next.target))
    const deadlineMs = alert.owedSinceMs + alertLifeMs
    const { target: to, body } = next
    const call = {
      alert,
      target: to,
      body,
      attempt: known.attempts + 1,
      deadlineMs,
      isReplay: false,
      place,
      signal,
    }
    // Awaited here, so that the place is kept until then.
    return await attempt(call, known)
  }

  async function withoutCall(alert: OwedAlert, { known, next, body }: Standing): Promise<Run> {
    switch (next.kind) {
      case 'known_settled':
        await book.clear(alert)
        return { kind: 'known_settled' }
      case 'settle':
        return settle(alert, { final: known, outcome: next.outcome, body })
      case 'give_up': {
        const outcome: Outcome = { kind: 'given_up', reason: next.reason, at: now() }
        const final = { ...known, outcome }
        await book.keep(alert, final)
        return settle(alert, { final, outcome, body })
      }
      case 'hold':
        return held(next.delayMs)
      case 'body_lost':
        report.bodyLost(alert)
    }
    return held(bodyPauseMs)
  }

  async function attempt(call: Call, known: Progress): Promise<Run> {
    underWay.add(call.alert.id)
    try {
      return await attemptNow(call, known)
    } finally {
      underWay.delete(call.alert.id)
    }
  }

  async function attemptNow(call: Call, known: Progress): Promise<Run> {
    const { alert, target } = call
    const end = await calls.make(call)
    const { verdict, step, startedMs, endedMs } = end
    const isDelivered = verdict.kind === 'delivered'
    const lastError = isDelivered ? null : verdict.error
    const progress: Progress = {
      attempts: call.attempt,
      firstAttemptAt: known.firstAttemptAt ?? startedMs,
      lastAttemptAt: startedMs,
      lastStatus: verdict.status,
      lastError,
      dueAtMs: step.kind === 'again' ? endedMs + step.delayMs : null,
      outcome: step.kind === 'again' ? null : { ...step, at: endedMs },
    }
    if (step.kind === 'again') {
      await untilWritten(call, () => Promise.all([book.keep(alert, progress), calls.ended(call, end)]))
      await noteFate(target, { verdict, nowMs: endedMs })
      return { kind: 'again', delayMs: step.delayMs, why: lastError ?? 'failed' }
    }
    const outcome: Outcome = { ...step, at: endedMs }
    const settling = settle(alert, { final: progress, outcome, body: call.body, isCountedDown: true })
    const leaving = untilEnded(call, () => calls.ended(call, end)).then(() =>
      noteFate(target, { verdict, nowMs: endedMs }),
    )
    // The receipt says that nothing is to be sent again. When it does not come at once, the progress has to say so.
    const [kept] = await Promise.allSettled([
      isDoneWithin(settling, receiptPatienceMs).then((isSettled) =>
        isSettled ? undefined : untilEnded(call, () => book.keep(alert, progress)),
      ),
      leaving,
    ])
    if (kept.status === 'rejected') throw kept.reason
    return settling
  }

  async function noteFate(target: KnownEndpoint, of: { verdict: Verdict; nowMs: number }): Promise<void> {
    const { verdict, nowMs } = of
    const isSuccess = verdict.kind === 'delivered'
    // That we have no mail server is no fault of the endpoint's.
    if (!isSuccess && verdict.error === 'mail_unavailable') return
    try {
      await fate.attempted(target, { isSuccess, nowMs })
    } catch (error) {
      report.fateUnknown(target.endpoint.endpointId, error)
    }
  }

  /** The same for what comes before a settlement, which makes room where there is none. */
  function untilEnded(call: Call, write: () => Promise<unknown>): Promise<void> {
    return untilWritten(call, async () => {
      try {
        await write()
      } catch (error) {
        if (!isFull(error)) throw error
      }
    })
  }

  /**
   * Only this process knows what came of the call, so it stays with it for as long as Redis is away; a lost lock
   * does not end that, only a stop whose time is over does, or the end of the alert's life.
   */
  async function untilWritten({ alert, signal }: Call, write: () => Promise<unknown>): Promise<void> {
    for (;;) {
      try {
        await write()
        return
      } catch (error) {
        const isOver = now() >= alert.owedSinceMs + alertLifeMs
        if (isOver || (stop.aborted && signal.aborted)) throw error
      }
      await pause(writeDownRetryMs)
    }
  }

  /** Receipt, then marker, with which the obligation ends: cut anywhere, the next run or the sweep goes on from there. */
  async function settle(alert: OwedAlert, of: Settling): Promise<Run> {
    if (of.final.lastError === 'gone') await fate.isGone(alert.endpointId)
    await receipts.write(receiptOf(alert, of))
    settlements.add({ alert, isCountedDown: of.isCountedDown ?? false })
    report.settled(alert, of.outcome)
    return { kind: 'settled', outcome: of.outcome }
  }

  /** Long enough that it costs next to nothing: 0.5 to 2 s. */
  function shortlyHeld(): Run {
    return held(Math.round(500 + 1_500 * random()))
  }
}

type Standing = {
  known: Progress
  next: Exclude<BeforeCall, { kind: 'call' }>
  body: string | null
}

type Settling = {
  final: Progress
  outcome: Outcome
  body: string | null
  /** The end of the call has taken it off the endpoint's backlog. */
  isCountedDown?: boolean
}

/** A Redis without memory says so. */
const isFull = (error: unknown) => error instanceof Error && error.message.startsWith('OOM')

function held(delayMs: number): Run {
  return { kind: 'held', delayMs }
}

function receiptOf(alert: OwedAlert, { final, outcome, body }: Settling): AlertReceipt {
  return {
    alertId: alert.id,
    subject: alert.subject,
    registration: registrationOf(alert.subject),
    version: alert.version,
    endpointId: alert.endpointId,
    partition: alert.partition,
    eventTypes: body === null ? [] : eventTypesIn(body),
    outcome: outcome.kind,
    reason: outcome.kind === 'given_up' ? outcome.reason : null,
    attempts: final.attempts,
    lastStatus: final.lastStatus,
    lastError: final.lastError,
    firstAttemptAt: isoOf(final.firstAttemptAt),
    lastAttemptAt: isoOf(final.lastAttemptAt),
    settledAt: new Date(outcome.at).toISOString(),
  }
}

const isoOf = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString())

/** False also for what fails. */
async function isDoneWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  const { promise: tooLate, resolve } = Promise.withResolvers<boolean>()
  const timer = setTimeout(() => resolve(false), ms)
  try {
    return await Promise.race([
      work.then(
        () => true,
        () => false,
      ),
      tooLate,
    ])
  } finally {
    clearTimeout(timer)
  }
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
