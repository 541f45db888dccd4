import type { FaultKind } from './plan.ts'
import type { Call } from './sink-contract.ts'

export type ReceiptFact = {
  alertId: string
  outcome: 'delivered' | 'given_up'
  settledMs: number
  /** When the broker appended it. */
  appendedMs: number
}

/** When a fault was at work, epoch milliseconds; `process` is the alerts process that it struck, null for Redis. */
export type FaultSpan = { kind: FaultKind; process: number | null; startedMs: number; endedMs: number }

/** An alerts process has learnt, and logged, that an endpoint took an alert. */
export type KnownTaken = { alertId: string; process: number; atMs: number }

/** An alerts process waited no longer for an answer, and logged it. */
export type Timeout = { alertId: string; startedMs: number; endedMs: number }

/** What a run has left behind. */
export type ChaosFacts = {
  owed: ReadonlySet<string>
  calls: readonly Call[]
  receipts: readonly ReceiptFact[]
  faults: readonly FaultSpan[]
  known: readonly KnownTaken[]
  timeouts: readonly Timeout[]
  /** Alerts with a marker in the queue Redis, at the end. */
  marked: ReadonlySet<string>
}

/** All that is known of one alert. */
export type AlertHistory = {
  alertId: string
  calls: readonly Call[]
  receipts: readonly ReceiptFact[]
  known: readonly KnownTaken[]
  timeouts: readonly Timeout[]
}

export type Findings = {
  /** Owed, and never taken by its endpoint. */
  lost: readonly string[]
  /** Sent, although no change owes it. */
  unowed: readonly string[]
  withoutReceipt: readonly string[]
  givenUp: readonly string[]
  twoOutcomes: readonly string[]
  /** Sent with other bytes the second time. */
  twoBodies: readonly string[]
  /** Calls whose signature does not hold. */
  unverified: number
  /** Alerts that have a receipt and no marker. */
  withoutMarker: readonly string[]
  /** Alerts that their endpoint took more than once. */
  doubled: number
  /** Calls that were made again because the answer to the one before was cut off by a fault, or came too late. */
  cutSends: number
  /** The same by the fault that was closest. */
  cutBy: ReadonlyMap<Cause, number>
  /** The longest time between an answer that was cut off and that fault; 0 when there was none. */
  longestCutMs: number
  unexplained: readonly AlertHistory[]
  /** Receipts beyond the first of an alert: two runs of a job that both came to write it. */
  repeatedReceipts: number
  /** Markers of receipts that were in the log before the queue Redis lost what it held. */
  markersRebuilt: number
}

/** Too late: longer after the call than answers are waited for, as on a machine that stands still for seconds. */
type Cause = FaultKind | 'answer too late'

/** How long the alerts service waits for an answer. */
export const answerTimeoutMs = 3_000
/** Longer than it takes from an answer to its receipt in the log, on a machine that is busy. */
export const cutWindowMs = 2_000
/** What the clocks of two processes may differ by in what they write down. */
const logMs = 50
/** A call that was let through just before a fault may reach the endpoint just after it. */
const underWayMs = 1_000

/** Compares what was owed with what the endpoints got and what the log says about it. */
export function check({ owed, calls, receipts, faults, known, timeouts, marked }: ChaosFacts): Findings {
  const callsOf = Map.groupBy(calls, ({ alertId }) => alertId)
  const receiptsOf = Map.groupBy(receipts, ({ alertId }) => alertId)
  const knownOf = Map.groupBy(known, ({ alertId }) => alertId)
  const timeoutsOf = Map.groupBy(timeouts, ({ alertId }) => alertId)
  const historyOf = (alertId: string): AlertHistory => ({
    alertId,
    calls: callsOf.get(alertId) ?? [],
    receipts: receiptsOf.get(alertId) ?? [],
    known: knownOf.get(alertId) ?? [],
    timeouts: timeoutsOf.get(alertId) ?? [],
  })
  const histories = [...owed].map(historyOf)
  const those = (isSo: (history: AlertHistory) => boolean) =>
    histories.filter(isSo).map(({ alertId }) => alertId)
  const repeats = histories.map((history) => ({ history, cuts: repeatsOf(history, faults) }))
  const explained = repeats.flatMap(({ cuts }) => cuts).filter((cut) => cut !== null)
  const lossAt = Math.max(...faults.filter(losesMarkers).map(({ startedMs }) => startedMs))
  return {
    lost: those(({ calls }) => takenOf(calls).length === 0),
    unowed: [...callsOf.keys()].filter((alertId) => !owed.has(alertId)),
    withoutReceipt: those(({ receipts }) => receipts.length === 0),
    givenUp: those(({ receipts }) => receipts.some(({ outcome }) => outcome === 'given_up')),
    twoOutcomes: those(({ receipts }) => new Set(receipts.map(({ outcome }) => outcome)).size > 1),
    twoBodies: those(({ calls }) => new Set(calls.map(({ bodySha256 }) => bodySha256)).size > 1),
    unverified: calls.filter(({ isVerified }) => !isVerified).length,
    withoutMarker: those(({ alertId, receipts }) => receipts.length > 0 && !marked.has(alertId)),
    doubled: repeats.filter(({ cuts }) => cuts.length > 0).length,
    cutSends: explained.length,
    cutBy: new Map(
      [...Map.groupBy(explained, ({ kind }) => kind)].map(([kind, cuts]) => [kind, cuts.length]),
    ),
    longestCutMs: Math.max(0, ...explained.map(({ beforeMs }) => beforeMs)),
    unexplained: repeats.filter(({ cuts }) => cuts.includes(null)).map(({ history }) => history),
    repeatedReceipts: histories.reduce((sum, { receipts }) => sum + Math.max(0, receipts.length - 1), 0),
    markersRebuilt: those(
      ({ alertId, receipts }) =>
        receipts.some(({ appendedMs }) => appendedMs < lossAt) && marked.has(alertId),
    ).length,
  }
}

