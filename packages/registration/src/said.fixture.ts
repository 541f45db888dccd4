import { join } from './join.ts'
import { emptyRegistration, type Registers } from './registration.ts'
import type {
  EntryStatus,
  Erasure,
  Forgetting,
  InquiryAnswer,
  Observation,
  ObservedEntry,
  Opening,
  Snapshot,
  Statement,
} from './statement.ts'
import { compareText } from './text-order.ts'

// For tests only: statements about one registration, signed so long after the start.

export const minuteMs = 60_000
export const hourMs = 60 * minuteMs
export const dayMs = 24 * hourMs
export const startMs = 1_600_387_200_000 // 18 September 2020

export const nothing = emptyRegistration.registers

const registration = { clientId: 'C', referenceMerchantId: 'M', referenceStoreId: null }

export type Said = Partial<Omit<Snapshot, 'entries' | 'requestTimeMs'>> & {
  atMs: number
  /** Statuses by pspName. */
  entries?: Record<string, EntryStatus>
}

function snapshot({ atMs, entries = {}, ...rest }: Said): Snapshot {
  return {
    registration,
    round: 'R1',
    requestTimeMs: startMs + atMs,
    collective: 'PENDING',
    selfContradiction: false,
    unusualValue: false,
    ...rest,
    entries: Object.entries(entries)
      .toSorted(([left], [right]) => compareText(left, right))
      .map(([pspName, status]) => ({
        pspName,
        productCode: '*',
        status,
        rejectionReason: null,
        reportedPspName: null,
      })),
  }
}

export function say(said: Said): Observation {
  return { kind: 'notification', ...snapshot(said) }
}

/** Speaks of one entry alone. */
export function sayEntry({ atMs, ...changed }: { atMs: number } & Partial<ObservedEntry>): Observation {
  const entry: ObservedEntry = {
    pspName: 'ALIPAY_CN',
    productCode: '*',
    status: 'PENDING',
    rejectionReason: null,
    reportedPspName: null,
  }
  return { ...say({ atMs }), entries: [{ ...entry, ...changed }] }
}

/** `round` is the one that was asked for. */
export function answer(said: Said): InquiryAnswer {
  return { kind: 'inquiry', ...snapshot(said) }
}

export function open(round: string, atMs: number, productCodes: readonly string[] = []): Opening {
  return { kind: 'opening', registration, round, openedAtMs: startMs + atMs, productCodes }
}

export function erase(atMs: number): Erasure {
  return { kind: 'erasure', registration, erasedAtMs: startMs + atMs }
}

export function forget(atMs: number): Forgetting {
  return { kind: 'forgetting', registration, appendTimeMs: startMs + atMs }
}

export function registersAfter(...statements: Exclude<Statement, Forgetting>[]): Registers {
  return statements.reduce(join, nothing)
}
