import type { NotificationBody } from './notification-body.ts'
import { expect, test } from 'vitest'
import { marksOf } from './marks.ts'

const appendTimeMs = Date.UTC(2024, 0, 1)
const hourMs = 3_600_000
const minuteMs = 60_000

const marks = ({ signedMs = 0, ...body }: NotificationBody & { signedMs?: number }) =>
  marksOf({
    body: { referenceMerchantId: 'M', ...body },
    requestTimeMs: appendTimeMs + signedMs,
    appendTimeMs,
  })

test.each<[string, NotificationBody]>([
  ['the merchant', { referenceMerchantId: '' }],
  ['the store', { referenceStoreId: '' }],
  ['the request id', { registrationRequestId: '' }],
  ['the collective status', { registrationResult: { registrationStatus: '' } }],
  ['a pspName', { pspRegistrationResultList: [{ pspName: 'P' }, { pspName: '' }] }],
  ['a status', { pspRegistrationResultList: [{ registrationResult: { registrationStatus: '' } }] }],
  ['a reason', { pspRegistrationResultList: [{ registrationResult: { rejectionReason: '' } }] }],
  [
    'a reason of a list',
    { pspRegistrationResultList: [{ registrationResult: { rejectReasons: ['a', ''] } }] },
  ],
  ['a product code', { pspRegistrationResultList: [{ productCodes: ['A', ''] }] }],
])('an empty text is marked: %s', (_, body) => {
  expect(marks(body)).toEqual(['empty_text'])
})

test('members that are null, absent or empty lists are not empty texts', () => {
  const item = { pspName: null, productCodes: [], registrationResult: null }
  expect(marks({ referenceStoreId: null, pspRegistrationResultList: [item] })).toEqual([])
})

test.each([
  ['25 h ago', -25 * hourMs, []],
  ['more than 25 h ago', -25 * hourMs - 1, ['late']],
  ['5 min after it arrived', 5 * minuteMs, []],
  ['more than 5 min after it arrived', 5 * minuteMs + 1, ['early']],
])('what was signed %s is marked so', (_, signedMs, expected) => {
  expect(marks({ signedMs })).toEqual(expected)
})

test('merchant ids above 32 code points are marked', () => {
  expect(marks({ referenceMerchantId: '😀'.repeat(32) })).toEqual([])
  expect(marks({ referenceMerchantId: '😀'.repeat(33) })).toEqual(['long_merchant_id'])
  expect(marks({ referenceMerchantId: 'm'.repeat(1_000_000) })).toEqual(['long_merchant_id'])
})

test('a record may have several marks', () => {
  expect(
    marks({ referenceMerchantId: 'm'.repeat(33), referenceStoreId: '', signedMs: -26 * hourMs }),
  ).toEqual(['empty_text', 'late', 'long_merchant_id'])
})
