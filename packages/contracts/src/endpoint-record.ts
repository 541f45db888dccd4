import { z } from 'zod'
import { encodeKeyPart, merchantKey } from './keys.ts'

/** What an endpoint can be told. Readers of filters accept others too: a later build may know more. */
export const alertEventTypes = [
  'entry.approved',
  'entry.rejected',
  'entry.cancelled',
  'entry.reopened',
  'collective.completed',
  'registration.flagged',
  'endpoint.warned',
  'endpoint.disabled',
  'endpoint.enabled',
] as const

/** What is written into the audit trail. */
export const endpointActions = [
  'created',
  'declared',
  'verified',
  /** The owner of an e-mail address is to be asked once more to confirm it. */
  'verification_requested',
  'updated',
  'secret_rotated',
  'resealed',
  'warned',
  'disabled',
  'enabled',
  'recovered',
  'deleted',
] as const

export type EndpointAction = (typeof endpointActions)[number]

/** Names an endpoint in every deployment's own set; it is part of keys of Redis. */
export const endpointId = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,64}$/, 'an id has 1 to 64 letters, digits, - or _')

/** As the merchant of an endpoint: every merchant of the client. */
export const everyMerchant = '*'

const time = z.iso.datetime()
const someTexts = z.array(z.string().min(1).max(128)).max(64).nullable()

export const endpointTarget = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('webhook'),
    url: z.url({ protocol: /^https?$/ }).max(2_048),
    /** Sent with each call, beside those that are reserved; their values are sealed, as secrets are. */
    headers: z.record(z.string(), z.string().min(1).max(4_096)),
  }),
  z.object({ type: z.literal('email'), address: z.email().max(254) }),
])

export type EndpointTarget = z.infer<typeof endpointTarget>

/** Which events an endpoint hears of: those that fit all three; null: all. */
export const endpointFilters = z.object({
  eventTypes: someTexts,
  pspNames: someTexts,
  productCodes: someTexts,
})

/** Null: the deployment's default. */
export const endpointLimits = z.object({
  ratePerSecond: z.number().positive().max(10_000).nullable(),
  concurrency: z.int().min(1).max(1_000).nullable(),
})

const endpointSecret = z.object({
  secretId: z.string().min(1).max(64),
  /** Ciphertext; never a secret in clear. */
  sealed: z.string().min(1).max(1_024),
  createdAt: time,
  /** Signs until then; null: until it is replaced. */
  expiresAt: time.nullable(),
})

/**
 * A value of `alert.endpoints.v1`: an endpoint is now this. Readers keep the greatest revision of an endpoint, the
 * later of two equal ones, and ignore members that they do not know.
 */
export const endpointRecord = z.object({
  endpointId,
  clientId: z.string().min(1).max(256),
  /** A referenceMerchantId, or `*`. */
  merchant: z.string().min(1).max(256),
  /** Rises with each change, as a rule by one. */
  revision: z.int().min(1),
  /** Operators' endpoints also hear of flags and of other endpoints' troubles. */
  audience: z.enum(['merchant', 'operator']),
  /** Null when deleted, and only then. */
  target: endpointTarget.nullable(),
  filters: endpointFilters,
  limits: endpointLimits,
  /** An alert that a newer version has overtaken is not sent. */
  skipsSuperseded: z.boolean(),
  /** The start of each answer's body is kept in the attempt log. */
  keepsResponses: z.boolean(),
  state: z.enum(['unverified', 'active', 'disabled', 'deleted']),
  /** Why it is disabled; null otherwise. */
  reason: z.enum(['by_operator', 'gone', 'failing', 'unsubscribed']).nullable(),
  /** It is owed changes from then on; null until the target that it has was verified. */
  activeFrom: time.nullable(),
  /** Of webhooks, newest first. */
  secrets: z.array(endpointSecret).max(3),
  createdAt: time,
  changedAt: time,
  /** The audit trail, newest last. Its actions are those of `endpointActions`, or of a later build. */
  history: z
    .array(z.object({ at: time, by: z.string(), action: z.string(), detail: z.string().nullable() }))
    .max(100),
})

export type EndpointRecord = z.infer<typeof endpointRecord>

/** Members that a later build has added stay in the value, however deep, so that who writes it again keeps them. */
const wholeRecord = z.custom<EndpointRecord>((value) => endpointRecord.safeParse(value).success)

/** Reads a record's value; null when it is none of this contract. */
export function readEndpointRecord(text: string): EndpointRecord | null {
  return wholeRecord.safeParse(parseJson(text)).data ?? null
}

const claim = z.object({
  endpointId,
  clientId: z.string(),
  merchant: z.string(),
  revision: z.int().min(1),
})

/** What every build can tell of a record, also of one that a later build wrote; null: it is no endpoint's. */
export function readEndpointClaim(text: string): z.infer<typeof claim> | null {
  return claim.safeParse(parseJson(text)).data ?? null
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

type EndpointName = Pick<EndpointRecord, 'clientId' | 'merchant' | 'endpointId'>

/** The merchant key whose partition holds an endpoint's records; the wildcard has one of its own. */
export function endpointMerchantKey({ clientId, merchant }: Omit<EndpointName, 'endpointId'>): string {
  return merchantKey({ clientId, referenceMerchantId: merchant })
}

/** `client/merchant/endpointId`: the key of an endpoint's records, and the subject of alerts about it. */
export function endpointKey(endpoint: EndpointName): string {
  return `${endpointMerchantKey(endpoint)}/${encodeKeyPart(endpoint.endpointId)}`
}

/** The merchant key inside an endpoint key, and the endpoint's id; null for any other text. */
export function parseEndpointKey(key: string): { merchantKey: string; endpointId: string } | null {
  const [, merchant, id] = /^([^/]+\/[^/]+)\/([A-Za-z0-9_-]{1,64})$/.exec(key) ?? []
  return merchant === undefined || id === undefined ? null : { merchantKey: merchant, endpointId: id }
}
