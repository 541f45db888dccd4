import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SentLine } from '@signalbox/contracts/simulator-files'
import { createPlaces } from '@signalbox/runtime/places'
import { retryGapsMs, retryOffsetsMs } from '../history/retry-schedule.ts'
import type { SenderClient } from '../sandbox.ts'
import type { Outgoing } from './outgoing.ts'
import type { Wire } from './post.ts'
import { signNotification } from './sign-notification.ts'

/** How far a run has come. */
export type Tally = { total: number; started: number; attempts: number; accepted: number; givenUp: number }

const hourMs = 3_600_000
/** More notifications than these are not begun before one is settled: an acquirer that is away is not flooded. */
const mostUnsettled = 2_000

/**
 * Sends notifications as Alipay+ does: at a steady rate, each again by the schedule until the answer is a
 * verified S or the schedule is over.
 *
 * @param options.hourMs how long an hour of the retry schedule lasts
 * @param options.tally is kept up to date
 */
export async function sendAll(options: {
  sends: Iterable<Outgoing>
  clients: readonly SenderClient[]
  wire: Pick<Wire, 'post'>
  ratePerSecond: number
  concurrency: number
  hourMs: number
  record: (line: SentLine) => void
  tally: Tally
  stop: AbortSignal
}): Promise<void> {
  const { tally, stop } = options
  const places = createPlaces(options.concurrency)
  const clients = new Map(options.clients.map((client) => [client.clientId, client]))
  const unsettled = new Set<Promise<void>>()
  const startedMs = performance.now()

  for (const send of options.sends) {
    await pause(startedMs + (tally.started * 1_000) / options.ratePerSecond - performance.now(), stop)
    while (unsettled.size >= mostUnsettled) await Promise.race(unsettled)
    if (stop.aborted) break
    tally.started += 1
    const settled = deliver(send).finally(() => unsettled.delete(settled))
    unsettled.add(settled)
  }
  await Promise.all(unsettled)

  async function deliver(send: Outgoing): Promise<void> {
    const client = clients.get(send.clientId)
    if (client === undefined) throw new Error(`${send.sendId} is of an unknown client ${send.clientId}`)
    const gapsMs = retryGapsMs(send.dialect)
    const bodySha256 = createHash('sha256').update(send.body).digest('hex')
    for (let attempt = 1; attempt <= gapsMs.length + 1 && !stop.aborted; attempt++) {
      if (await tryOnce({ send, client, attempt, bodySha256 })) {
        tally.accepted += 1
        return
      }
      await pause(((gapsMs[attempt - 1] ?? 0) / hourMs) * options.hourMs, stop)
    }
    tally.givenUp += 1
  }

  /** Whether this attempt ends the retries. */
  async function tryOnce(attempt: {
    send: Outgoing
    client: SenderClient
    attempt: number
    bodySha256: string
  }): Promise<boolean> {
    const { send, client } = attempt
    using _ = await places.take()
    const at = new Date()
    const requestTimeMs = requestTimeOf(send, attempt.attempt, at.getTime())
    const notification = await signNotification(client, { ...send, requestTimeMs })
    const begunMs = performance.now()
    const answer = await options.wire.post(client, notification, stop)
    tally.attempts += 1
    options.record({
      at: at.toISOString(),
      sendId: send.sendId,
      attempt: attempt.attempt,
      clientId: send.clientId,
      merchant: send.merchant,
      store: send.store,
      round: send.round,
      requestTime: notification.requestTime,
      kind: send.kind,
      bodySha256: attempt.bodySha256,
      ...answer,
      durationMs: Math.round((performance.now() - begunMs) * 1_000) / 1_000,
    })
    return answer.answerVerified && answer.resultStatus === 'S'
  }
}

/** A retry that is signed anew carries the time that the real schedule would give it, but none to come. */
function requestTimeOf(send: Outgoing, attempt: number, nowMs: number): number {
  if (!send.freshTimeOnRetry || attempt === 1) return send.requestTimeMs
  const offsetMs = retryOffsetsMs(send.dialect)[attempt - 2] ?? 0
  return Math.max(send.requestTimeMs, Math.min(nowMs, send.requestTimeMs + offsetMs))
}

/** Waits, or until told to stop; below a millisecond timers are too coarse to wait at all. */
async function pause(ms: number, stop: AbortSignal): Promise<void> {
  if (ms < 1 || stop.aborted) return
  await sleep(ms, undefined, { signal: stop }).catch((reason: unknown) => {
    if (!stop.aborted) throw reason
  })
}
