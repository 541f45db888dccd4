import fc from 'fast-check'
import type { Dialect, Notification, NotificationItem } from './observation.ts'

// For tests only. The alphabets are small on purpose: what goes wrong, goes wrong when things collide.

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const beginningMs = 1_600_387_200_000 // 18 September 2020

const clients: readonly { clientId: string; dialect: Dialect; push: boolean }[] = [
  { clientId: 'ALIPAYPLUS', dialect: 'alipayplus', push: false },
  { clientId: 'PUSH', dialect: 'alipayplus', push: true },
  { clientId: 'AMS', dialect: 'ams', push: false },
]

const requestTimeMs = fc
  .oneof(
    fc.nat({ max: 15 }).map((minutes) => minutes * minuteMs),
    fc.nat({ max: 60 }).map((hours) => hours * hourMs),
    fc.nat({ max: 9 }).map((days) => days * dayMs),
  )
  .map((sinceMs) => beginningMs + sinceMs)

function mostly<Usual, Rare>(usual: fc.Arbitrary<Usual>, rare: fc.Arbitrary<Rare>) {
  return fc.oneof({ weight: 9, arbitrary: usual }, { weight: 1, arbitrary: rare })
}

const item: fc.Arbitrary<NotificationItem> = fc.record({
  pspName: fc.constantFrom('ALIPAY_CN', 'AlipayCN', 'GCASH', 'TNG'),
  status: fc.constantFrom('PENDING', 'PENDING', 'APPROVED', 'APPROVED', 'REJECTED', 'CANCELLED', null, ''),
  rejectionReason: fc.constantFrom(null, null, '', 'expired', 'unclear photo', ['b', 'a'], ['']),
  productCodes: mostly(
    fc.constantFrom(['IN_STORE_PAYMENT'], ['IN_STORE_PAYMENT', 'CASHIER_PAYMENT']),
    fc.constantFrom(['NEW_PRODUCT'], ['*'], ['CASHIER_PAYMENT', 'CASHIER_PAYMENT', '']),
  ),
})

/** As many rounds as are remembered in full, and none. */
const anyRound = [null, '', 'R1', 'R2', 'R3', 'R4', 'R5', 'R6', 'R7', 'R8']

/** Fits, and speaks of one and the same registration. */
const soundNotification: fc.Arbitrary<Notification> = fc.record({
  clientId: fc.constant('ALIPAYPLUS'),
  dialect: fc.constant<Dialect>('alipayplus'),
  push: fc.constant(false),
  referenceMerchantId: fc.constant('M1'),
  referenceStoreId: fc.constant('S1'),
  registrationRequestId: fc.constant(null),
  requestTimeMs: fc.constant(beginningMs),
  appendTimeMs: fc.constantFrom(beginningMs, beginningMs + 25 * hourMs, beginningMs - 48 * hourMs),
  collectiveStatus: fc.constantFrom('COMPLETED', 'PENDING'),
  items: fc.array(item, { maxLength: 4 }),
})

const fault: fc.Arbitrary<(sound: Notification) => Notification> = fc.constantFrom(
  (sound: Notification) => ({ ...sound, referenceMerchantId: null }),
  (sound: Notification) => ({ ...sound, referenceMerchantId: 'M'.repeat(65) }),
  (sound: Notification) => ({ ...sound, referenceStoreId: 'S'.repeat(33) }),
  (sound: Notification) => ({ ...sound, registrationRequestId: 'R\0' }),
  (sound: Notification) => ({ ...sound, collectiveStatus: 'DONE' }),
  (sound: Notification) => ({ ...sound, appendTimeMs: sound.requestTimeMs - 49 * hourMs }),
  (sound: Notification) => ({ ...sound, items: sound.items.map((item) => ({ ...item, pspName: '' })) }),
  (sound: Notification) => ({
    ...sound,
    items: sound.items.map((item) => ({ ...item, status: 'approved' })),
  }),
  (sound: Notification) => ({
    ...sound,
    items: sound.items.map((item) => ({ ...item, productCodes: null })),
  }),
)

/** Several clients, merchants and stores; some notifications are missing what only some clients must send. */
const anyNotification: fc.Arbitrary<Notification> = fc
  .record({
    sound: soundNotification,
    client: fc.constantFrom(...clients),
    referenceMerchantId: mostly(fc.constant('M1'), fc.constant('M2')),
    referenceStoreId: mostly(fc.constant('S1'), fc.constantFrom(null, '')),
    collectiveStatus: fc.constantFrom(
      'COMPLETED',
      'COMPLETED',
      'COMPLETED',
      'PENDING',
      'PENDING',
      'PENDING',
      null,
      '',
    ),
    breakIt: mostly(fc.constant(null), fault),
  })
  .map(({ sound, client, breakIt, ...rest }) => {
    const notification = { ...sound, ...client, ...rest }
    return breakIt === null ? notification : breakIt(notification)
  })

/**
 * A few contents in a few rounds, each sent any number of times with any Request-Time, sometimes with an item left
 * out: repeats, late retries of old snapshots, partial lists, reversals, registrations made again.
 */
function historyOf(notification: fc.Arbitrary<Notification>): fc.Arbitrary<Notification[]> {
  const sending = fc.record({ which: fc.nat(), requestTimeMs, omittedItem: fc.nat({ max: 8 }) })
  return fc
    .record({
      rounds: fc.oneof(
        fc.subarray(anyRound, { minLength: 1, maxLength: 2 }),
        fc.subarray(anyRound, { minLength: 1 }),
      ),
      contents: fc.array(fc.record({ notification, inRound: fc.nat() }), {
        minLength: 1,
        maxLength: 12,
        size: 'max',
      }),
      sent: fc.array(sending, { minLength: 1, maxLength: 40, size: 'max' }),
    })
    .map(({ rounds, contents, sent }) =>
      sent.flatMap(({ which, requestTimeMs, omittedItem }) => {
        const content = contents[which % contents.length]
        if (content === undefined) return []
        const { notification, inRound } = content
        const aheadMs = notification.requestTimeMs - notification.appendTimeMs
        return [
          {
            ...notification,
            registrationRequestId:
              notification.registrationRequestId ?? rounds[inRound % rounds.length] ?? null,
            requestTimeMs,
            appendTimeMs: requestTimeMs - aheadMs,
            items: notification.items.toSpliced(omittedItem, 1),
          },
        ]
      }),
    )
}

/** Of one registration, nothing quarantined. */
export const soundHistory = historyOf(soundNotification)

/** Of several registrations and clients; part of it belongs in quarantine. */
export const anyHistory = historyOf(anyNotification)

/** The notifications in any order, each up to three times. */
export function shuffledWithRepeats(history: readonly Notification[]): fc.Arbitrary<Notification[]> {
  const tripled = [...history, ...history, ...history]
  return fc
    .shuffledSubarray(tripled, { minLength: history.length })
    .map((part) => [...part, ...history.filter((notification) => !part.includes(notification))])
}
