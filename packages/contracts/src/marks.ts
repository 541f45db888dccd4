import type { NotificationBody } from './notification-body.ts'

/** What is odd about a record and worth counting, and changes nothing about what it says. Closed list. */
export type Mark = 'empty_text' | 'late' | 'early' | 'long_merchant_id'

const minuteMs = 60_000
/** The sender's last retry comes 24 h 22 min after the first copy, perhaps with the first Request-Time. */
const lateMs = 25 * 60 * minuteMs
const earlyMs = 5 * minuteMs
/** In code points: one dialect's documents say 32, the other's 64. */
const shortMerchantId = 32

/** The marks of a record whose body could be read. A function of the record alone. */
export function marksOf({
  body,
  requestTimeMs,
  appendTimeMs,
}: {
  body: NotificationBody
  requestTimeMs: number
  appendTimeMs: number
}): readonly Mark[] {
  const { referenceMerchantId } = body
  const marks: Mark[] = []
  if (hasEmptyText(body)) marks.push('empty_text')
  if (appendTimeMs - requestTimeMs > lateMs) marks.push('late')
  if (requestTimeMs - appendTimeMs > earlyMs) marks.push('early')
  if (referenceMerchantId && isLongMerchantId(referenceMerchantId)) marks.push('long_merchant_id')
  return marks
}

/** In any of the members that we use. */
function hasEmptyText(body: NotificationBody): boolean {
  if (body.referenceMerchantId === '' || body.referenceStoreId === '') return true
  if (body.registrationRequestId === '' || body.registrationResult?.registrationStatus === '') return true
  return (body.pspRegistrationResultList ?? []).some(
    ({ pspName, productCodes, registrationResult }) =>
      pspName === '' ||
      productCodes?.includes('') ||
      registrationResult?.registrationStatus === '' ||
      isEmptyText(registrationResult?.rejectionReason) ||
      isEmptyText(registrationResult?.rejectReasons),
  )
}

function isEmptyText(reason: string | readonly string[] | null | undefined): boolean {
  return typeof reason === 'string' ? reason === '' : (reason?.includes('') ?? false)
}

function isLongMerchantId(id: string): boolean {
  // A code point is one or two units of `length`.
  if (id.length <= shortMerchantId) return false
  return id.length > 2 * shortMerchantId || Array.from(id).length > shortMerchantId
}
