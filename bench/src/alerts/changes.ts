import { alertId, type RegistrationChangedBody } from '@signalbox/contracts/alert'
import { merchantKey, registrationKey } from '@signalbox/contracts/keys'
import { encodeChange, type RegistrationChange } from '@signalbox/contracts/registration-change'
import { partitionOf } from '@signalbox/kafka/partition'
import type { LogRecord } from '@signalbox/kafka/producer'

export const clientId = 'SANDBOX_5X00000000000000'

/** Makes changes that owe one alert each: every one is the first version of another store of a merchant. */
export function createChanges() {
  let made = 0
  return {
    /** So many, spread over the merchants in turn. */
    take: (count: number, merchants: readonly string[]): RegistrationChange[] =>
      Array.from({ length: count }, (_, index) => {
        const merchant = merchants[index % merchants.length]
        if (merchant === undefined) throw new Error('changes need a merchant')
        return approvalOf(merchant, made++)
      }),
  }
}

function approvalOf(referenceMerchantId: string, n: number): RegistrationChange {
  const store = String(n).padStart(12, '0')
  return {
    registration: { clientId, referenceMerchantId, referenceStoreId: `34${store}` },
    version: 1,
    collectiveStatus: 'PENDING',
    previousCollectiveStatus: 'PENDING',
    entries: [
      {
        pspName: 'ALIPAY_CN',
        productCode: 'IN_STORE_PAYMENT',
        status: 'APPROVED',
        previousStatus: 'PENDING',
        rejectionReason: null,
      },
    ],
    flags: [],
    cause: {
      notificationId: `00000000-0000-4000-8000-${store}`,
      requestTime: '2026-01-02T03:04:05Z',
      raw: { topic: 'registration.raw.v1', partition: 0, offset: String(n) },
    },
  }
}

/** The record that a processor makes of it. */
export function changeRecord(
  change: RegistrationChange,
  { topic, partitions, timeMs }: { topic: string; partitions: number; timeMs: number },
): LogRecord {
  return {
    topic,
    partition: partitionOf(merchantKey(change.registration), partitions),
    ...encodeChange(change, { timeMs, traceparent: null }),
  }
}

/** The id of the alert that a change owes an endpoint. */
export function alertIdOf({ registration, version }: RegistrationChange, endpointId: string): string {
  return alertId({ subject: registrationKey(registration), version, endpointId })
}

/** The body of an alert, as those make it who only look at the entries. */
export function plainBodyOf(change: RegistrationChange, { timestamp }: { timestamp: string }): string {
  const { registration, version, collectiveStatus: collective } = change
  const body: RegistrationChangedBody = {
    type: 'registration.changed',
    timestamp,
    data: {
      registration,
      version,
      collective,
      events: change.entries
        .filter(({ status, previousStatus }) => status === 'APPROVED' && previousStatus !== status)
        .map((entry) => ({ type: 'entry.approved', ...entry })),
    },
  }
  return JSON.stringify(body)
}
