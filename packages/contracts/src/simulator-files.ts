import { z } from 'zod'
import { registrationRef } from './registration-change.ts'

/**
 * A line of the simulator's `sent.jsonl`: one HTTP attempt, as Alipay+ saw it. `resultCode` and `resultStatus`
 * are what the answer says, null when there was no readable answer; only S together with `answerVerified` ends
 * the retries of a send.
 */
export const sentLine = z.object({
  /** When the attempt began, ISO 8601. */
  at: z.string(),
  /** One per notification to be sent, the same over its attempts; a duplicate is a send of its own. */
  sendId: z.string(),
  /** 1 for the first. */
  attempt: z.number().int().positive(),
  clientId: z.string(),
  merchant: z.string(),
  store: z.string().nullable(),
  /** The registrationRequestId; null where the notification names none. */
  round: z.string().nullable(),
  /** The text of Request-Time as signed. */
  requestTime: z.string(),
  /** `first` copy of a snapshot, `duplicate` soon after it, or `late`: repeated after a newer snapshot. */
  kind: z.enum(['first', 'duplicate', 'late']),
  /** Lower-case hex SHA-256 of the body's bytes. */
  bodySha256: z.string(),
  resultCode: z.string().nullable(),
  resultStatus: z.enum(['S', 'F', 'U']).nullable(),
  /** The answer's signature holds under the acquirer's published key. */
  answerVerified: z.boolean(),
  /** What went wrong other than by result: a transport error, another HTTP status, a bad answer. */
  problem: z.string().nullable(),
  durationMs: z.number().nonnegative(),
})

export type SentLine = z.infer<typeof sentLine>

/** A line of `deliveries.jsonl`: one webhook as a merchant's sink received it. */
export const deliveryLine = z.object({
  at: z.string(),
  endpointId: z.string(),
  webhookId: z.string().nullable(),
  headers: z.record(z.string(), z.string()),
  /** The body as received, read as UTF-8. */
  body: z.string(),
  /** The Standard Webhooks signature holds under this endpoint's secret. */
  verified: z.boolean(),
  /** Why it does not. */
  error: z.string().nullable(),
  /** The HTTP status of the sink's answer; a verified webhook counts as delivered when it is 2xx. */
  answered: z.number().int(),
})

export type DeliveryLine = z.infer<typeof deliveryLine>

/** The visible state that a registration must end in, by the rules of state for a truthful sender. */
export const registrationTruth = z.object({
  registration: registrationRef,
  collectiveStatus: z.enum(['PENDING', 'COMPLETED']),
  /** In the order of pspName, then productCode, by code units. pspName is the canonical one. */
  entries: z.array(
    z.object({
      pspName: z.string(),
      /** `*` where the dialect names no products. */
      productCode: z.string(),
      status: z.enum(['PENDING', 'APPROVED', 'REJECTED', 'CANCELLED']),
      rejectionReason: z.string().nullable(),
    }),
  ),
})

export type RegistrationTruth = z.infer<typeof registrationTruth>

/** `truth.json`: all registrations that were ever sent from one sandbox. */
export const truthFile = z.object({ registrations: z.array(registrationTruth) })
