import { randomUUID } from 'node:crypto'
import type { Alert, RegistrationChanged } from './alert.ts'
import { type AlertRequest, createAuthenticate, type Keys, type Refused } from './authenticate.ts'
import { freshnessOf, subjectOf, versionsOf } from './freshness.ts'
import { createMemorySeenStore, type SeenStore, type Versions } from './seen-store.ts'

export type ReceiverOptions = Keys & {
  /** How far `webhook-timestamp` may be from this clock, in seconds. */
  toleranceS?: number
  /** What was worked on before; in memory unless given. */
  seen?: SeenStore
  /** How long a claim lasts whose work neither ends nor fails. Longer than the sender's time-out of 15 s. */
  leaseMs?: number
  /** Epoch milliseconds. */
  now?: () => number
}

type Received = { id: string; isReplay: boolean }

/** Call `confirm` when the work is done, `release` when it failed: only then is the next retry handed over at once. */
type Claimed = Received & { status: 204; confirm: () => Promise<void>; release: () => Promise<void> }

/** `status` is the HTTP status to answer with. */
export type Outcome =
  | (Claimed & { kind: 'alert'; alert: Alert })
  /**
   * A newer version of the subject was worked on before. `late` is the alert with the events that no newer one has
   * overtaken; null when there are none, and then there is nothing to do or to confirm.
   */
  | (Claimed & { kind: 'older'; alert: Alert; late: RegistrationChanged | null; newestVersion: number })
  /** Genuine, of a type that is newer than this kit. */
  | (Claimed & { kind: 'unknown_type'; type: string; body: unknown })
  /** Worked on before: retries, and replays, which carry the `webhook-id` of the first time. */
  | (Received & { kind: 'repeat'; status: 204 })
  /** Another delivery of this subject is being worked on. Signalbox sends this one again. */
  | (Received & { kind: 'busy'; status: 409 })
  /** Signalbox asks whether this endpoint is meant: answer with this text as the body. */
  | { kind: 'challenge'; answer: string; status: 200 }
  | Refused

/** `isLate`: a newer version was worked on before, and `events` holds only what that one did not tell of. */
export type Delivery = Received & { isLate: boolean }

/** Resolves when the alert is safe with the receiver. */
export type Work = (alert: Alert, delivery: Delivery) => unknown

/** The HTTP answer to give, and what it is about. */
export type Handled = { status: number; text: string; outcome: Outcome | { kind: 'failed'; error: unknown } }

export type AlertReceiver = {
  /** Verifies, reads and claims; the caller works, and confirms. Rejects when the store does: answer 500. */
  receive: (request: AlertRequest) => Promise<Outcome>
  /**
   * Receives and has the work done: an alert is confirmed when `work` resolves, and sent again by Signalbox when it
   * rejects (`failed` holds the error, which nobody else sees). Never rejects. An alert of an unknown type is taken
   * without any work.
   */
  handle: (request: AlertRequest, work: Work) => Promise<Handled>
}

/** @throws TypeError when a secret or key cannot be used, with the reason, or when there is none */
export function createAlertReceiver({
  toleranceS = 300,
  seen = createMemorySeenStore(),
  leaseMs = 60_000,
  now = Date.now,
  ...keys
}: ReceiverOptions): AlertReceiver {
  const authenticate = createAuthenticate(keys, { toleranceS })

  async function receive(request: AlertRequest): Promise<Outcome> {
    const authentic = authenticate(request, now())
    if (authentic.kind === 'refused') return authentic
    const { id, isReplay, read } = authentic
    if (read.kind === 'challenge') return { kind: 'challenge', answer: read.challenge, status: 200 }

    const subject = read.kind === 'alert' ? subjectOf(read.alert) : `id:${id}`
    const claim = { subject, id, holder: randomUUID() }
    const claimed = await seen.claim({ ...claim, leaseMs })
    const repeat = { kind: 'repeat', id, isReplay, status: 204 } as const
    if (claimed.kind !== 'claimed') {
      return claimed.kind === 'repeat' ? repeat : { kind: 'busy', id, isReplay, status: 409 }
    }

    const holding = (versions: Versions) =>
      ({
        id,
        isReplay,
        status: 204,
        confirm: () => seen.confirm({ ...claim, versions }),
        release: () => seen.release(claim),
      }) as const
    if (read.kind === 'unknown_type') return { ...read, ...holding(new Map()) }

    const { alert } = read
    const freshness = freshnessOf(alert, claimed.known)
    if (freshness.kind === 'newer') return { kind: 'alert', alert, ...holding(versionsOf(alert)) }
    if (freshness.kind === 'repeat' || freshness.late === null) await seen.release(claim)
    if (freshness.kind === 'repeat') return repeat
    return { ...freshness, alert, ...holding(versionsOf(alert)) }
  }

  async function handle(request: AlertRequest, work: Work): Promise<Handled> {
    try {
      const outcome = await receive(request)
      const { kind, status } = outcome
      if (kind === 'challenge') return { status, text: outcome.answer, outcome }
      if (kind === 'refused') return { status, text: outcome.problem, outcome }
      if (kind === 'unknown_type') await outcome.confirm()
      if (kind === 'alert') await finish(outcome, { alert: outcome.alert, isLate: false, work })
      if (kind === 'older' && outcome.late) await finish(outcome, { alert: outcome.late, isLate: true, work })
      return { status, text: '', outcome }
    } catch (error) {
      return { status: 500, text: 'The work failed.', outcome: { kind: 'failed', error } }
    }
  }
  return { receive, handle }
}

async function finish(
  { id, isReplay, confirm, release }: Claimed,
  { alert, isLate, work }: { alert: Alert; isLate: boolean; work: Work },
): Promise<void> {
  try {
    await work(alert, { id, isReplay, isLate })
  } catch (error) {
    // A claim that cannot be released ends with its lease.
    await release().catch(() => undefined)
    throw error
  }
  await confirm()
}
