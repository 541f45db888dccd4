import {
  type CollectiveStatus,
  compareEntries,
  entryKey,
  type EntryStatus,
  type InquiryAnswer,
  isFinal,
  type Observation,
  type ObservedEntry,
  type Opening,
  type RegistrationId,
  type Snapshot,
  type Statement,
} from './statement.ts'
import { compareText, greaterText } from './text-order.ts'

export type Dialect = 'alipayplus' | 'ams'

/**
 * A notification whose JSON shape has been checked (strings are strings, lists are lists), nothing more.
 * null = not given; the empty string is passed through and means the same.
 */
export type Notification = {
  clientId: string
  dialect: Dialect
  /** Whether the client is configured for merchant-presented push mode, where every registration has a store. */
  push: boolean
  referenceMerchantId: string | null
  referenceStoreId: string | null
  registrationRequestId: string | null
  requestTimeMs: number
  appendTimeMs: number
  collectiveStatus: string | null
  items: readonly NotificationItem[]
}

export type NotificationItem = {
  pspName: string | null
  status: string | null
  rejectionReason: string | readonly string[] | null
  productCodes: readonly string[] | null
}

/** Closed list. Those about the shape of the message are raised before `observe`, the rest by it and by `fold`. */
export type QuarantineReason =
  | 'not_json_object'
  | 'too_deep'
  | 'too_many_tokens'
  | 'invalid_text'
  | 'duplicate_member'
  | 'wrong_type'
  | 'missing_member'
  | 'unknown_status'
  | 'over_long_id'
  | 'unattributable'
  | 'store_missing'
  | 'implausible_time'
  | 'too_many_rounds'
  | 'registration_too_large'
  | 'unreadable_record'

/** What a record says, or why it is not let in. */
export type Observed<Said extends Statement = Statement> =
  | { kind: 'statement'; statement: Said }
  /** `where` is a member path such as `pspRegistrationResultList[2].pspName`, never text of the message. */
  | { kind: 'quarantine'; reason: QuarantineReason; where: string }

/** Farther ahead of its own arrival, a Request-Time would outrank the truth for ever. */
const mostAheadMs = 48 * 3_600_000

/** Beyond every year of four digits; keeps differences of times exact. */
const anyYearMs = 1e15

const mostCodePoints = {
  referenceMerchantId: 64,
  referenceStoreId: 32,
  registrationRequestId: 64,
  rejectionReason: 1024,
}

/** What a change or state record can hold: 0.9 of the 8 MiB of their topics. */
const mostRecordBytes = Math.floor(0.9 * 8 * 2 ** 20)

/**
 * Each unit takes a byte or more of the record. A reason counts once for each product code of its item, so a small
 * message could otherwise mean more text than memory holds, and be refused only after it has all been written out.
 */
const mostTextUnits = mostRecordBytes

/**
 * An entry with names of one letter takes 98 bytes of a change record, so no message that names more of them would
 * fit. It is refused before an object has been made of each code; codes that repeat count too.
 */
const mostMentions = 80_000

/** Spellings that other dialects and SDKs use for an MPP that Alipay+ names differently. */
const canonicalPspNames = new Map([
  ['AlipayCN', 'ALIPAY_CN'],
  ['ALIPAYCN', 'ALIPAY_CN'],
])

const knownProductCodes = new Set(['CASHIER_PAYMENT', 'AGREEMENT_PAYMENT', 'IN_STORE_PAYMENT'])

/** AMS does not name products: its answers are about all that the MPP offers. */
const unnamedProduct = '*'

/**
 * What a notification says, or why it is not let in. It depends on the notification alone: never on what is known
 * already, on configuration or on the time of day, so a replay says the same.
 */
export function observe(notification: Notification): Observed<Observation> {
  const read = readSnapshot(notification)
  return read.kind === 'quarantine'
    ? read
    : { kind: 'statement', statement: { kind: 'notification', ...read.snapshot } }
}

/**
 * The same of the answer to an inquiry. An answer names no registration and no round: the ids are those that were
 * asked for, and `requestTimeMs` is its Response-Time.
 */
export function observeInquiry(answer: Omit<Notification, 'push'>): Observed<InquiryAnswer> {
  // Whoever asked knew the registration, so a missing store is none that was forgotten.
  const read = readSnapshot({ ...answer, push: false })
  return read.kind === 'quarantine'
    ? read
    : { kind: 'statement', statement: { kind: 'inquiry', ...read.snapshot } }
}

