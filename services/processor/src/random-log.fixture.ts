import type { RegistrationCommand } from '@signalbox/contracts/command-record'
import fc from 'fast-check'
import { answerOf, bodyOf } from './raw-log.fixture.ts'

/** One record of a random log: what was said, by whom, and how long before its arrival it was signed. */
export type RandomRecord = { clientId: string; signedBeforeMs: number; afterMs: number } & (
  | { kind: 'notification'; body: string }
  | { kind: 'inquiry'; body: string; store: string | null; round: string | null }
  | { kind: 'command'; body: string }
)

const hourMs = 3_600_000

const clientId = fc.constantFrom('client', 'other')
const signedBeforeMs = fc.integer({ min: -1, max: 80 }).map((hours) => hours * hourMs)
/** Long enough, now and then, for an erased registration to be forgotten. */
const afterMs = fc.constantFrom(...Array<number>(9).fill(hourMs), 32 * 24 * hourMs)
const store = fc.constantFrom('', 'S', 'T')
const round = fc.constantFrom('', 'R1', 'R2', 'R3')
const collective = fc.constantFrom('PENDING', 'COMPLETED')

const entry = fc.record({
  psp: fc.constantFrom('ALIPAY_CN', 'AlipayCN', 'KAKAOPAY', 'GCASH'),
  codes: fc.subarray(['IN_STORE_PAYMENT', 'CASHIER_PAYMENT', 'NEW_PAYMENT'], { minLength: 1 }),
  status: fc.constantFrom('PENDING', 'APPROVED', 'REJECTED', 'CANCELLED'),
  reason: fc.constantFrom('', 'a', 'b'),
})
const entries = fc.array(entry, { maxLength: 4 })

const otherBody = fc.constantFrom(
  '',
  '[]',
  '{}',
  '{"referenceMerchantId":"M"}',
  bodyOf({ collective: 'DONE' }),
)

const notification: fc.Arbitrary<RandomRecord> = fc.record({
  kind: fc.constant('notification'),
  clientId,
  body: fc.oneof(
    { arbitrary: fc.record({ store, round, collective, entries }).map(bodyOf), weight: 9 },
    otherBody,
  ),
  signedBeforeMs,
  afterMs,
})

const inquiry: fc.Arbitrary<RandomRecord> = fc.record({
  kind: fc.constant('inquiry'),
  clientId,
  body: fc.oneof({ arbitrary: fc.record({ collective, entries }).map(answerOf), weight: 9 }, otherBody),
  store: store.map(orNull),
  round: round.map(orNull),
  signedBeforeMs,
  afterMs,
})

const about = { referenceMerchantId: fc.constant('M'), referenceStoreId: store.map(orUndefined) }
const commandBody: fc.Arbitrary<string> = fc
  .oneof(
    fc.record({
      command: fc.constant('registration.opened'),
      ...about,
      registrationRequestId: fc.constantFrom('R1', 'R2', 'R3'),
      openedAt: fc
        .integer({ min: 0, max: 100 })
        .map((hours) => new Date(openedMs + hours * hourMs).toISOString()),
      productCodes: fc.subarray(['IN_STORE_PAYMENT', 'CASHIER_PAYMENT']),
    }),
    fc.record({ command: fc.constantFrom('registration.erased', 'registration.forgotten'), ...about }),
  )
  .map((command) => JSON.stringify(command satisfies Partial<Record<keyof RegistrationCommand, unknown>>))
const openedMs = Date.UTC(2023, 11, 29)

const command: fc.Arbitrary<RandomRecord> = fc.record({
  kind: fc.constant('command'),
  clientId,
  body: fc.oneof({ arbitrary: commandBody, weight: 9 }, fc.constantFrom('', '{}', '{"command":"other"}')),
  signedBeforeMs,
  afterMs,
})

const record = fc.oneof(
  { arbitrary: notification, weight: 6 },
  { arbitrary: inquiry, weight: 1 },
  { arbitrary: command, weight: 2 },
)

/**
 * Logs in which a few registrations are spoken of in several rounds, late, again, and now and then in error, are
 * opened, inquired, erased and forgotten. For tests.
 */
export const randomLog = (length: { minLength: number; maxLength: number }) => fc.array(record, length)

function orNull(text: string): string | null {
  return text === '' ? null : text
}

function orUndefined(text: string): string | undefined {
  return text === '' ? undefined : text
}
