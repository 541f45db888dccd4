import { z } from 'zod'
import { type CloudEvent, cloudEventHeaders } from './cloud-event.ts'
import { registrationKey } from './keys.ts'
import { cause, collectiveStatus, registrationRef } from './registration-change.ts'

/**
 * A value of `registration.state.v1`: the full visible content of a registration. The topic is compacted; take
 * the greatest version per key, not the last record. `rebuild` is ours and opaque to other readers.
 */
export const registrationState = z.object({
  registration: registrationRef,
  version: z.number().int().positive(),
  collectiveStatus,
  entries: z.array(
    z.object({
      pspName: z.string(),
      productCode: z.string(),
      status: z.string(),
      rejectionReason: z.string().nullable(),
    }),
  ),
  flags: z.array(z.string()),
  /** The notification that caused this version. */
  cause,
  rebuild: z.object({
    foldVersion: z.number().int(),
    /** Raw offset of the last register move. */
    rev: z.string(),
    registers: z.string(),
  }),
})

export type RegistrationState = z.infer<typeof registrationState>

/** The Kafka key, value and headers of a state record. */
export function encodeState(state: RegistrationState, event: CloudEvent) {
  const key = registrationKey(state.registration)
  return {
    key,
    value: JSON.stringify(state),
    headers: cloudEventHeaders({
      ...event,
      type: 'signalbox.registration.state',
      subject: key,
      version: state.version,
    }),
  }
}