/** The same of a command that opens a round. */
export function observeOpening({
  appendTimeMs,
  ...opened
}: Omit<Opening, 'kind'> & { appendTimeMs: number }): Observed<Opening> {
  const { registration, round, openedAtMs, productCodes } = opened
  if (registration.referenceMerchantId === '') return quarantine('unattributable', 'referenceMerchantId')
  if (round === '') return quarantine('missing_member', 'registrationRequestId')
  const fault = faultOfIds(registration, round)
  if (fault !== null) return fault
  if (!isPlausible(openedAtMs, appendTimeMs)) return quarantine('implausible_time', 'openedAt')
  if (!productCodes.every(isUsableText)) return quarantine('invalid_text', 'productCodes')
  return {
    kind: 'statement',
    statement: {
      kind: 'opening',
      ...opened,
      registration: { ...registration, referenceStoreId: given(registration.referenceStoreId) },
      productCodes: [...new Set(productCodes.filter((code) => code !== ''))].toSorted(compareText),
    },
  }
}

type Quarantine = Extract<Observed, { kind: 'quarantine' }>
type ReadSnapshot = { kind: 'snapshot'; snapshot: Snapshot } | Quarantine

function readSnapshot(notification: Notification): ReadSnapshot {
  const { clientId, dialect, requestTimeMs } = notification
  const merchant = given(notification.referenceMerchantId)
  const store = given(notification.referenceStoreId)
  const round = given(notification.registrationRequestId)

  if (merchant === null) return quarantine('unattributable', 'referenceMerchantId')
  if (store === null && notification.push) return quarantine('store_missing', 'referenceStoreId')
  const registration = { clientId, referenceMerchantId: merchant, referenceStoreId: store }
  const fault = faultOfIds(registration, round)
  if (fault !== null) return fault

  if (!isPlausible(requestTimeMs, notification.appendTimeMs)) {
    return quarantine('implausible_time', 'Request-Time')
  }

  const collective = given(notification.collectiveStatus)
  const collectiveAt = 'registrationResult.registrationStatus'
  if (collective === null && dialect === 'alipayplus') return quarantine('missing_member', collectiveAt)
  if (collective !== null && !isCollectiveStatus(collective)) {
    return quarantine('unknown_status', collectiveAt)
  }

  if (mentionsIn(notification.items) > mostMentions) {
    return quarantine('registration_too_large', 'pspRegistrationResultList')
  }
  const mentions: ObservedEntry[] = []
  let unusualValue = false
  let index = 0
  for (const item of notification.items) {
    const said = readItem(item, { dialect, index })
    if (said.kind === 'quarantine') return said
    for (const mention of said.mentions) mentions.push(mention)
    unusualValue ||= said.unusualValue
    index += 1
  }
  if (textUnitsIn(mentions) > mostTextUnits) {
    return quarantine('registration_too_large', 'pspRegistrationResultList')
  }

  return {
    kind: 'snapshot',
    snapshot: {
      registration,
      round,
      requestTimeMs,
      collective,
      ...entriesOf(mentions),
      unusualValue,
    },
  }
}

type ItemSaid = { kind: 'mentions'; mentions: ObservedEntry[]; unusualValue: boolean } | Quarantine

/** One list item: an entry per product code. */
function readItem(item: NotificationItem, { dialect, index }: { dialect: Dialect; index: number }): ItemSaid {
  const at = (member: string) => `pspRegistrationResultList[${index}].${member}`
  const pspName = given(item.pspName)
  if (pspName === null) return quarantine('missing_member', at('pspName'))
  if (!isUsableText(pspName)) return quarantine('invalid_text', at('pspName'))

  const reportedCodes = (item.productCodes ?? []).filter((code) => code !== '')
  if (reportedCodes.length === 0 && dialect === 'alipayplus') {
    return quarantine('missing_member', at('productCodes'))
  }
  if (!reportedCodes.every(isUsableText)) return quarantine('invalid_text', at('productCodes'))

  // An MPP that is listed without a result has not answered yet.
  const status = given(item.status) ?? 'PENDING'
  if (!isEntryStatus(status)) {
    return quarantine('unknown_status', at('registrationResult.registrationStatus'))
  }

  const rejectionReason = readReason(item.rejectionReason)
  const canonicalName = canonicalPspNames.get(pspName)
  const productCodes = reportedCodes.length === 0 ? [unnamedProduct] : reportedCodes
  return {
    kind: 'mentions',
    mentions: productCodes.map((productCode) => ({
      pspName: canonicalName ?? pspName,
      productCode,
      status,
      rejectionReason,
      reportedPspName: canonicalName === undefined ? null : pspName,
    })),
    unusualValue:
      !reportedCodes.every((code) => knownProductCodes.has(code)) ||
      (rejectionReason !== null && isUnusualReason(rejectionReason, status)),
  }
}

