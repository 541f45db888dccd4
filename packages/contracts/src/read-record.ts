import {
  type Notification,
  type NotificationItem,
  observe,
  observeInquiry,
  observeOpening,
  type Observed,
  type QuarantineReason,
} from '@signalbox/registration/observation'
import type { Statement } from '@signalbox/registration/statement'
import { parseCommandHeaders, type RegistrationCommand, registrationCommand } from './command-record.ts'
import { headerText, type ReadHeaders } from './header-texts.ts'
import { type InquiryBody, readInquiryBody } from './inquiry-body.ts'
import { parseInquiryHeaders } from './inquiry-record.ts'
import type { MemberTree } from './json-text.ts'
import { merchantKey, storeKey } from './keys.ts'
import { type Mark, marksOf } from './marks.ts'
import { readBody, readNotificationBody } from './notification-body.ts'
import { parseRawHeaders } from './raw-record.ts'

export type { Mark } from './marks.ts'

/** What a raw record has to have; a record as read from Kafka is one. */
export type RawRecord = {
  key: string | null
  value: Buffer | null
  headers: ReadHeaders
  /** When it was appended, epoch milliseconds. */
  timestampMs: number
}

/** A raw record and what it says; one whose body cannot be read has no marks. */
export type ReadRecord<R extends RawRecord> = {
  record: R
  /** What names it in all that comes of it; null when its headers cannot be read. */
  cause: RawCause | null
  marks: readonly Mark[]
} & Said

type RawCause = { notificationId: string; requestTime: string; traceparent: string | null }

type Said =
  /** `key` is the registration's. */
  | { kind: 'statement'; statement: Statement; key: string; cause: RawCause }
  | { kind: 'quarantine'; reason: QuarantineReason; where: string }

type Quarantine = Extract<Said, { kind: 'quarantine' }>

/** Reads a raw record. Total, and a function of the record alone. */
export function readRecord<R extends RawRecord>(record: R): ReadRecord<R> {
  switch (headerText(record.headers, 'kind')) {
    case 'inquiry':
      return readInquiry(record)
    case 'command':
      return readCommand(record)
    default:
      return readNotification(record)
  }
}

function readNotification<R extends RawRecord>(record: R): ReadRecord<R> {
  const headers = parseRawHeaders(record.headers)
  if (headers === null) return unreadable(record, 'headers')
  const cause = causeOf(headers)
  if (record.value === null) return { ...unreadable(record, 'value'), cause }
  const read = readNotificationBody(record.value)
  if (read.kind === 'unreadable') return { record, cause, marks: [], ...quarantine(read.reason, read.where) }

  const { body } = read
  const { clientId, dialect, push, requestTimeMs, attributedTo = null } = headers
  const observed = observe({
    clientId,
    dialect,
    push,
    referenceMerchantId: given(body.referenceMerchantId) ?? attributedTo,
    referenceStoreId: body.referenceStoreId ?? null,
    registrationRequestId: body.registrationRequestId ?? null,
    requestTimeMs,
    ...reportedIn(record, body),
  })
  const marks = marksOf({ body, requestTimeMs, appendTimeMs: record.timestampMs })
  return { record, marks, ...underItsKey(record, cause, observed) }
}

/** An answer names no registration and no round: the headers say what was asked for. */
function readInquiry<R extends RawRecord>(record: R): ReadRecord<R> {
  const headers = parseInquiryHeaders(record.headers)
  if (headers === null) return unreadable(record, 'headers')
  const cause = causeOf(headers)
  if (record.value === null) return { ...unreadable(record, 'value'), cause }
  const read = readInquiryBody(record.value)
  if (read.kind === 'failed') return { ...unreadable(record, 'result.resultStatus'), cause }
  if (read.kind === 'unreadable') return { record, cause, marks: [], ...quarantine(read.reason, read.where) }

  const { body } = read
  const { clientId, dialect, requestTimeMs } = headers
  const observed = observeInquiry({
    clientId,
    dialect,
    referenceMerchantId: headers.askedMerchantId,
    referenceStoreId: headers.askedStoreId,
    registrationRequestId: headers.askedRequestId,
    requestTimeMs,
    ...reportedIn(record, body),
  })
  const marks = marksOf({ body, requestTimeMs, appendTimeMs: record.timestampMs })
  return { record, marks, ...underItsKey(record, cause, observed) }
}

