import type { NamedRegistration } from '@signalbox/registration-store/registration-store'
import { flagsOf } from '@signalbox/registration/flags'
import type { EntryView, Round } from '@signalbox/registration/registration'

/** How the view names the products of an MPP whose dialect names none. */
const unnamedProduct = '*'

/** One registration in the shape of the answer of inquiryRegistrationStatus, what is ours beside it. */
export type RegistrationItem = {
  registrationResult: { registrationStatus: string | null }
  pspRegistrationResultList: {
    pspName: string
    productCodes?: string[]
    registrationResult: { registrationStatus: string; rejectionReason?: string }
  }[]
  signalbox: {
    clientId: string
    referenceMerchantId: string
    referenceStoreId: string | null
    version: number
    /** What is in doubt; `warn` asks for an inquiry. */
    flags: { flag: string; severity: 'info' | 'warn' }[]
    /** The registrationRequestIds it has had, oldest first, by which one without store belongs to those with one. */
    rounds: { registrationRequestId: string; openedAt: string | null; firstSeenAt: string | null }[]
    /** When it was erased, ISO 8601, if nothing was heard since. */
    erasedAt: string | null
    /** When the notification that made this version was received, ISO 8601. */
    updatedAt: string
  }
}

export function registrationItem({ registration, stored }: NamedRegistration): RegistrationItem {
  const { version, view, registers } = stored.registration
  const severities = new Map(flagsOf(registers).map(({ flag, severity }) => [flag, severity]))
  return {
    registrationResult: { registrationStatus: view.collectiveStatus },
    pspRegistrationResultList: [...Map.groupBy(view.entries, answerKey).values()].flatMap(resultOf),
    signalbox: {
      ...registration,
      version,
      // A flag that an older fold has raised and today's would not is shown as long as its version stands.
      flags: view.flags.map((flag) => ({ flag, severity: severities.get(flag) ?? 'warn' })),
      rounds: registers.rounds.map(roundItem),
      erasedAt: momentOf(view.erasedAtMs),
      updatedAt: new Date(stored.cause.appendTimeMs).toISOString(),
    },
  }
}

function roundItem({ id, openedAtMs, firstSeenMs }: Round) {
  return { registrationRequestId: id, openedAt: momentOf(openedAtMs), firstSeenAt: momentOf(firstSeenMs) }
}

function momentOf(epochMs: number | null): string | null {
  return epochMs === null ? null : new Date(epochMs).toISOString()
}

/** Entries about which one MPP says the same make one item, unless one of them names no product. */
function answerKey({ pspName, productCode, status, rejectionReason }: EntryView): string {
  return JSON.stringify([pspName, productCode === unnamedProduct, status, rejectionReason])
}

function resultOf(entries: readonly EntryView[]): RegistrationItem['pspRegistrationResultList'] {
  const [first] = entries
  if (first === undefined) return []
  const { pspName, productCode, status, rejectionReason } = first
  return [
    {
      pspName,
      ...(productCode === unnamedProduct ? {} : { productCodes: entries.map((entry) => entry.productCode) }),
      registrationResult: {
        registrationStatus: status,
        ...(rejectionReason === null ? {} : { rejectionReason }),
      },
    },
  ]
}
