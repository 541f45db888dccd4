import { alertId } from '@signalbox/contracts/alert'
import { merchantKey, registrationKey } from '@signalbox/contracts/keys'
import { encodeChange, type RegistrationChange } from '@signalbox/contracts/registration-change'
import { topics } from '@signalbox/contracts/topics'
import { partitionOf } from '@signalbox/kafka/partition'
import { alertsPerChange, endpoints, merchants } from './plan.ts'

export const clientId = 'CHAOS'

/** Registrations per merchant; each goes through versions as changes come. */
const stores = 20

/** The changes that owe so many alerts, as the processor would publish them. */
export function changesFor(alerts: number): RegistrationChange[] {
  return Array.from({ length: Math.ceil(alerts / alertsPerChange) }, (_, n) => {
    const merchant = merchants[n % merchants.length] ?? merchants[0]
    const round = Math.floor(n / merchants.length)
    const version = Math.floor(round / stores) + 1
    const isApproved = version % 2 === 1
    return {
      registration: {
        clientId,
        referenceMerchantId: merchant,
        referenceStoreId: `store-${round % stores}`,
      },
      version,
      collectiveStatus: 'PENDING',
      previousCollectiveStatus: 'PENDING',
      entries: [
        {
          pspName: 'ALIPAY_CN',
          productCode: 'IN_STORE_PAYMENT',
          status: isApproved ? 'APPROVED' : 'REJECTED',
          previousStatus: version === 1 ? 'PENDING' : isApproved ? 'REJECTED' : 'APPROVED',
          rejectionReason: null,
        },
      ],
      flags: [],
      cause: {
        notificationId: `chaos-${n}`,
        requestTime: '2026-01-02T03:04:05Z',
        raw: { topic: topics.raw.name, partition: 0, offset: String(n) },
      },
    }
  })
}

/** The record that a processor makes of a change, caused at `timeMs`. */
export function recordOf(
  change: RegistrationChange,
  { partitions, timeMs }: { partitions: number; timeMs: number },
) {
  return {
    topic: topics.changes.name,
    partition: partitionOf(merchantKey(change.registration), partitions),
    ...encodeChange(change, { timeMs, traceparent: null }),
  }
}

/** The ids of the alerts that changes owe, each with the partition of its change. */
export function alertsOwed(
  changes: readonly RegistrationChange[],
  { partitions }: { partitions: number },
): Map<string, number> {
  return new Map(
    changes.flatMap(({ registration, version }) => {
      const partition = partitionOf(merchantKey(registration), partitions)
      const subject = registrationKey(registration)
      return endpoints
        .filter(({ merchant }) => merchant === '*' || merchant === registration.referenceMerchantId)
        .map(({ id: endpointId }) => [alertId({ subject, version, endpointId }), partition] as const)
    }),
  )
}