/** What a list says about each entry; one about which it says two different finals is left out. */
function entriesOf(mentions: readonly ObservedEntry[]): Pick<Snapshot, 'entries' | 'selfContradiction'> {
  const entries: ObservedEntry[] = []
  const contradicted = new Set<string>()
  // In their order, so that the mentions of one entry stand behind each other.
  for (const mention of mentions.toSorted(compareEntries)) {
    const said = entries.at(-1)
    if (said === undefined || compareEntries(said, mention) !== 0) {
      entries.push(mention)
      continue
    }
    if (isContradiction(said.status, mention.status)) contradicted.add(entryKey(mention))
    entries[entries.length - 1] = combine(said, mention)
  }
  return {
    entries:
      contradicted.size === 0 ? entries : entries.filter((entry) => !contradicted.has(entryKey(entry))),
    selfContradiction: contradicted.size > 0,
  }
}

function isContradiction(said: EntryStatus, mentioned: EntryStatus): boolean {
  return isFinal(said) && isFinal(mentioned) && said !== mentioned
}

/** Two mentions of one entry, not two different finals: a final says more than PENDING. */
function combine(said: ObservedEntry, mention: ObservedEntry): ObservedEntry {
  const reportedPspName = greaterText(said.reportedPspName, mention.reportedPspName)
  if (said.status !== mention.status) {
    return { ...(isFinal(said.status) ? said : mention), reportedPspName }
  }
  return {
    ...said,
    rejectionReason: greaterText(said.rejectionReason, mention.rejectionReason),
    reportedPspName,
  }
}

/** Each item mentions an entry per product code, or one. */
function mentionsIn(items: readonly NotificationItem[]): number {
  return items.reduce((sum, { productCodes }) => sum + Math.max(1, productCodes?.length ?? 0), 0)
}

function textUnitsIn(mentions: readonly ObservedEntry[]): number {
  return mentions.reduce(
    (units, { pspName, productCode, rejectionReason }) =>
      units + pspName.length + productCode.length + (rejectionReason?.length ?? 0),
    0,
  )
}

/** Reasons given as a list become one text, in an order that the sender's order does not change. */
function readReason(reported: string | readonly string[] | null): string | null {
  if (reported === null || typeof reported === 'string') return given(reported)
  return given(
    reported
      .filter((reason) => reason !== '')
      .toSorted(compareText)
      .join('; '),
  )
}

function isUnusualReason(reason: string, status: EntryStatus): boolean {
  return status !== 'REJECTED' || isLongerThan(reason, mostCodePoints.rejectionReason)
}

function faultOfIds(registration: RegistrationId, round: string | null): Quarantine | null {
  return (
    faultOfId('referenceMerchantId', registration.referenceMerchantId) ??
    faultOfId('referenceStoreId', registration.referenceStoreId) ??
    faultOfId('registrationRequestId', round)
  )
}

function faultOfId(
  member: 'referenceMerchantId' | 'referenceStoreId' | 'registrationRequestId',
  id: string | null,
): Quarantine | null {
  if (id === null) return null
  if (!isUsableText(id)) return quarantine('invalid_text', member)
  return isLongerThan(id, mostCodePoints[member]) ? quarantine('over_long_id', member) : null
}

function isPlausible(requestTimeMs: number, appendTimeMs: number): boolean {
  return (
    Number.isInteger(requestTimeMs) &&
    Math.abs(requestTimeMs) < anyYearMs &&
    requestTimeMs - appendTimeMs <= mostAheadMs
  )
}

function quarantine(reason: QuarantineReason, where: string): Quarantine {
  return { kind: 'quarantine', reason, where }
}

function given(text: string | null): string | null {
  return text === '' ? null : text
}

/** Half a surrogate pair has no UTF-8 form, and NUL separates the parts of our own keys. */
function isUsableText(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0')
}

/** A code point is one or two units of `text.length`. */
function isLongerThan(text: string, most: number): boolean {
  if (text.length <= most) return false
  return text.length > 2 * most || Array.from(text).length > most
}

function isCollectiveStatus(text: string): text is CollectiveStatus {
  return text === 'COMPLETED' || text === 'PENDING'
}

function isEntryStatus(text: string): text is EntryStatus {
  return text === 'PENDING' || text === 'APPROVED' || text === 'REJECTED' || text === 'CANCELLED'
}
