import { AssertionError } from 'node:assert'
import type { AttemptLog } from '@signalbox/alert-endpoints/attempt-log'
import type { EndpointWriter } from '@signalbox/alert-endpoints/change-endpoint'
import {
  type ChangeContext,
  type Decision,
  type Endpoint,
  type EndpointProblem,
  type Refusal,
} from '@signalbox/alert-endpoints/endpoint'
import type { HealthStore } from '@signalbox/alert-endpoints/endpoint-health'
import { EndpointsNotSeen, type EndpointView } from '@signalbox/alert-endpoints/endpoint-view'
import type { ReplayChoice, ReplayPlan } from '@signalbox/alert-endpoints/replay'
import type { SealingKeys } from '@signalbox/alert-endpoints/sealing'
import { type EndpointAction, endpointId as endpointIdText } from '@signalbox/contracts/endpoint-record'
import type { Logger } from '@signalbox/runtime/log'
import type { AddressGuard } from '@signalbox/webhook-sender/address-guard'
import type { SendWebhook } from '@signalbox/webhook-sender/send-webhook'
import type { SigningKey } from '@signalbox/webhook-sender/webhook-headers'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { admit } from './access.ts'
import { refuse, refuseForNow } from './answers.ts'
import type { Bearer, FindBearer } from './bearers.ts'
import { endpointDetail } from './endpoint-item.ts'

/** What the API of endpoints works with. */
export type EndpointPorts = {
  view: Pick<EndpointView, 'find' | 'list' | 'ofMerchants'>
  writer: Pick<EndpointWriter, 'change'>
  sealing: SealingKeys
  guard: Pick<AddressGuard, 'urlProblem'>
  send: SendWebhook
  signingKey: SigningKey | null
  attempts: Pick<AttemptLog, 'list'>
  health: Pick<HealthStore, 'read'>
  replays: {
    plan(choice: ReplayChoice): Promise<ReplayPlan>
    run(choice: ReplayChoice, options: { replayId: string }): Promise<ReplayPlan>
  }
}

export type EndpointRoutePorts = {
  /** null: this deployment has no keys to seal secrets with, so it has no endpoints of its own. */
  endpoints: EndpointPorts | null
  findBearer: FindBearer
  log: Logger
  /** Epoch milliseconds. */
  now: () => number
}

export type Exchange<R extends FastifyRequest = FastifyRequest> = { request: R; reply: FastifyReply }

/** A request whose address names an endpoint. */
export type EndpointRequest = FastifyRequest<{ Params: { endpointId: string } }>

/** Whoever asks, and what there is to work with. */
export type Entered = { bearer: Bearer; endpoints: EndpointPorts; ifRevision: number | null }

/** What to do when nobody knows whether a change is there. */
const whenUnconfirmed = {
  created:
    'It may be there all the same, and then its secret is lost: look in GET /v1/endpoints before you create it again.',
  verified: 'Verify it again.',
  verification_requested: 'It may be done all the same. When no e-mail comes, verify it again.',
  updated:
    'It may be there all the same: look at the endpoint, or give it again. Given twice, it counts once.',
  secret_rotated:
    'It may be done all the same, and then the new secret is lost: rotate again. The one before signs for a day.',
  disabled: 'It may be done all the same. Do it again: done twice, it counts once.',
  enabled: 'It may be done all the same. Do it again: done twice, it counts once.',
  deleted: 'It may be done all the same. Do it again: done twice, it counts once.',
} as const satisfies Partial<Record<EndpointAction, string>>

/** What can be done with an endpoint here, as its audit trail names it. */
export type Action = keyof typeof whenUnconfirmed

const hourMs = 60 * 60 * 1_000
const disabledNow = 'The endpoint is disabled: enable it first, then verify it.'

/** What may not be done in the state that an endpoint is in. */
const wrongState: Record<Action, string> = {
  created: 'The endpoint cannot be made.',
  verified: disabledNow,
  verification_requested: disabledNow,
  updated: 'The endpoint has no target any more: make a new one.',
  secret_rotated: disabledNow,
  disabled: 'The endpoint cannot be disabled.',
  enabled: 'The endpoint is not verified yet: POST /v1/endpoints/{endpointId}/verify makes it active.',
  deleted: 'The endpoint cannot be deleted.',
}

const refusals: Record<
  Exclude<
    EndpointProblem,
    'not_found' | 'other_revision' | 'wrong_state' | 'too_many_secrets' | 'asked_too_often'
  >,
  string
> = {
  exists: 'An endpoint of this id is there already. Try again.',
  id_taken: 'An endpoint of this id is there already. Try again.',
  other_address: 'The url was changed meanwhile: verify the endpoint again.',
  other_type:
    'A webhook cannot become an e-mail, nor the other way round: make a new endpoint and delete this one.',
  headers_missing:
    'The url is at another origin, and the headers of the endpoint were for the one before: give target.headers again, or {} for none.',
  secret_mismatch: 'Only a webhook has a secret, and this endpoint is none.',
}

