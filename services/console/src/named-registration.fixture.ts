import type { NamedRegistration } from '@signalbox/registration-store/registration-store'
import {
  type EntryView,
  emptyRegistration,
  type Registers,
  type Round,
  type View,
} from '@signalbox/registration/registration'

/** A registration as the processor stores it, of which a test tells what matters to it. */
export function namedRegistration(of: {
  clientId?: string
  merchant?: string
  store?: string | null
  round?: string
  rounds?: readonly (Partial<Round> & Pick<Round, 'id'>)[]
  registers?: Partial<Registers>
  version?: number
  collectiveStatus?: View['collectiveStatus']
  entries?: readonly EntryView[]
  flags?: View['flags']
  erasedAtMs?: number
}): NamedRegistration {
  return {
    registration: {
      clientId: of.clientId ?? 'C1',
      referenceMerchantId: of.merchant ?? 'M1',
      referenceStoreId: of.store ?? null,
    },
    stored: {
      registration: {
        ...emptyRegistration,
        version: of.version ?? 1,
        view: {
          collectiveStatus: of.collectiveStatus ?? null,
          entries: of.entries ?? [],
          flags: of.flags ?? [],
          erasedAtMs: of.erasedAtMs ?? null,
        },
        registers: {
          ...emptyRegistration.registers,
          rounds: (of.rounds ?? (of.round === undefined ? [] : [{ id: of.round }])).map((round) => ({
            firstSeenMs: 1_700_000_000_000,
            openedAtMs: null,
            productCodes: [],
            ...round,
          })),
          ...of.registers,
        },
      },
      rev: '12',
      cause: {
        notificationId: 'n1',
        requestTime: '1700000000000',
        offset: '12',
        appendTimeMs: Date.UTC(2026, 4, 3, 9, 30),
      },
    },
  }
}
