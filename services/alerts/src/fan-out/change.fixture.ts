import type { RegistrationChange } from '@signalbox/contracts/registration-change'

type Entry = RegistrationChange['entries'][number]

/** A change in which one entry was approved, unless told otherwise. */
export function changeOf(differs: Partial<RegistrationChange> = {}): RegistrationChange {
  return {
    registration: { clientId: 'client', referenceMerchantId: 'merchant', referenceStoreId: null },
    version: 2,
    collectiveStatus: 'PENDING',
    previousCollectiveStatus: 'PENDING',
    entries: [entryOf()],
    flags: [],
    cause: {
      notificationId: 'notification',
      requestTime: '2026-01-02T03:04:05Z',
      raw: { topic: 'raw', partition: 0, offset: '7' },
    },
    ...differs,
  }
}

export function entryOf(differs: Partial<Entry> = {}): Entry {
  return {
    pspName: 'ALIPAY_CN',
    productCode: 'CASHIER_PAYMENT',
    status: 'APPROVED',
    previousStatus: 'PENDING',
    rejectionReason: null,
    ...differs,
  }
}