/** What must not be, in words. */
export function problemsOf(findings: Findings): string[] {
  const counts: [number, string][] = [
    [findings.lost.length, 'alerts are lost'],
    [findings.unexplained.length, 'alerts were taken twice, and no fault explains it'],
    [findings.unowed.length, 'alerts were sent that no change owes'],
    [findings.withoutReceipt.length, 'alerts have no receipt'],
    [findings.givenUp.length, 'alerts were given up'],
    [findings.twoOutcomes.length, 'alerts have receipts of two outcomes'],
    [findings.twoBodies.length, 'alerts were sent with two bodies'],
    [findings.unverified, 'calls had no valid signature'],
    [findings.withoutMarker.length, 'alerts have a receipt and no marker'],
  ]
  return counts.flatMap(([count, what]) => (count > 0 ? [`${count} ${what}`] : []))
}

/** `beforeMs`: how long before the fault the endpoint had answered; 0: during the fault. */
type Cut = { kind: Cause; beforeMs: number }

/** For each time that an endpoint took an alert again, what can have been the cause; null: nothing. */
function repeatsOf(history: AlertHistory, faults: readonly FaultSpan[]): (Cut | null)[] {
  const { calls, receipts, known, timeouts } = history
  const taken = takenOf(calls)
  const receiptMs = Math.min(...receipts.map(({ appendedMs }) => appendedMs))
  return taken.slice(1).map((again, index) => {
    const before = taken[index]
    if (before === undefined) return null
    const learnt = known.find(({ atMs }) => atMs >= before.answeredMs - logMs && atMs < again.arrivedMs)
    const repeat: Repeat = { before, again, receiptMs, caller: learnt?.process ?? null }
    if (timeouts.some((timeout) => cameTooLate(timeout, { ...repeat, calls }))) {
      return { kind: 'answer too late', beforeMs: 0 }
    }
    const cuts = faults
      .filter((fault) => cutsOff(fault, repeat))
      .map(({ kind, startedMs }) => ({ kind, beforeMs: Math.max(0, startedMs - before.answeredMs) }))
    return cuts.toSorted((a, b) => a.beforeMs - b.beforeMs)[0] ?? null
  })
}

/** Whether an answer came when nobody waited for it any more, and for that was asked for again. */
function cameTooLate(
  { startedMs, endedMs }: Timeout,
  { before, again, caller, calls }: Repeat & { calls: readonly Call[] },
): boolean {
  const first = calls
    .filter(({ arrivedMs }) => arrivedMs >= startedMs - logMs)
    .toSorted((a, b) => a.arrivedMs - b.arrivedMs)[0]
  return (
    first === before &&
    caller === null &&
    before.answeredMs >= startedMs + answerTimeoutMs - logMs &&
    again.arrivedMs >= endedMs - logMs
  )
}

/** `caller`: the process that learnt the one answer; null: it had no time to log it. */
type Repeat = {
  before: Call
  again: Call
  receiptMs: number
  caller: number | null
}

/** Whether a fault can have kept from all others that the endpoint had taken the alert, until it was sent again. */
function cutsOff(fault: FaultSpan, { before, again, receiptMs, caller }: Repeat): boolean {
  const { process, startedMs, endedMs } = fault
  const struckCaller = process === null || caller === null || process === caller
  const wasUnderWay =
    before.arrivedMs <= endedMs + underWayMs &&
    before.answeredMs >= startedMs - cutWindowMs &&
    again.arrivedMs >= startedMs
  // With its receipt in the log everybody knows that it is settled, or learns it before sending.
  const wasUnknown = receiptMs > startedMs && again.arrivedMs <= receiptMs + underWayMs
  return struckCaller && wasUnderWay && wasUnknown
}

function losesMarkers({ kind }: FaultSpan): boolean {
  return kind === 'queue redis flushed' || kind === 'queue redis lost its tail'
}

/** Those that the endpoint took, in the order in which they came. */
function takenOf(calls: readonly Call[]): Call[] {
  return calls
    .filter(({ status, isVerified }) => isVerified && status !== null && status >= 200 && status < 300)
    .toSorted((a, b) => a.arrivedMs - b.arrivedMs)
}
