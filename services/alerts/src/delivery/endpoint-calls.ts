import assert from 'node:assert/strict'
import type { Endpoint } from '@signalbox/alert-endpoints/endpoint'
import { createGather } from '@signalbox/runtime/gather'
import { createPlaces } from '@signalbox/runtime/places'
import type { Answer, SendWebhook } from '@signalbox/webhook-sender/send-webhook'
import { type SigningKey, webhookHeaders } from '@signalbox/webhook-sender/webhook-headers'
import type { CallOutcome, LaneEntry, Lanes } from '../adapters/lanes.ts'
import { isOurTrouble, judge, showsTrouble, type Verdict } from '../attempt/answer.ts'
import { type NextStep, nextStep } from '../attempt/next-step.ts'
import type { MailSender } from '../email/mail-sender.ts'
import { isVerification, type OwedAlert } from '../owed-alert.ts'
import { holdMs } from './hold.ts'
import type { KnownEndpoint } from './known-endpoints.ts'

export type CallPorts = {
  lanes: Pick<Lanes, 'enter' | 'leave'>
  send: SendWebhook
  mail: Pick<MailSender, 'sendMail' | 'sendVerification'>
  report: CallReport
  /** Epoch milliseconds. */
  now: () => number
  /** From 0 to below 1. */
  random: () => number
}

export type CallReport = {
  attempted(made: {
    alert: OwedAlert
    verdict: Verdict
    attempt: number
    durationMs: number
    /** When the next one is due; null for the last one. */
    nextInMs: number | null
  }): void
}

export type CallRules = {
  /** Pauses between the attempts of an alert. */
  backoffMs: readonly number[]
  /** How long a call may take. */
  timeoutMs: number
  /** Calls that this process makes at a time. An endpoint gets a quarter of them at most, whatever it asks for. */
  concurrency: number
  /** Calls to an endpoint at a time, where the endpoint does not say otherwise. */
  endpointConcurrency: number
  /** How often an endpoint is called that was disabled for failing. */
  probeEveryMs: number
}

/** One call that is to be made. */
export type Call = {
  alert: OwedAlert
  target: KnownEndpoint
  body: string
  /** From 1. */
  attempt: number
  /** After which no other attempt is worth it, epoch milliseconds. */
  deadlineMs: number
  isReplay: boolean
  lease: Lease
  /** Given back when the call has ended. */
  place: Disposable
  signal: AbortSignal
}

/** How a call ended, and what comes next. Times are epoch milliseconds. */
export type CallEnd = {
  verdict: Verdict
  step: NextStep
  response: string | null
  startedMs: number
  endedMs: number
}

/** Until it ends no other run of the alert is let through. A call that begins after `beginByMs` may outlast it. */
export type Lease = { beginByMs: number; endsMs: number }

export type CallEntry = { kind: 'go'; lease: Lease } | Exclude<LaneEntry, { kind: 'go' }>

export type EndpointCalls = ReturnType<typeof createEndpointCalls>

/** For a call of a process that was killed: so much longer than the longest call it counts. */
const leaseMarginMs = 5_000
/** Who waits for several places keeps others from those that are free. */
const mostTogether = 4
const keptResponseBytes = 1_024
/** All e-mails go through one mail server, so one that hangs holds no more than these calls of a process. */
const mostMails = 10

