import { alertLifeMs, type OwedAlert } from '../owed-alert.ts'
import type { Run } from './delivery.ts'
import type { EndpointCalls } from './endpoint-calls.ts'
import type { KnownEndpoints } from './known-endpoints.ts'

/** One run of a job that sends an alert once more, whatever became of it. */
export type ReplayRun = {
  /** Its life counts from when the replay was asked for. */
  alert: OwedAlert
  replayId: string
  /** From 1, as far as the queue knows. */
  attempt: number
}

export type DeliverReplay = (run: ReplayRun, options: { signal: AbortSignal }) => Promise<Run>

export type ReplayPorts = {
  bodies: { of(alert: OwedAlert, replayId: string): Promise<string | null> }
  calls: EndpointCalls
  endpoints: Pick<KnownEndpoints, 'find'>
  /** Epoch milliseconds. */
  now: () => number
  /** From 0 to below 1. */
  random: () => number
  stop: AbortSignal
}

const leastHoldMs = 5_000

/**
 * Creates the work of a job that sends an alert once more: in its endpoint's lane, as a retry is, and with nothing left
 * behind but the attempt log. An endpoint that is not in use gets nothing.
 */
export function createDeliverReplay({
  bodies,
  calls,
  endpoints,
  now,
  random,
  stop,
}: ReplayPorts): DeliverReplay {
  return async function deliverReplay({ alert, replayId, attempt }, { signal }) {
    const body = await bodies.of(alert, replayId)
    const deadlineMs = alert.owedSinceMs + alertLifeMs
    if (body === null || now() >= deadlineMs) return ended
    using place = await calls.place(alert.endpointId, await endpoints.find(alert.endpointId))
    // A call that begins after the stop might be cut off.
    if (place === null || stop.aborted) return { kind: 'held', delayMs: leastHoldMs * (1 + random()) }
    // Anew: the place may have been a while in coming.
    const target = await endpoints.find(alert.endpointId)
    if (target?.endpoint.state !== 'active' || target.secrets === null) return ended
    const entry = await calls.enter(alert, target, { isRetry: true })
    if (entry.kind === 'wait') {
      // The backlog does not count replays, so they would all ask again at once.
      return { kind: 'held', delayMs: Math.max(calls.waitMs(entry, target), leastHoldMs * (1 + random())) }
    }
    const { lease } = entry
    // This process stood still, and when the lease ends another run may begin.
    if (now() > lease.beginByMs) {
      await calls.leave(alert, lease)
      return { kind: 'held', delayMs: leastHoldMs * (1 + random()) }
    }
    const call = { alert, target, body, attempt, deadlineMs, isReplay: true, lease, place, signal }
    const end = await calls.make(call)
    await calls.ended(call, end)
    const { step, verdict } = end
    if (step.kind !== 'again') return { kind: 'replayed', isDelivered: verdict.kind === 'delivered' }
    const why = verdict.kind === 'delivered' ? 'delivered' : verdict.error
    return { kind: 'again', delayMs: step.delayMs, why }
  }
}

const ended: Run = { kind: 'replayed', isDelivered: false }
