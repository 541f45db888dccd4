import { z } from 'zod'
import { type CloudEvent, cloudEventHeaders } from './cloud-event.ts'
import { registrationKey, type RegistrationRef } from './keys.ts'
import { cause, collectiveStatus, erasedAt, registrationRef } from './registration-change.ts'

/**
 * A value of `registration.state.v1`: the full visible content of a registration. The topic is compacted; take
 * the greatest version per key, not the last record. Without a value: the registration is forgotten, 31 days after it
 * was erased. `rebuild` is ours and opaque to other readers.
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
  erasedAt,
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

/** The Kafka key, value and headers of a state record. `timeMs` is the append time of its cause. */
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

/** A state record without a value: what was known is forgotten, as of this raw offset. */
export function encodeForgotten({ registration, rev }: { registration: RegistrationRef; rev: string }) {
  return { key: registrationKey(registration), value: null, headers: { rev } }
}

/** The raw offset as of which a state record without a value forgets; null when it does not say. */
export function forgottenRev(headers: ReadonlyMap<string, Buffer>): string | null {
  const rev = headers.get('rev')?.toString('utf8')
  return rev !== undefined && /^[0-9]+$/.test(rev) ? rev : null
}
