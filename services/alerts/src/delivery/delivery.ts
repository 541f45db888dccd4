import assert from 'node:assert/strict'
import { type AlertReceipt, eventTypesIn } from '@signalbox/contracts/alert'
import type { AlertBook } from '../adapters/alert-book.ts'
import type { Verdict } from '../attempt/answer.ts'
import { endsWithin } from '../ends-within.ts'
import { alertLifeMs, type OwedAlert, registrationOf } from '../owed-alert.ts'
import { mostWaitMs } from '../receipts/receipts-seen.ts'
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
  /** No attempt was made: it is too early. */
  | { kind: 'held'; delayMs: number }
  /** No attempt was made: there is no room for another call to its endpoint, or it is not for this run to make one. */
  | { kind: 'crowded'; delayMs: number }
  /** What was to be sent once more has come to its end. */
  | { kind: 'replayed'; isDelivered: boolean }

/** What a run may know of its job. */
export type JobHold = {
  signal: AbortSignal
  /** Whether nobody else can have begun with the job: Redis was not flushed, and the lock was not lost. */
  isOurs: () => Promise<boolean>
}

export type Deliver = (run: AlertRun, hold: JobHold) => Promise<Run>

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
  /** Alerts that a run is at. */
  const underWay = new Set<string>()
  let retriesUnderWay = 0

  return async function deliver(run, hold) {
    const { id } = run.alert
    // The job stalled while Redis was away, or was made anew when Redis had lost it; its first run is still at it.
    if (underWay.has(id) || settlements.has(id)) return shortlyCrowded()
    underWay.add(id)
    try {
      return await deliverNow(run, hold)
    } finally {
      underWay.delete(id)
    }
  }

  async function deliverNow(run: AlertRun, { signal, isOurs }: JobHold): Promise<Run> {
    const { alert, isRetry } = run
    using place = await calls.place(alert.endpointId, await endpoints.find(alert.endpointId))
    // A call that begins after the stop might be cut off.
    if (place === null || stop.aborted) return shortlyCrowded()
    if (isRetry && retriesUnderWay >= retrySlots) return shortlyCrowded()
    // Another run may have settled it meanwhile, and died before Redis heard of that.
    if (!(await isOurs())) return shortlyCrowded()
    using _ = isRetry ? countRetry() : null
    // Anew: the place may have been a while in coming.
    const target = await endpoints.find(alert.endpointId)
    const { begun, entry } = await begin(run, target)
    const known = begun.progress ?? nothingTried
    const next = beforeCall({ alert, begun, known, target, nowMs: now() })
    if (next.kind !== 'call') {
      if (entry?.kind === 'go') await calls.leave(alert, entry.lease)
      return withoutCall(alert, { known, next, body: begun.body })
    }
    if (entry?.kind === 'wait') return crowded(calls.waitMs(entry, next.target))
    const deadlineMs = alert.owedSinceMs + alertLifeMs
    const { target: to, body } = next
    assert(entry !== null, 'what is called has a target, and its lane was entered')
    const { lease } = entry
    // This process stood still, and when the lease ends another run may begin.
    if (now() > lease.beginByMs) {
      await calls.leave(alert, lease)
      return shortlyCrowded()
    }
    const call = {
      alert,
      target: to,
      body,
      attempt: known.attempts + 1,
      deadlineMs,
      isReplay: false,
      lease,
      place,
      signal,
    }
    // Awaited here, so that a retry counts until then.
    return await attempt(call, known)
  }

  function countRetry(): Disposable {
    retriesUnderWay += 1
    return { [Symbol.dispose]: () => void (retriesUnderWay -= 1) }
  }

  /** Enters the lane and reads what is known of the alert. */
  async function begin({ alert, isRetry, isDoubtful }: AlertRun, target: KnownEndpoint | null) {
    const { partition } = alert
    const read = () => book.begin(alert, { skipsSuperseded: target?.endpoint.skipsSuperseded ?? false })
    const waits = isDoubtful || receiptsSeen.isDoubtful(partition)
    const waitsMs = waits ? mostWaitMs : 0
    const entering = target === null ? null : calls.enter(alert, target, { isRetry, waitsMs })
    if (!waits) {
      const [begun, entry] = await Promise.all([read(), entering])
      return { begun, entry }
    }
    // In this order: who has left the lane before has its receipt in the log, or its progress in Redis.
    const entry = await entering
    try {
      await receiptsSeen.upTo(partition)
      return { begun: await read(), entry }
    } catch (error) {
      // A lease that cannot be given back now ends by itself.
      if (entry?.kind === 'go') await calls.leave(alert, entry.lease).catch(() => undefined)
      throw error
    }
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
        return { kind: 'held', delayMs: next.delayMs }
      case 'body_lost':
        report.bodyLost(alert)
    }
    return { kind: 'held', delayMs: bodyPauseMs }
  }

  async function attempt(call: Call, known: Progress): Promise<Run> {
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
      // When the lease is over another run may know more by now.
      const isLatest = endedMs < call.lease.endsMs
      await untilWritten(call, () =>
        Promise.all([isLatest ? book.keep(alert, progress) : null, calls.ended(call, end)]),
      )
      await noteFate(target, { verdict, nowMs: endedMs })
      return { kind: 'again', delayMs: step.delayMs, why: lastError ?? 'failed' }
    }
    const outcome: Outcome = { ...step, at: endedMs }
    const last: Settling = { final: progress, outcome, body: call.body, isCountedDown: true }
    if (!isDelivered) {
      // Its job fails, and the sweep lets failed jobs run again.
      await untilWrittenOrFull(call, () => book.keep(alert, progress))
      await endCall()
      return settle(alert, last)
    }
    const settling = settle(alert, last)
    await receiptOrProgress(call, { settling, progress })
    await endCall()
    return settling

    /** The lease lasts until receipt or progress say that nothing is to be sent again, whoever runs the job. */
    async function endCall(): Promise<void> {
      await untilWrittenOrFull(call, () => calls.ended(call, end))
      await noteFate(target, { verdict, nowMs: endedMs })
    }
  }

  /** Resolves when a delivery is in its receipt, or, where that takes its time, in Redis. */
  async function receiptOrProgress(
    call: Call,
    { settling, progress }: { settling: Promise<Run>; progress: Progress },
  ): Promise<void> {
    let isSettled = false
    const ended = settling.then(
      () => void (isSettled = true),
      () => undefined,
    )
    await endsWithin(ended, receiptPatienceMs)
    if (isSettled) return
    await untilWrittenOrFull(call, async () => {
      if (!isSettled) await book.keep(call.alert, progress)
    })
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

  /**
   * Only this process knows what came of the call, so it stays with it for as long as Redis is away; a lost lock
   * does not end that, only a stop whose time is over does, or the end of the alert's life.
   */
  async function untilWritten(
    { alert, signal }: Call,
    write: () => Promise<unknown>,
    isEnough: (error: unknown) => boolean = () => false,
  ): Promise<void> {
    for (;;) {
      try {
        await write()
        return
      } catch (error) {
        if (isEnough(error)) return
        const isOver = now() >= alert.owedSinceMs + alertLifeMs
        if (isOver || (stop.aborted && signal.aborted)) throw error
      }
      await pause(writeDownRetryMs)
    }
  }

  /** The same for what comes before a settlement, which makes room where there is none. */
  function untilWrittenOrFull(call: Call, write: () => Promise<unknown>): Promise<void> {
    return untilWritten(call, write, isFull)
  }

  /** Receipt, then marker, with which the obligation ends: cut anywhere, the next run or the sweep goes on from there. */
  async function settle(alert: OwedAlert, of: Settling): Promise<Run> {
    if (of.final.lastError === 'gone') await fate.isGone(alert.endpointId)
    await receipts.write(receiptOf(alert, of))
    const ended = settlements.add({ alert, isCountedDown: of.isCountedDown ?? false })
    // Its job fails, and the sweep lets failed jobs without a marker run again.
    if (of.outcome.kind === 'given_up') await ended
    report.settled(alert, of.outcome)
    return { kind: 'settled', outcome: of.outcome }
  }

  /** Long enough that it costs next to nothing: 0.5 to 2 s. */
  function shortlyCrowded(): Run {
    return crowded(Math.round(500 + 1_500 * random()))
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

function crowded(delayMs: number): Run {
  return { kind: 'crowded', delayMs }
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

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
