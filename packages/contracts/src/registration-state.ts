import { z } from 'zod'
import { type CloudEvent, cloudEventHeaders } from './cloud-event.ts'
import { registrationKey, type RegistrationRef } from './keys.ts'
import { cause, collectiveStatus, erasedAt, registrationRef } from './registration-change.ts'

/**
 * A value of `registration.state.v1`: the full visible content of a registration. The topic is compacted; take
 * the greatest version per key, not the last record. Without a value: the registration is forgotten, 31 days after it
 * was erased.
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
  /** Raw offset of the last register move: of two records of one version the one with the greater is newer. */
  rebuild: z.object({ rev: z.string() }),
})

export type RegistrationState = z.infer<typeof registrationState>

/** What the view is made anew from: texts in the headers, opaque to other readers, so that no value has to be parsed. */
export type Kept = {
  /** The registration as the view keeps it. */
  kept: string
  /** Since when somebody should look at it, and why; null: nobody need. */
  attention: string | null
}

/** The Kafka key, value and headers of a state record. `timeMs` is the append time of its cause. */
export function encodeState(state: RegistrationState, event: CloudEvent, { kept, attention }: Kept) {
  const key = registrationKey(state.registration)
  const headers = cloudEventHeaders({
    ...event,
    type: 'signalbox.registration.state',
    subject: key,
    version: state.version,
  })
  headers['rev'] = state.rebuild.rev
  headers['kept'] = kept
  if (attention !== null) headers['attention'] = attention
  return { key, value: JSON.stringify(state), headers }
}

/** Which state of its registration a record with a value holds; null: it is not ours. */
export function stateStanding(headers: ReadonlyMap<string, Buffer>): { version: number; rev: string } | null {
  const sequence = headers.get('ce_sequence')?.toString('latin1') ?? ''
  const rev = revIn(headers)
  return rev === null || !/^[0-9]{16}$/.test(sequence) ? null : { version: Number(sequence), rev }
}

/** What `encodeState` was given, as bytes; null: the record is not ours. */
export function readKept(
  headers: ReadonlyMap<string, Buffer>,
): { kept: Buffer; attention: Buffer | null } | null {
  const kept = headers.get('kept')
  return kept === undefined ? null : { kept, attention: headers.get('attention') ?? null }
}

/** A state record without a value: what was known is forgotten, as of this raw offset. */
export function encodeForgotten({ registration, rev }: { registration: RegistrationRef; rev: string }) {
  return { key: registrationKey(registration), value: null, headers: { rev } }
}

/** The raw offset as of which a state record without a value forgets; null when it does not say. */
export function forgottenRev(headers: ReadonlyMap<string, Buffer>): string | null {
  return revIn(headers)
}

function revIn(headers: ReadonlyMap<string, Buffer>): string | null {
  const rev = headers.get('rev')?.toString('latin1')
  return rev !== undefined && /^[0-9]+$/.test(rev) ? rev : null
}
