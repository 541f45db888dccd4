import { createHash } from 'node:crypto'
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

/** The body of a merchant webhook. A receiver drops a version that is not newer than what it has. */
export const alertBody = z.object({
  type: z.literal('registration.changed'),
  /** Append time of the causing notification, ISO 8601. */
  timestamp: z.string(),
  data: z.object({
    registration: registrationRef,
    version: z.number().int().positive(),
    collective: z.string().nullable(),
    events: z.array(alertEvent),
  }),
})

export type AlertBody = z.infer<typeof alertBody>

/**
 * The id of an alert, which is also its BullMQ job id and its `webhook-id`: the same change and endpoint give
 * the same id for ever, so nothing that runs twice can alert twice. 22 characters hold 132 bits.
 */
export function alertId(of: { registrationKey: string; version: number; endpointId: string }): string {
  const digest = createHash('sha256')
    .update(`${of.registrationKey}|${of.version}|${of.endpointId}`)
    .digest('base64url')
  return `a-${digest.slice(0, 22)}`
}

/** A value of `alert.receipts.v1`: an alert is settled, this way. The key is the alert id. */
export const alertReceipt = z.object({
  alertId: z.string(),
  registration: registrationRef,
  version: z.number().int().positive(),
  endpointId: z.string(),
  outcome: z.enum(['delivered', 'given_up']),
  /** Why it was given up; null for a delivered one. */
  reason: z.enum(['refused', 'attempts_used_up', 'expired', 'endpoint_gone']).nullable(),
  /** HTTP calls that were made, the last one's status (null: no answer) and closed error code (null: none). */
  attempts: z.number().int().nonnegative(),
  lastStatus: z.number().int().nullable(),
  lastError: z.string().nullable(),
  settledAt: z.string(),
})

export type AlertReceipt = z.infer<typeof alertReceipt>
