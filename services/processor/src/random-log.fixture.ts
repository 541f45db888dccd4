import fc from 'fast-check'
import { bodyOf } from './raw-log.fixture.ts'

/** One notification of a random log: what was said, by whom, and how long before its arrival it was signed. */
export type RandomNotification = { clientId: string; body: string; signedBeforeMs: number }

const hourMs = 3_600_000

const entry = fc.record({
  psp: fc.constantFrom('ALIPAY_CN', 'AlipayCN', 'KAKAOPAY', 'GCASH'),
  codes: fc.subarray(['IN_STORE_PAYMENT', 'CASHIER_PAYMENT', 'NEW_PAYMENT'], { minLength: 1 }),
  status: fc.constantFrom('PENDING', 'APPROVED', 'REJECTED', 'CANCELLED'),
  reason: fc.constantFrom('', 'a', 'b'),
})

const fittingBody = fc
  .record({
    store: fc.constantFrom('', 'S', 'T'),
    round: fc.constantFrom('', 'R1', 'R2', 'R3'),
    collective: fc.constantFrom('PENDING', 'COMPLETED'),
    entries: fc.array(entry, { maxLength: 4 }),
  })
  .map(bodyOf)

const otherBody = fc.constantFrom(
  '',
  '[]',
  '{}',
  '{"referenceMerchantId":"M"}',
  bodyOf({ collective: 'DONE' }),
)

const notification: fc.Arbitrary<RandomNotification> = fc.record({
  clientId: fc.constantFrom('client', 'other'),
  body: fc.oneof({ arbitrary: fittingBody, weight: 9 }, otherBody),
  signedBeforeMs: fc.integer({ min: -1, max: 80 }).map((hours) => hours * hourMs),
})

/** Logs in which a few registrations are spoken of in several rounds, late, again, and now and then in error. For tests. */
export const randomLog = (length: { minLength: number; maxLength: number }) => fc.array(notification, length)
