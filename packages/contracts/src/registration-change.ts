import { z } from 'zod'
import { type CloudEvent, cloudEventHeaders } from './cloud-event.ts'
import { registrationKey } from './keys.ts'

/** The ids of a registration as public records carry them. */
export const registrationRef = z.object({
  clientId: z.string(),
  referenceMerchantId: z.string(),
  referenceStoreId: z.string().nullable(),
})

/** Open for readers: a status that a later minor version adds must not break them. */
export const collectiveStatus = z.string().nullable()

/** Which notification caused a record, and where it stands in the raw topic. */
export const cause = z.object({
  notificationId: z.string(),
  /** Request-Time as it was signed. */
  requestTime: z.string(),
  raw: z.object({ topic: z.string(), partition: z.number().int(), offset: z.string() }),
})

/** When an erasure was ordered, RFC 3339; absent unless all content went and nothing was heard since. */
export const erasedAt = z.iso.datetime().optional()

/**
 * A value of `registration.changes.v1`: the visible content of a registration is now this. The wire is
 * at-least-once: take the greatest version per key, drop what is not newer.
 */
export const registrationChange = z.object({
  registration: registrationRef,
  version: z.number().int().positive(),
  /** As reported: COMPLETED says that all MPPs have answered, not that any approved. Null: never reported. */
  collectiveStatus,
  previousCollectiveStatus: collectiveStatus,
  /** All entries, not only the changed ones; `previousStatus` is null for one that is new in this version. */
  entries: z.array(
    z.object({
      pspName: z.string(),
      productCode: z.string(),
      status: z.string(),
      previousStatus: z.string().nullable(),
      rejectionReason: z.string().nullable(),
    }),
  ),
  flags: z.array(z.string()),
  erasedAt,
  cause,
})

export type RegistrationChange = z.infer<typeof registrationChange>

/** The Kafka key, value and headers of a change. `timeMs` is the append time of the causing record. */
export function encodeChange(change: RegistrationChange, event: CloudEvent) {
  const key = registrationKey(change.registration)
  return {
    key,
    value: JSON.stringify(change),
    headers: cloudEventHeaders({
      ...event,
      type: 'signalbox.registration.changed',
      subject: key,
      version: change.version,
    }),
  }
}
