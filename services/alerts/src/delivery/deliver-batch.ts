import assert from 'node:assert/strict'
import type { AlertQueue } from '../adapters/alert-queue.ts'
import { endsWithin } from '../ends-within.ts'
import type { OwedAlert } from '../owed-alert.ts'
import type { Deliver, JobHold, Run } from './delivery.ts'
import type { EndpointCalls } from './endpoint-calls.ts'
import { troublePauseMs } from './hold.ts'
import type { KnownEndpoints } from './known-endpoints.ts'

/** One run of a job that makes the first attempts of several alerts of an endpoint. */
export type BatchRun = {
  /** At least one. */
  alerts: readonly OwedAlert[]
  /** A run before it may have settled some of them, and Redis forgotten that. */
  isDoubtful: boolean
  /** Of the job, and of those that leave it. */
  priority: number
}

/** What became of it. */
export type BatchEnd =
  /** All are settled or have a job of their own. */
  | { kind: 'ended' }
  /** There was no room for these, or no time. */
  | { kind: 'crowded'; delayMs: number; left: readonly OwedAlert[] }

export type DeliverBatch = (run: BatchRun, hold: JobHold) => Promise<BatchEnd>

export type BatchPorts = {
  deliver: Deliver
  calls: Pick<EndpointCalls, 'mostAtOnce'>
  endpoints: Pick<KnownEndpoints, 'find'>
  queue: Pick<AlertQueue, 'addAlone'>
  /** Trouble of ours with one alert. */
  report: { runFailed(alertId: string, error: unknown): void }
  /** From 0 to below 1. */
  random: () => number
}

/** Then others may have the place of a batch whose endpoint is slow; its rest comes again at once, in its order. */
const longestMs = 2_000
/** For so long a batch waits for the one before it of its endpoint, which is not much longer than a quick one takes. */
const patienceMs = 250
/** Others of the endpoint that do so at the same time. Who comes beyond asks the lane, which tells how long to stay away. */
const mostWaiting = 2

/**
 * Creates the work of a batch: as many at a time as the endpoint's lane lets through. Who has to wait for something that
 * does not concern the others, or is in trouble, goes on alone.
 */
export function createDeliverBatch({
  deliver,
  calls,
  endpoints,
  queue,
  report,
  random,
}: BatchPorts): DeliverBatch {
  /** By endpoint: the ends of the batches that have come. */
  const underWay = new Map<string, Set<Promise<void>>>()

  async function deliverOne(alert: OwedAlert, { isDoubtful, priority }: BatchRun, hold: JobHold) {
    const run = await deliver({ alert, isRetry: false, isDoubtful }, hold).catch((error: unknown) => {
      report.runFailed(alert.id, error)
      return null
    })
    const delayMs = run === null ? troublePauseMs(random()) : delayOf(run)
    // In a Redis that was flushed the alert will be fanned out anew, and a job of ours would be beside that.
    if (delayMs !== null && (await hold.isOurs())) {
      const options = { priority, isRetry: run?.kind === 'again', isRepair: run === null, delayMs }
      await queue.addAlone(alert, options)
    }
    return run?.kind === 'crowded' ? { alert, delayMs: run.delayMs } : null
  }

  /**
   * Gives those for which there was no room.
   *
   * @throws when one of them can go on neither here nor alone, after all have ended
   */
  async function round(alerts: readonly OwedAlert[], batch: BatchRun, hold: JobHold) {
    const ended = await Promise.allSettled(alerts.map((alert) => deliverOne(alert, batch, hold)))
    return ended.flatMap((end) => {
      if (end.status === 'rejected') throw end.reason
      return end.value === null ? [] : [end.value]
    })
  }

  async function run(endpointId: string, batch: BatchRun, hold: JobHold): Promise<BatchEnd> {
    const { alerts } = batch
    const endsAtMs = performance.now() + longestMs
    const atOnce = calls.mostAtOnce(await endpoints.find(endpointId))
    for (let start = 0; start < alerts.length; start += atOnce) {
      const rest = alerts.slice(start + atOnce)
      const crowded = await round(alerts.slice(start, start + atOnce), batch, hold)
      const [first] = crowded
      if (first !== undefined) {
        const left = [...crowded.map(({ alert }) => alert), ...rest]
        return { kind: 'crowded', delayMs: first.delayMs, left }
      }
      if (rest.length > 0 && performance.now() > endsAtMs) return { kind: 'crowded', delayMs: 0, left: rest }
    }
    return { kind: 'ended' }
  }

  return async function deliverBatch(batch, hold) {
    const [first] = batch.alerts
    assert(first !== undefined, 'a batch has alerts')
    const { endpointId } = first
    const others = underWay.get(endpointId) ?? new Set()
    const before = [...others]
    const ended = Promise.withResolvers<void>()
    underWay.set(endpointId, others.add(ended.promise))
    try {
      if (before.length > 0 && before.length <= mostWaiting) await endsWithin(Promise.all(before), patienceMs)
      return await run(endpointId, batch, hold)
    } finally {
      ended.resolve()
      others.delete(ended.promise)
      if (others.size === 0) underWay.delete(endpointId)
    }
  }
}

/** When an alert comes again that does so alone; null when it does not. */
function delayOf(run: Run): number | null {
  return run.kind === 'again' || run.kind === 'held' ? run.delayMs : null
}
