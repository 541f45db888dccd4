import { type LoadRecord, type Outcome, outcomes } from '@signalbox/testkit/load'

/** One request of a load. */
export type Sent = {
  /** Its number in the load, from 0. */
  n: number
  /** When it fell due, in epoch milliseconds. */
  dueAt: number
  /** From then until its answer was complete; NaN when there was none. */
  tookMs: number
  outcome: Outcome
}

/** The requests of a load, in the order in which they fell due. */
export function sentOf(record: LoadRecord): Sent[] {
  return Array.from(record.outcome, (index, n) => {
    const dueMs = record.dueMs[n] ?? Number.NaN
    return {
      n,
      dueAt: record.startedAt + dueMs,
      tookMs: (record.answeredMs[n] ?? Number.NaN) - dueMs,
      outcome: outcomes[index] ?? 'unanswered',
    }
  })
}

/** Those that fell due in [from, to), in epoch milliseconds. */
export function dueBetween(sent: readonly Sent[], from: number, to: number): Sent[] {
  return sent.filter(({ dueAt }) => dueAt >= from && dueAt < to)
}

/** How many came to each outcome; outcomes that did not occur are left out. */
export function tally(sent: readonly Sent[]): Partial<Record<Outcome, number>> {
  return Object.fromEntries(
    outcomes
      .map((outcome) => [outcome, sent.filter((one) => one.outcome === outcome).length] as const)
      .filter(([, count]) => count > 0),
  )
}

/** Those that got no answer that a sender could use: none at all, not the envelope, or wrongly signed. */
export function unusable(sent: readonly Sent[]): Sent[] {
  return sent.filter(({ outcome }) => outcome !== 'S' && outcome !== 'F' && outcome !== 'U')
}

/** The longest wait for an answer, in milliseconds; 0 when there was none. */
export function longestAnswerMs(sent: readonly Sent[]): number {
  return sent.reduce((longest, { tookMs }) => Math.max(longest, tookMs), 0)
}

/** The wait that the given share (0 to 1) of those answered S stayed below, in milliseconds. */
export function acceptedWithinMs(sent: readonly Sent[], share: number): number {
  const waits = sent
    .filter(({ outcome }) => outcome === 'S')
    .map(({ tookMs }) => tookMs)
    .toSorted((a, b) => a - b)
  return waits[Math.floor(waits.length * share)] ?? Number.NaN
}

/** The longest time, in milliseconds, in which requests fell due and not one of them was answered S. */
export function longestWithoutSuccessMs(sent: readonly Sent[]): number {
  let longest = 0
  let since = sent[0]?.dueAt ?? 0
  for (const { dueAt, outcome } of sent) {
    longest = Math.max(longest, dueAt - since)
    if (outcome === 'S') since = dueAt
  }
  return longest
}

/**
 * How long after `since` (epoch milliseconds) the last second ended in which fewer than nine in ten requests were
 * answered S, in milliseconds; 0 when there was none, Infinity when it was so to the end. A single refusal is no outage.
 */
export function recoveredAfterMs(sent: readonly Sent[], since: number): number {
  const after = dueBetween(sent, since, Number.POSITIVE_INFINITY)
  const seconds = [...Map.groupBy(after, ({ dueAt }) => Math.floor((dueAt - since) / 1_000)).values()]
  const isBad = (due: readonly Sent[]) =>
    due.filter(({ outcome }) => outcome === 'S').length < due.length * 0.9
  const goodFrom = seconds.findLastIndex(isBad) + 1
  return goodFrom === seconds.length ? Number.POSITIVE_INFINITY : goodFrom * 1_000
}

/** The requests answered S whose notification is not in the log: every one of them is a loss. */
export function lostOf(
  sent: readonly Sent[],
  { bodyOf, stored }: { bodyOf: (n: number) => string; stored: readonly string[] },
): Sent[] {
  const inLog = new Set(stored)
  return sent.filter(({ outcome, n }) => outcome === 'S' && !inLog.has(bodyOf(n)))
}