function readCommand<R extends RawRecord>(record: R): ReadRecord<R> {
  const headers = parseCommandHeaders(record.headers)
  if (headers === null) return unreadable(record, 'headers')
  const cause = causeOf(headers)
  if (record.value === null) return { ...unreadable(record, 'value'), cause }
  const read = readBody(record.value, registrationCommand, commandMembers)
  if (read.kind === 'unreadable') return { record, cause, marks: [], ...quarantine(read.reason, read.where) }
  const observed = observeCommand(read.body, {
    clientId: headers.clientId,
    appendTimeMs: record.timestampMs,
  })
  return { record, marks: [], ...underItsKey(record, cause, observed) }
}

const used = {}

const commandMembers: MemberTree = {
  members: {
    command: used,
    referenceMerchantId: used,
    referenceStoreId: used,
    registrationRequestId: used,
    openedAt: used,
    productCodes: used,
  },
}

/** A command takes effect with its append, except that a round was opened when the acquirer says so. */
function observeCommand(
  command: RegistrationCommand,
  { clientId, appendTimeMs }: { clientId: string; appendTimeMs: number },
): Observed {
  const { referenceMerchantId, referenceStoreId = null } = command
  const registration = { clientId, referenceMerchantId, referenceStoreId }
  // Such a text shares its key with another one: the command would be about what it does not name.
  if (!isUsable(referenceMerchantId)) return quarantine('invalid_text', 'referenceMerchantId')
  if (!isUsable(referenceStoreId ?? '')) return quarantine('invalid_text', 'referenceStoreId')
  if (hasMoreThan(64, referenceMerchantId)) return quarantine('over_long_id', 'referenceMerchantId')
  if (hasMoreThan(32, referenceStoreId ?? '')) return quarantine('over_long_id', 'referenceStoreId')
  if (command.command === 'registration.opened') {
    return observeOpening({
      registration,
      round: command.registrationRequestId,
      openedAtMs: Date.parse(command.openedAt),
      productCodes: command.productCodes,
      appendTimeMs,
    })
  }
  const isErasure = command.command === 'registration.erased'
  return {
    kind: 'statement',
    statement: isErasure
      ? { kind: 'erasure', registration, erasedAtMs: appendTimeMs }
      : { kind: 'forgetting', registration, appendTimeMs },
  }
}

function isUsable(id: string): boolean {
  return id.isWellFormed() && !id.includes('\0')
}

/** Counted in code points, as everywhere; the schema counts units of `length`, and takes twice as many. */
function hasMoreThan(most: number, id: string): boolean {
  return Array.from(id).length > most
}

/** Under another key it may stand in another partition, where a second worker would keep the same registration. */
function underItsKey(record: RawRecord, cause: RawCause, observed: Observed): Said & { cause: RawCause } {
  if (observed.kind === 'quarantine') return { cause, ...quarantine(observed.reason, observed.where) }
  const { statement } = observed
  const { registration } = statement
  const merchant = merchantKey(registration)
  if (record.key !== merchant) return { cause, ...quarantine('unreadable_record', 'key') }
  return { kind: 'statement', cause, statement, key: storeKey(merchant, registration.referenceStoreId) }
}

function unreadable<R extends RawRecord>(record: R, where: string): ReadRecord<R> {
  return { record, cause: null, marks: [], ...quarantine('unreadable_record', where) }
}

function quarantine(reason: QuarantineReason, where: string): Quarantine {
  return { kind: 'quarantine', reason, where }
}

/** What the sender says of a registration, whether it was asked or not. */
function reportedIn(record: RawRecord, body: InquiryBody) {
  return {
    appendTimeMs: record.timestampMs,
    collectiveStatus: body.registrationResult?.registrationStatus ?? null,
    items: (body.pspRegistrationResultList ?? []).map(itemOf),
  } satisfies Partial<Notification>
}

function causeOf({ notificationId, requestTime, traceparent }: RawCause): RawCause {
  return { notificationId, requestTime, traceparent }
}

function given(text: string | null | undefined): string | null {
  return text === '' ? null : (text ?? null)
}

function itemOf(item: NonNullable<InquiryBody['pspRegistrationResultList']>[number]): NotificationItem {
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
