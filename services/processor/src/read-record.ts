import { merchantKey } from '@signalbox/contracts/keys'
import { type NotificationBody, readNotificationBody } from '@signalbox/contracts/notification-body'
import { parseRawHeaders, type RawHeaders } from '@signalbox/contracts/raw-record'
import type { ConsumedRecord } from '@signalbox/kafka/consumer'
import {
  type Notification,
  type NotificationItem,
  type Observation,
  observe,
  type QuarantineReason,
} from '@signalbox/registration/observation'
import { type Mark, marksOf } from './marks.ts'

/** A raw record and what it says; one whose body cannot be read has no marks. */
export type ReadRecord = { record: ConsumedRecord; headers: RawHeaders | null; marks: readonly Mark[] } & (
  | { kind: 'observation'; observation: Observation; headers: RawHeaders }
  | { kind: 'quarantine'; reason: QuarantineReason; where: string }
)

/** Reads a raw record. Total, and a function of the record alone. */
export function readRecord(record: ConsumedRecord): ReadRecord {
  const headers = parseRawHeaders(record.headers)
  const quarantine = (reason: QuarantineReason, where: string, marks: readonly Mark[] = []) =>
    ({ kind: 'quarantine', record, headers, marks, reason, where }) as const

  if (headers === null) return quarantine('unreadable_record', 'headers')
  if (record.value === null) return quarantine('unreadable_record', 'value')

  const read = readNotificationBody(record.value)
  if (read.kind === 'unreadable') return quarantine(read.reason, read.where)

  const { body } = read
  const appendTimeMs = record.timestampMs
  const marks = marksOf({ body, requestTimeMs: headers.requestTimeMs, appendTimeMs })
  const observed = observe(notificationOf({ headers, body, appendTimeMs }))
  if (observed.kind === 'quarantine') return quarantine(observed.reason, observed.where, marks)

  // Under another key it may stand in another partition, where a second worker would keep the same registration.
  const { observation } = observed
  if (record.key !== merchantKey(observation.registration))
    return quarantine('unreadable_record', 'key', marks)
  return { kind: 'observation', record, headers, marks, observation }
}

function notificationOf(from: {
  headers: RawHeaders
  body: NotificationBody
  appendTimeMs: number
}): Notification {
  const { headers, body, appendTimeMs } = from
  return {
    clientId: headers.clientId,
    dialect: headers.dialect,
    push: headers.push,
    referenceMerchantId: body.referenceMerchantId ?? null,
    referenceStoreId: body.referenceStoreId ?? null,
    registrationRequestId: body.registrationRequestId ?? null,
    requestTimeMs: headers.requestTimeMs,
    appendTimeMs,
    collectiveStatus: body.registrationResult?.registrationStatus ?? null,
    items: (body.pspRegistrationResultList ?? []).map(itemOf),
  }
}

function itemOf(item: NonNullable<NotificationBody['pspRegistrationResultList']>[number]): NotificationItem {
  const { registrationStatus, rejectionReason, rejectReasons } = item.registrationResult ?? {}
  return {
    pspName: item.pspName ?? null,
    status: registrationStatus ?? null,
    rejectionReason: [rejectionReason, rejectReasons].find(isGiven) ?? null,
    productCodes: item.productCodes ?? null,
  }
}

/** An empty text, or a list of nothing else, is the same as none. */
function isGiven(reason: string | readonly string[] | null | undefined): boolean {
  const texts = typeof reason === 'string' ? [reason] : (reason ?? [])
  return texts.some((text) => text !== '')
}
