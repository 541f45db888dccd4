import type { NamedRegistration } from '@signalbox/registration-store/registration-store'
import type { EntryView } from '@signalbox/registration/registration'

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
    flags: string[]
    /** When the notification that made this version was received, ISO 8601. */
    updatedAt: string
  }
}

export function registrationItem({ registration, stored }: NamedRegistration): RegistrationItem {
  const { version, view } = stored.registration
  return {
    registrationResult: { registrationStatus: view.collectiveStatus },
    pspRegistrationResultList: [...Map.groupBy(view.entries, answerKey).values()].flatMap(resultOf),
    signalbox: {
      ...registration,
      version,
      flags: [...view.flags],
      updatedAt: new Date(stored.cause.appendTimeMs).toISOString(),
    },
  }
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
