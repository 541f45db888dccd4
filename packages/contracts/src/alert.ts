import { hash } from 'node:crypto'
import { z } from 'zod'
import { registrationRef } from './registration-change.ts'

/** What happened to one entry, or to the collective status, in one version. */
const alertEvent = z.object({
  type: z.enum([
    'entry.approved',
    'entry.rejected',
    'entry.cancelled',
    'entry.reopened',
    'collective.completed',
  ]),
  pspName: z.string().nullable(),
  productCode: z.string().nullable(),
  status: z.string(),
  previousStatus: z.string().nullable(),
  rejectionReason: z.string().nullable(),
})

export type AlertEvent = z.infer<typeof alertEvent>

/** ISO 8601: append time of the causing notification, or when the endpoint changed. */
const timestamp = z.string()

const ofRegistration = {
  registration: registrationRef,
  version: z.number().int().positive(),
  collective: z.string().nullable(),
}

const registrationChanged = z.object({
  type: z.literal('registration.changed'),
  timestamp,
  data: z.object({
    ...ofRegistration,
    events: z.array(alertEvent),
    /** For operators only: what a person should look at. */
    flags: z.array(z.string()).optional(),
    /** When `events` are only the first of them: how many there are, and where the registration can be read. */
    eventsTotal: z.number().int().optional(),
    /** Relative to the console's address. */
    next: z.string().optional(),
  }),
})

const registrationFlagged = z.object({
  type: z.literal('registration.flagged'),
  timestamp,
  data: z.object({ ...ofRegistration, flags: z.array(z.string()) }),
})

/** `merchant` is `*` for an endpoint of the whole client. */
const endpointName = z.object({ endpointId: z.string(), clientId: z.string(), merchant: z.string() })

const endpointChanged = z.object({
  type: z.enum(['endpoint.warned', 'endpoint.disabled', 'endpoint.enabled']),
  timestamp,
  data: z.object({
    endpoint: endpointName,
    revision: z.number().int().positive(),
    /** Why it is disabled; null when it is not. */
    reason: z.string().nullable(),
    detail: z.string().nullable(),
  }),
})

const endpointVerification = z.object({
  type: z.literal('endpoint.verification'),
  timestamp,
  data: z.object({ endpoint: endpointName, revision: z.number().int().positive() }),
})

/**
 * The body of an alert, at most 20,000 bytes. A receiver drops a version or revision that is not newer than what it
 * has of the same registration or endpoint. Flags, and news of other endpoints, go to operators' endpoints only. A
 * verification goes to the e-mail address that is to be confirmed, never to a webhook.
 */
export const alertBody = z.discriminatedUnion('type', [
  registrationChanged,
  registrationFlagged,
  endpointChanged,
  endpointVerification,
])

export type AlertBody = z.infer<typeof alertBody>
export type RegistrationChangedBody = z.infer<typeof registrationChanged>

/** A body that is greater tells the first events and where the others are. */
export const maxAlertBodyBytes = 20_000

/** What a body tells, each type once: those of its events, or its own. */
export function eventTypesOf(body: AlertBody): string[] {
  return body.type === 'registration.changed'
    ? [...new Set(body.data.events.map(({ type }) => type))]
    : [body.type]
}

const readBody = z.compile(alertBody)

/** The same, of a body as it is stored and sent. */
export function eventTypesIn(body: string): string[] {
  return eventTypesOf(readBody.parse(JSON.parse(body)))
}

/**
 * The id of an alert, which is also its `webhook-id` and the id of a BullMQ job of its own: the same change and endpoint give
 * the same id for ever, so nothing that runs twice can alert twice. 22 characters hold 132 bits.
 *
 * @param of `subject` is the key of the registration, or `endpoint:` and the key of the endpoint, that it is about
 */
export function alertId(of: { subject: string; version: number; endpointId: string }): string {
  const digest = hash('sha256', `${of.subject}|${of.version}|${of.endpointId}`, 'base64url')
  return `a-${digest.slice(0, 22)}`
}

/**
 * A value of `alert.receipts.v1`: an alert is settled, this way. The key is the alert id, the partition that of the
 * change.
 */
export const alertReceipt = z.object({
  alertId: z.string(),
  /** What it is about; `version` is an endpoint's revision when that is an endpoint. */
  subject: z.string(),
  /** Null when it is about an endpoint. */
  registration: registrationRef.nullable(),
  version: z.number().int().positive(),
  endpointId: z.string(),
  partition: z.number().int().nonnegative(),
  /** What it told; empty when its body was gone by then. */
  eventTypes: z.array(z.string()),
  outcome: z.enum(['delivered', 'given_up']),
  /** Why it was given up; null for a delivered one. */
  reason: z
    .enum(['refused', 'attempts_used_up', 'expired', 'endpoint_gone', 'endpoint_disabled', 'superseded'])
    .nullable(),
  /** HTTP calls that were made, the last one's status (null: no answer) and closed error code (null: none). */
  attempts: z.number().int().nonnegative(),
  lastStatus: z.number().int().nullable(),
  lastError: z.string().nullable(),
  /** ISO 8601; null when no call was made. */
  firstAttemptAt: z.string().nullable(),
  lastAttemptAt: z.string().nullable(),
  settledAt: z.string(),
})

export type AlertReceipt = z.infer<typeof alertReceipt>