/** Makes calls to endpoints within what their lanes allow, and tells lane and attempt log how they ended. */
export function createEndpointCalls(
  { lanes, send, mail, report, now, random }: CallPorts,
  { rules, signingKey }: { rules: CallRules; signingKey: SigningKey | null },
) {
  const share = Math.max(1, Math.floor(rules.concurrency / 4))
  const capOf = ({ limits }: Endpoint) => Math.min(limits.concurrency ?? rules.endpointConcurrency, share)
  const places = createPlaces(rules.concurrency)
  /** Calls to an endpoint that are wanted together begin together, so that its lane is asked once for all. */
  const takePlace = createGather<string, Disposable>({
    keyOf: (endpointId) => endpointId,
    most: Math.min(share, mostTogether),
    call: (endpointIds) => places.takeMany(endpointIds.length),
  })
  let mails = 0

  async function answerOf({ alert, target, body, isReplay, lease, signal }: Call): Promise<Answer> {
    const { endpoint, secrets } = target
    const { target: place } = endpoint
    assert(place !== null && secrets !== null, 'what is called has a target and secrets that open')
    if (place.type === 'email') {
      return isVerification(alert)
        ? mail.sendVerification({ endpoint, revision: alert.version, signal })
        : mail.sendMail({ alert, endpoint, body, signal })
    }
    assert(!isVerification(alert), 'a webhook is verified by a challenge')
    const headers = {
      ...target.headers,
      ...webhookHeaders({ id: alert.id, body, nowMs: now(), secrets, signingKey, replay: isReplay }),
    }
    const kept = endpoint.keepsResponses ? { keepBytes: keptResponseBytes } : {}
    return send({ url: place.url, headers, body, signal, endsByMs: lease.endsMs, ...kept })
  }

  /** Leaves the lane without having called. */
  async function leave({ endpointId, id }: OwedAlert, { endsMs }: Lease): Promise<void> {
    const nothing = {
      outcome: 'neutral',
      durationMs: 0,
      openForMs: null,
      attempt: null,
      isLast: false,
    } as const
    await lanes.leave({ endpointId, alertId: id, nowMs: now(), leaseEndsMs: endsMs, ...nothing })
  }

  return {
    /** How many calls to it may be under way at a time; none known: one. */
    mostAtOnce: (target: KnownEndpoint | null): number => (target === null ? 1 : capOf(target.endpoint)),

    /**
     * A place among the calls of this process, until it is disposed of: to be taken before the lane is asked. null:
     * there are e-mails enough under way, and the others come later, so that webhooks get their turn.
     */
    async place(endpointId: string, target: KnownEndpoint | null): Promise<Disposable | null> {
      if (target?.endpoint.target?.type !== 'email') return takePlace(endpointId)
      if (mails >= Math.min(mostMails, share)) return null
      const place = new DisposableStack()
      mails += 1
      place.defer(() => void (mails -= 1))
      place.use(await takePlace(endpointId))
      return place
    },

    /** Asks the endpoint's lane for a call that is made within `waitsMs` of the answer, or somewhat later. */
    async enter(
      alert: OwedAlert,
      { endpoint }: KnownEndpoint,
      { isRetry, waitsMs = 0 }: { isRetry: boolean; waitsMs?: number },
    ): Promise<CallEntry> {
      const entry = await lanes.enter({
        endpointId: alert.endpointId,
        alertId: alert.id,
        nowMs: now(),
        cap: capOf(endpoint),
        leaseMs: waitsMs + leaseMarginMs + rules.timeoutMs,
        ratePerSecond: endpoint.limits.ratePerSecond,
        isRetry,
        probeEveryMs: endpoint.state === 'disabled' ? rules.probeEveryMs : null,
      })
      if (entry.kind === 'wait') return entry
      const { leaseEndsMs: endsMs } = entry
      return { kind: 'go', lease: { beginByMs: endsMs - rules.timeoutMs, endsMs } }
    },

    /** How long a job stays away that the lane did not let through. */
    waitMs(entry: Extract<LaneEntry, { kind: 'wait' }>, { endpoint }: KnownEndpoint): number {
      return holdMs(entry, { cap: capOf(endpoint), random: random() })
    },

    leave,

    /** Makes a call, in a lane that was entered. What it throws says nothing about the endpoint; then the lane is left. */
    async make(call: Call): Promise<CallEnd> {
      const startedMs = now()
      let answer: Answer
      try {
        using _ = call.place
        answer = await answerOf(call)
      } catch (error) {
        // A lease that cannot be given back now ends by itself.
        await leave(call.alert, call.lease).catch(() => undefined)
        throw error
      }
      const endedMs = now()
      const verdict = judge(answer, { nowMs: endedMs })
      const step = nextStep({
        verdict,
        attempts: call.attempt,
        nowMs: endedMs,
        deadlineMs: call.deadlineMs,
        backoffMs: rules.backoffMs,
        random: random(),
      })
      report.attempted({
        alert: call.alert,
        verdict,
        attempt: call.attempt,
        durationMs: endedMs - startedMs,
        nextInMs: step.kind === 'again' ? step.delayMs : null,
      })
      const response = answer.kind === 'status' ? answer.body : null
      return { verdict, step, response, startedMs, endedMs }
    },

    /** Leaves the lane and writes the attempt down. */
    ended({ alert, attempt, isReplay, lease }: Call, end: CallEnd): Promise<void> {
      const { verdict, step, response, startedMs, endedMs } = end
      const durationMs = endedMs - startedMs
      return lanes.leave({
        endpointId: alert.endpointId,
        alertId: alert.id,
        nowMs: endedMs,
        outcome: outcomeOf(verdict),
        durationMs,
        openForMs: wishOf(verdict),
        attempt: {
          alertId: alert.id,
          subject: alert.subject,
          version: alert.version,
          attempt,
          at: endedMs,
          durationMs,
          status: verdict.status,
          error: verdict.kind === 'delivered' ? null : verdict.error,
          response,
          isReplay,
          nextInMs: step.kind === 'again' ? step.delayMs : null,
        },
        // A replay is none of the backlog.
        isLast: step.kind !== 'again' && !isReplay,
        leaseEndsMs: lease.endsMs,
      })
    },
  }
}

function outcomeOf(verdict: Verdict): CallOutcome {
  if (isOurTrouble(verdict)) return 'neutral'
  return showsTrouble(verdict) ? 'trouble' : 'fine'
}

/** An endpoint that says how long it wants to be left alone means all alerts, not this one alone. */
function wishOf(verdict: Verdict): number | null {
  return verdict.kind === 'failed' ? verdict.retryAfterMs : null
}
