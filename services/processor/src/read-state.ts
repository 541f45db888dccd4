import assert from 'node:assert/strict'
import { forgottenRev, registrationState } from '@signalbox/contracts/registration-state'
import type { ConsumedRecord } from '@signalbox/kafka/consumer'
import { foldVersion } from '@signalbox/registration/fold'
import { unpackRegisters } from '@signalbox/registration/packed'
import type { Registers } from '@signalbox/registration/registration'
import type { NamedRegistration } from '@signalbox/registration-store/registration-store'
import { z } from 'zod'

/** What a record of the state topic says. */
export type StateRecord =
  | { kind: 'state'; key: string; version: number; rev: bigint; named: NamedRegistration }
  /** `rev` is null where somebody else has written it. */
  | { kind: 'forgotten'; key: string; rev: bigint | null }
  /** Not ours, or damaged. */
  | { kind: 'unreadable'; key: string | null }

const ourState = registrationState.extend({
  collectiveStatus: z.enum(['PENDING', 'COMPLETED']).nullable(),
  entries: z.array(
    z.object({
      pspName: z.string(),
      productCode: z.string(),
      status: z.enum(['PENDING', 'APPROVED', 'REJECTED', 'CANCELLED']),
      rejectionReason: z.string().nullable(),
    }),
  ),
  flags: z.array(
    z.enum(['reversal', 'round_order', 'inconsistent_collective', 'self_contradiction', 'unusual_value']),
  ),
  rebuild: z.object({
    foldVersion: z.int(),
    rev: z.string().regex(/^[0-9]+$/),
    registers: z.string(),
  }),
})

type OurState = z.infer<typeof ourState>

/** A later build may say what this one cannot read; that it is one has to be seen nevertheless. */
const anyState = z.object({ rebuild: z.object({ foldVersion: z.int() }) })

/**
 * Reads a record of the state topic.
 *
 * @throws AssertionError when a later build has written it, whose versions this one would contradict
 */
export function readState(record: ConsumedRecord): StateRecord {
  const { key, value, headers } = record
  if (key === null) return { kind: 'unreadable', key }
  if (value === null) {
    const rev = forgottenRev(headers)
    return { kind: 'forgotten', key, rev: rev === null ? null : BigInt(rev) }
  }
  const json = parse(value)
  const parsed = ourState.safeParse(json)
  const writtenBy = (parsed.data ?? anyState.safeParse(json).data)?.rebuild.foldVersion ?? 0
  assert(
    writtenBy <= foldVersion,
    `The state topic holds a registration of fold version ${writtenBy}, and this build knows ${foldVersion}: run the later build.`,
  )
  const registers = parsed.success ? unpackRegisters(parsed.data.rebuild.registers) : null
  if (!parsed.success || registers === null) return { kind: 'unreadable', key }
  const { version, rebuild } = parsed.data
  const named = registrationIn(parsed.data, registers, timeOf(record))
  return { kind: 'state', key, version, rev: BigInt(rebuild.rev), named }
}

/** As the view keeps it, but for the hashes of the last contents, which have no influence on anything visible. */
function registrationIn(state: OurState, registers: Registers, appendTimeMs: number): NamedRegistration {
  const { registration, version, collectiveStatus, entries, flags, erasedAt, cause, rebuild } = state
  const erasedAtMs = erasedAt === undefined ? null : Date.parse(erasedAt)
  return {
    registration,
    stored: {
      registration: {
        version,
        view: { collectiveStatus, entries, flags, erasedAtMs },
        registers,
        contents: [],
      },
      rev: rebuild.rev,
      cause: {
        notificationId: cause.notificationId,
        requestTime: cause.requestTime,
        offset: cause.raw.offset,
        appendTimeMs,
      },
    },
  }
}

/** When the cause of its version was appended. */
function timeOf({ headers, timestampMs }: ConsumedRecord): number {
  const timeMs = Date.parse(headers.get('ce_time')?.toString('utf8') ?? '')
  return Number.isNaN(timeMs) ? timestampMs : timeMs
}

function parse(value: Buffer): unknown {
  try {
    return JSON.parse(value.toString('utf8'))
  } catch {
    return null
  }
}
