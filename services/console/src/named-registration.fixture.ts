import type { NamedRegistration } from '@signalbox/registration-store/registration-store'
import { type EntryView, emptyRegistration, type View } from '@signalbox/registration/registration'

/** A registration as the processor stores it, of which a test tells what matters to it. */
export function namedRegistration(of: {
  clientId?: string
  merchant?: string
  store?: string | null
  round?: string
  version?: number
  collectiveStatus?: View['collectiveStatus']
  entries?: readonly EntryView[]
  flags?: View['flags']
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
        },
        registers: {
          rounds: of.round === undefined ? [] : [{ id: of.round, firstSeenMs: 1_700_000_000_000 }],
          sightings: [],
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
