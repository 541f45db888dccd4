import { type Attempt, attemptErrors } from '@signalbox/alert-endpoints/attempt-log'
import type { Endpoint } from '@signalbox/alert-endpoints/endpoint'
import type { Health } from '@signalbox/alert-endpoints/endpoint-health'
import { endpointFilters, endpointLimits, endpointRecord } from '@signalbox/contracts/endpoint-record'
import { z } from 'zod'

const known = endpointRecord.shape
const time = z.iso.datetime()

const target = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('webhook'),
    url: z.string(),
    headerNames: z.array(z.string()).describe('The values are not shown: they may be secret.'),
  }),
  z.strictObject({ type: z.literal('email'), address: z.string() }),
])

const secret = z.strictObject({
  secretId: z.string(),
  createdAt: time,
  expiresAt: time
    .nullable()
    .describe('It signs until then, beside the newer one; null: until it is rotated.'),
})

const health = z.strictObject({
  failingSince: time.nullable().describe('Null when the last call went well, or none was made.'),
  failures: z.int().nonnegative().describe('Calls in a row that failed.'),
  lastSuccessAt: time.nullable(),
  warnedPercent: z
    .number()
    .describe('How much of the time that it may fail was used up at the last warning.'),
})

/** An endpoint as lists show it. */
export const endpointItemShape = z.strictObject({
  endpointId: known.endpointId,
  clientId: z.string(),
  merchant: z.string().describe('A referenceMerchantId, or * for every merchant of the client.'),
  revision: known.revision.describe(
    'Rises with each change; give it in If-Match to change nothing else than what you saw.',
  ),
  audience: known.audience,
  state: known.state,
  reason: known.reason.describe(
    'Why it is disabled. One that is failing is still tried now and then, and may recover.',
  ),
  target: target.nullable().describe('Null when deleted.'),
  filters: z.strictObject(endpointFilters.shape),
  limits: z.strictObject(endpointLimits.shape),
  skipsSuperseded: z.boolean(),
  keepsResponses: z.boolean(),
  activeFrom: time.nullable().describe('It is told of what happens from then on; null until it is verified.'),
  secrets: z.array(secret).describe('Newest first. What they are is told once, when they are made.'),
  createdAt: time,
  changedAt: time,
  health,
})

/** An endpoint with its audit trail. */
export const endpointDetailShape = endpointItemShape.extend({
  history: z
    .array(z.strictObject({ at: time, by: z.string(), action: z.string(), detail: z.string().nullable() }))
    .describe('The last 100 changes, newest last.'),
})

type EndpointItem = z.infer<typeof endpointItemShape>

/** Shows an endpoint: no secret, no value of a header. */
export function endpointItem(endpoint: Endpoint, known: Health): EndpointItem {
  const { filters, limits } = endpoint
  return {
    endpointId: endpoint.endpointId,
    clientId: endpoint.clientId,
    merchant: endpoint.merchant,
    revision: endpoint.revision,
    audience: endpoint.audience,
    state: endpoint.state,
    reason: endpoint.reason,
    target: targetItem(endpoint.target),
    filters: {
      eventTypes: filters.eventTypes,
      pspNames: filters.pspNames,
      productCodes: filters.productCodes,
    },
    limits: { ratePerSecond: limits.ratePerSecond, concurrency: limits.concurrency },
    skipsSuperseded: endpoint.skipsSuperseded,
    keepsResponses: endpoint.keepsResponses,
    activeFrom: endpoint.activeFrom,
    secrets: secretItems(endpoint),
    createdAt: endpoint.createdAt,
    changedAt: endpoint.changedAt,
    health: healthItem(known),
  }
}

/** What is told of secrets once they are made. */
export function secretItems({ secrets }: Endpoint): z.infer<typeof secret>[] {
  return secrets.map(({ secretId, createdAt, expiresAt }) => ({ secretId, createdAt, expiresAt }))
}

export function endpointDetail(endpoint: Endpoint, known: Health): z.infer<typeof endpointDetailShape> {
  const history = endpoint.history.map(({ at, by, action, detail }) => ({ at, by, action, detail }))
  return { ...endpointItem(endpoint, known), history }
}

function targetItem(given: Endpoint['target']): z.infer<typeof target> | null {
  if (given === null) return null
  return given.type === 'webhook'
    ? { type: given.type, url: given.url, headerNames: Object.keys(given.headers) }
    : { type: given.type, address: given.address }
}

function healthItem({ failingSinceMs, failures, lastSuccessMs, warnedPercent }: Health) {
  return {
    failingSince: timeOf(failingSinceMs),
    failures,
    lastSuccessAt: timeOf(lastSuccessMs),
    warnedPercent,
  }
}

const timeOf = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString())

/** The answer to `POST /v1/endpoints`. */
export const createdShape = z.strictObject({
  endpoint: endpointDetailShape,
  secret: z
    .string()
    .nullable()
    .describe('What verifies the alerts, `whsec_` and its base64. It is told this once. Null for e-mail.'),
})

const next = z.string().nullable().describe('Null on the last page.')

/** A page of endpoints. */
export const endpointsShape = z.strictObject({ endpoints: z.array(endpointItemShape), next })

/** The answer to a rotation. */
export const rotatedShape = z.strictObject({
  endpointId: known.endpointId,
  revision: known.revision,
  secret: z.string().describe('The new secret. It is told this once.'),
  secrets: z.array(secret),
})

/** One call to an endpoint. */
export const attemptShape = z.strictObject({
  alertId: z.string().describe('The `webhook-id` of the call.'),
  subject: z
    .string()
    .describe('What the alert is about: the key of a registration, or `endpoint:` and that of an endpoint.'),
  version: z.int(),
  attempt: z.int().describe('From 1.'),
  at: time.describe('When it ended.'),
  durationMs: z.number(),
  status: z.int().nullable().describe('The HTTP status; null: no answer.'),
  class: z.enum(['2xx', '3xx', '4xx', '5xx', 'none']),
  error: z.enum(attemptErrors).nullable().describe('Why it failed; null: it did not.'),
  response: z.string().nullable().describe('How the answer began, where keepsResponses is true.'),
  isReplay: z.boolean(),
  nextAttemptAt: time.nullable().describe('When the next one is due; null for the last one.'),
})

/** A page of attempts, the latest first. */
export const attemptsShape = z.strictObject({ attempts: z.array(attemptShape), next })

export function attemptItem({ at, nextInMs, ...made }: Attempt): z.infer<typeof attemptShape> {
  return {
    alertId: made.alertId,
    subject: made.subject,
    version: made.version,
    attempt: made.attempt,
    at: new Date(at).toISOString(),
    durationMs: made.durationMs,
    status: made.status,
    class: made.class,
    error: made.error,
    response: made.response,
    isReplay: made.isReplay,
    nextAttemptAt: timeOf(nextInMs === null ? null : at + nextInMs),
  }
}
