import { list, nullable, number, oneOf, optional, packText, record, text, time, unpackText } from './codec.ts'
import type { CollectiveStatus, EntryStatus, FinalStatus } from './observation.ts'
import type {
  EntrySightings,
  EntryView,
  Flag,
  Rank,
  Registers,
  Registration,
  Round,
  Seen,
  Sightings,
  View,
} from './registration.ts'

// Stored for long: another order of members or choices is another format.
const format = 1

const entryStatus = oneOf<EntryStatus>('PENDING', 'APPROVED', 'REJECTED', 'CANCELLED')
const finalStatus = oneOf<FinalStatus>('APPROVED', 'REJECTED', 'CANCELLED')
const collectiveStatus = oneOf<CollectiveStatus>('PENDING', 'COMPLETED')
const flag = oneOf<Flag>(
  'reversal',
  'round_order',
  'inconsistent_collective',
  'self_contradiction',
  'unusual_value',
)

const rank = record<Rank>({
  finalEntries: number,
  entries: number,
  completed: oneOf<0 | 1>(0, 1),
  requestTimeMs: time,
})
const seenFinal = record<Seen<FinalStatus>>({
  status: finalStatus,
  bestRank: rank,
  rejectionReason: nullable(text),
  lastSeenMs: time,
})
const seenCollective = record<Seen<CollectiveStatus>>({
  status: collectiveStatus,
  bestRank: rank,
  rejectionReason: nullable(text),
  lastSeenMs: time,
})
const registers = record<Registers>({
  rounds: list(record<Round>({ id: text, firstSeenMs: time, openedAtMs: optional(time) })),
  sightings: list(
    record<Sightings>({
      roundId: nullable(text),
      collective: list(seenCollective),
      entries: list(
        record<EntrySightings>({
          pspName: text,
          productCode: text,
          reportedPspName: nullable(text),
          finals: list(seenFinal),
        }),
      ),
      selfContradictionMs: nullable(time),
      unusualValueMs: nullable(time),
    }),
  ),
})
const view = record<View>({
  collectiveStatus: nullable(collectiveStatus),
  entries: list(
    record<EntryView>({
      pspName: text,
      productCode: text,
      status: entryStatus,
      rejectionReason: nullable(text),
    }),
  ),
  flags: list(flag),
})
const registration = record<Registration>({ version: number, view, registers, contents: list(text) })

/** A registration as compact text, for the view in Redis. */
export function packRegistration(value: Registration): string {
  return packText(registration, { format, value })
}

/** null: not a text of `packRegistration`, or damaged. */
export function unpackRegistration(packed: string): Registration | null {
  return unpackText(registration, { format, packed })
}

/** The registers alone, for the opaque member of state records. Equal registers give equal texts. */
export function packRegisters(value: Registers): string {
  return packText(registers, { format, value })
}

/** null: not a text of `packRegisters`, or damaged. */
export function unpackRegisters(packed: string): Registers | null {
  return unpackText(registers, { format, packed })
}