/** How requests about endpoints begin and end. Where one is answered on the way, null is given. */
export function createEndpointExchange(ports: EndpointRoutePorts) {
  const { log } = ports

  /** Whoever asks, if they may, and if there are endpoints at all. */
  function enter({ request, reply }: Exchange, role: Bearer['role']): Entered | null {
    const bearer = admit({ request, reply }, { findBearer: ports.findBearer, role })
    if (bearer === null) return null
    const { endpoints } = ports
    if (endpoints === null) {
      refuse(reply, 'unavailable', 'Endpoints are off: set ENDPOINT_KEYS_FILE to the file with their keys.')
      return null
    }
    const wanted = request.headers['if-match'] ?? '*'
    const revision = /^(?:\*|"?([1-9][0-9]{0,8})"?)$/.exec(wanted)
    if (revision !== null) return { bearer, endpoints, ifRevision: revision[1] ? Number(revision[1]) : null }
    refuse(
      reply,
      'bad_request',
      'The header If-Match must be a revision such as "3", as the answers have in ETag.',
    )
    return null
  }

  /** What a reading gives. */
  async function answered<T>(reply: FastifyReply, read: () => Promise<T>): Promise<{ value: T } | null> {
    try {
      return { value: await read() }
    } catch (err) {
      if (err instanceof AssertionError) throw err
      log.warn({ err }, 'endpoints.unavailable')
      const [message, retryAfterS] =
        err instanceof EndpointsNotSeen
          ? ['The view of endpoints is being made. Ask again in a moment.', 5]
          : ['Endpoints cannot be read at the moment. Ask again.', 2]
      refuseForNow(reply, { code: 'unavailable', message, retryAfterS })
      return null
    }
  }

  /** The endpoint that the address names, if the bearer may see it. */
  async function find(
    { request, reply }: Exchange<EndpointRequest>,
    { bearer, endpoints }: Entered,
  ): Promise<Endpoint | null> {
    const { endpointId } = request.params
    const found = await answered(reply, async () =>
      endpointIdText.safeParse(endpointId).success ? endpoints.view.find(endpointId) : null,
    )
    if (found === null) return null
    if (found.value !== null && bearer.maySee(found.value.clientId)) return found.value
    refuseEndpoint(reply)
    return null
  }

  /** The endpoint as the change has left it. */
  async function change(
    reply: FastifyReply,
    { bearer, endpoints, ifRevision }: Entered,
    { endpointId, action }: { endpointId: string; action: Action },
    decide: (known: Endpoint | null, context: ChangeContext) => Decision,
  ): Promise<Endpoint | null> {
    const result = await endpoints.writer
      .change(endpointId, (known, nowMs) =>
        decide(known, { nowMs, by: bearer.name, ...(ifRevision === null ? {} : { ifRevision }) }),
      )
      .catch((err: unknown) => {
        if (err instanceof AssertionError) throw err
        log.warn({ err }, 'endpoints.unconfirmed')
        return { kind: 'unconfirmed' as const }
      })
    log.info(
      { action: `endpoint.${action}`, token: bearer.name, endpointId, outcome: result.kind },
      'operator.action',
    )
    if (result.kind === 'changed' || result.kind === 'unchanged') return result.endpoint
    if (result.kind === 'refused') {
      refuseChange(reply, { refusal: result, action, nowMs: ports.now() })
    } else if (result.kind === 'busy') {
      const message = 'Others are changing this endpoint. Try again in a moment.'
      refuseForNow(reply, { code: 'too_many', message, retryAfterS: 2 })
    } else {
      const message = `The change is not confirmed. ${whenUnconfirmed[action]}`
      refuseForNow(reply, { code: 'unavailable', message, retryAfterS: 2 })
    }
    return null
  }

  /** Answers with an endpoint, its audit trail and how it fares. */
  async function answerEndpoint(
    reply: FastifyReply,
    endpoint: Endpoint,
    { endpoints }: Entered,
  ): Promise<FastifyReply> {
    const health = await answered(reply, () => endpoints.health.read(endpoint.endpointId))
    if (health === null) return reply
    return tagged(reply, endpoint).send(endpointDetail(endpoint, health.value))
  }

  return { enter, answered, find, change, answerEndpoint }
}

/** The revision, for the If-Match of whoever changes it next. */
export function tagged(reply: FastifyReply, { revision }: Endpoint): FastifyReply {
  return reply.header('etag', `"${revision}"`)
}

/** One answer for what does not exist and for what the bearer may not see. */
export function refuseEndpoint(reply: FastifyReply): FastifyReply {
  return refuse(reply, 'not_found', 'No such endpoint is known. GET /v1/endpoints lists those that are.')
}

export function refuseClient(reply: FastifyReply): FastifyReply {
  return refuse(reply, 'not_found', 'No such client is known.')
}

function refuseChange(
  reply: FastifyReply,
  { refusal: { problem, until }, action, nowMs }: { refusal: Refusal; action: Action; nowMs: number },
): FastifyReply {
  if (problem === 'not_found') {
    return refuse(reply, 'not_found', 'No such endpoint is known any more. Make a new one.')
  }
  if (problem === 'other_revision') {
    const message =
      'The endpoint is at another revision than If-Match names: look at it, then give the change again.'
    return refuse(reply, 'changed_meanwhile', message)
  }
  if (problem === 'too_many_secrets') {
    const message = `Three secrets sign until ${until}, and a new one would end one of them before its 24 hours are over. Rotate after that.`
    return refuse(reply, 'refused', message)
  }
  if (problem === 'asked_too_often') {
    const message = `Its owner was asked five times within an hour. Try again after ${until}.`
    const leftMs = until === undefined ? hourMs : Date.parse(until) - nowMs
    const retryAfterS = Math.max(1, Math.ceil(leftMs / 1_000))
    return refuseForNow(reply, { code: 'too_many', message, retryAfterS })
  }
  return refuse(reply, 'refused', problem === 'wrong_state' ? wrongState[action] : refusals[problem])
}
