import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { observations } from './fold-log.fixture.ts'
import {
  type Notification,
  type NotificationItem,
  observe,
  observeInquiry,
  observeOpening,
} from './observation.ts'
import { soundHistory } from './random-history.fixture.ts'
import { contentHash, hashLetters, type Observation, type ObservedEntry } from './statement.ts'

const signedAtMs = Date.UTC(2020, 8, 18, 11)
const hourMs = 3_600_000

const item: NotificationItem = {
  pspName: 'GCASH',
  status: 'APPROVED',
  rejectionReason: null,
  productCodes: ['IN_STORE_PAYMENT'],
}

const notification: Notification = {
  clientId: 'SANDBOX_5X00000000000000',
  dialect: 'alipayplus',
  push: false,
  referenceMerchantId: '2188120000190000',
  referenceStoreId: '340000',
  registrationRequestId: '2020091811058602000006001420000',
  requestTimeMs: signedAtMs,
  appendTimeMs: signedAtMs + 1000,
  collectiveStatus: 'COMPLETED',
  items: [item],
}

const ams: Partial<Notification> = { dialect: 'ams' }

function observed(changed: Partial<Notification>): Observation {
  const [observation] = observations([{ ...notification, ...changed }])
  if (observation === undefined) throw new Error('one notification gives one observation')
  return observation
}

function manyCodes(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `P${index}`)
}

/** 0.9 of 8 MiB. */
const recordUnits = 7_549_747

/** For `item`, whose names count as well. */
function reasonThatFills(units: number): string {
  return 'r'.repeat(units - 'GCASH'.length - 'IN_STORE_PAYMENT'.length)
}

function observedItems(...items: Partial<NotificationItem>[]): Observation {
  return observed({ items: items.map((changed) => ({ ...item, ...changed })) })
}

describe('the documented samples', () => {
  test('an Alipay+ notification with one MPP and two products', () => {
    const observation = observedItems(
      {
        pspName: 'ALIPAY_CN',
        status: 'REJECTED',
        rejectionReason: 'rejectionReason message',
        productCodes: ['IN_STORE_PAYMENT'],
      },
      { pspName: 'ALIPAY_CN', status: 'APPROVED', productCodes: ['CASHIER_PAYMENT'] },
    )
    expect(observation).toEqual({
      kind: 'notification',
      registration: {
        clientId: 'SANDBOX_5X00000000000000',
        referenceMerchantId: '2188120000190000',
        referenceStoreId: '340000',
      },
      round: '2020091811058602000006001420000',
      requestTimeMs: signedAtMs,
      collective: 'COMPLETED',
      entries: [
        {
          pspName: 'ALIPAY_CN',
          productCode: 'CASHIER_PAYMENT',
          status: 'APPROVED',
          rejectionReason: null,
          reportedPspName: null,
        },
        {
          pspName: 'ALIPAY_CN',
          productCode: 'IN_STORE_PAYMENT',
          status: 'REJECTED',
          rejectionReason: 'rejectionReason message',
          reportedPspName: null,
        },
      ],
      selfContradiction: false,
      unusualValue: false,
    })
  })

  test('an AMS notification speaks of all products of an MPP that it spells its own way', () => {
    const observation = observed({
      ...ams,
      items: [{ pspName: 'AlipayCN', status: 'APPROVED', rejectionReason: null, productCodes: null }],
    })
    expect(observation.entries).toEqual([
      {
        pspName: 'ALIPAY_CN',
        productCode: '*',
        status: 'APPROVED',
        rejectionReason: null,
        reportedPspName: 'AlipayCN',
      },
    ])
    expect(observation.unusualValue).toBe(false)
  })
})

describe('quarantine', () => {
  const cases: [string, Partial<Notification>, { reason: string; where: string }][] = [
    [
      'no merchant',
      { referenceMerchantId: null },
      { reason: 'unattributable', where: 'referenceMerchantId' },
    ],
    [
      'an empty merchant',
      { referenceMerchantId: '' },
      { reason: 'unattributable', where: 'referenceMerchantId' },
    ],
    [
      'neither merchant nor request id',
      { referenceMerchantId: null, registrationRequestId: null },
      { reason: 'unattributable', where: 'referenceMerchantId' },
    ],
    [
      'a merchant id of 65 code points',
      { referenceMerchantId: '😀'.repeat(65) },
      { reason: 'over_long_id', where: 'referenceMerchantId' },
    ],
    [
      'a store id of 33 code points',
      { referenceStoreId: 's'.repeat(33) },
      { reason: 'over_long_id', where: 'referenceStoreId' },
    ],
    [
      'a request id of 65 code points',
      { registrationRequestId: 'r'.repeat(65) },
      { reason: 'over_long_id', where: 'registrationRequestId' },
    ],
    [
      'half a surrogate pair in an id',
      { referenceMerchantId: 'M\ud83d' },
      { reason: 'invalid_text', where: 'referenceMerchantId' },
    ],
    ['NUL in an id', { referenceStoreId: 'S\0' }, { reason: 'invalid_text', where: 'referenceStoreId' }],
    [
      'push mode without a store',
      { push: true, referenceStoreId: null },
      { reason: 'store_missing', where: 'referenceStoreId' },
    ],
    [
      'signed more than 48 h after it arrived',
      { appendTimeMs: signedAtMs - 48 * hourMs - 1 },
      { reason: 'implausible_time', where: 'Request-Time' },
    ],
    ['no usable time', { requestTimeMs: Number.NaN }, { reason: 'implausible_time', where: 'Request-Time' }],
    [
      'no collective status',
      { collectiveStatus: null },
      { reason: 'missing_member', where: 'registrationResult.registrationStatus' },
    ],
    [
      'an unknown collective status',
      { collectiveStatus: 'completed' },
      { reason: 'unknown_status', where: 'registrationResult.registrationStatus' },
    ],
    [
      'an unknown status of an entry',
      { items: [item, item, { ...item, status: 'DONE' }] },
      {
        reason: 'unknown_status',
        where: 'pspRegistrationResultList[2].registrationResult.registrationStatus',
      },
    ],
    [
      'no pspName',
      { items: [{ ...item, pspName: '' }] },
      { reason: 'missing_member', where: 'pspRegistrationResultList[0].pspName' },
    ],
    [
      'NUL in a pspName',
      { items: [{ ...item, pspName: 'G\0CASH' }] },
      { reason: 'invalid_text', where: 'pspRegistrationResultList[0].pspName' },
    ],
    [
      'no product codes',
      { items: [{ ...item, productCodes: null }] },
      { reason: 'missing_member', where: 'pspRegistrationResultList[0].productCodes' },
    ],
    [
      'only empty product codes',
      { items: [{ ...item, productCodes: [''] }] },
      { reason: 'missing_member', where: 'pspRegistrationResultList[0].productCodes' },
    ],
    [
      'half a surrogate pair in a product code',
      { items: [{ ...item, productCodes: ['\udc00'] }] },
      { reason: 'invalid_text', where: 'pspRegistrationResultList[0].productCodes' },
    ],
    [
      'a reason of a million characters for each of a hundred products',
      { items: [{ ...item, rejectionReason: 'r'.repeat(1e6), productCodes: manyCodes(100) }] },
      { reason: 'registration_too_large', where: 'pspRegistrationResultList' },
    ],
    [
      'one unit of text more than a record can hold',
      { items: [{ ...item, rejectionReason: reasonThatFills(recordUnits + 1) }] },
      { reason: 'registration_too_large', where: 'pspRegistrationResultList' },
    ],
    [
      'one product code more than a record can hold, in whichever item',
      { items: [item, { ...item, productCodes: manyCodes(80_000) }] },
      { reason: 'registration_too_large', where: 'pspRegistrationResultList' },
    ],
  ]
  test.each(cases)('%s', (_, changed, fault) => {
    expect(observe({ ...notification, ...changed })).toEqual({ kind: 'quarantine', ...fault })
  })
})

describe('accepted, though it looks odd', () => {
  const cases: [string, Partial<Notification>][] = [
    ['a merchant id of 64 code points', { referenceMerchantId: '😀'.repeat(64) }],
    ['no store', { referenceStoreId: null }],
    ['no request id', { registrationRequestId: null }],
    ['signed 48 h after it arrived', { appendTimeMs: signedAtMs - 48 * hourMs }],
    ['signed long before it arrived', { appendTimeMs: signedAtMs + 9000 * hourMs }],
    ['COMPLETED with an empty list', { items: [] }],
    ['an unknown pspName', { items: [{ ...item, pspName: 'constructor' }] }],
    ['REJECTED without a reason', { items: [{ ...item, status: 'REJECTED' }] }],
    ['AMS without a collective status', { ...ams, collectiveStatus: null }],
  ]
  test.each(cases)('%s', (_, changed) => {
    expect(observed(changed)).toMatchObject({ selfContradiction: false, unusualValue: false })
  })

  test('an unknown product code is an entry of its own and raises unusual_value', () => {
    const observation = observedItems({ productCodes: ['NEW_PRODUCT', 'IN_STORE_PAYMENT'] })
    expect(observation.entries.map(({ productCode }) => productCode)).toEqual([
      'IN_STORE_PAYMENT',
      'NEW_PRODUCT',
    ])
    expect(observation.unusualValue).toBe(true)
  })

  test('a reason beside another status than REJECTED is kept and raises unusual_value', () => {
    const observation = observedItems({ status: 'CANCELLED', rejectionReason: 'withdrawn' })
    expect(observation).toMatchObject({ unusualValue: true, entries: [{ rejectionReason: 'withdrawn' }] })
  })

  test('a reason of more than 1024 code points is kept whole and raises unusual_value', () => {
    const longest = '😀'.repeat(1024)
    expect(observedItems({ status: 'REJECTED', rejectionReason: longest }).unusualValue).toBe(false)
    const longer = `${longest}!`
    const observation = observedItems({ status: 'REJECTED', rejectionReason: longer })
    expect(observation).toMatchObject({ unusualValue: true, entries: [{ rejectionReason: longer }] })
  })

  test('an item without a status has not been answered yet', () => {
    expect(observedItems({ status: null })).toMatchObject({ entries: [{ status: 'PENDING' }] })
  })

  test('reasons given as a list become one text in an order of their own', () => {
    const observation = observedItems({
      status: 'REJECTED',
      rejectionReason: ['unclear photo', '', 'expired'],
    })
    expect(observation).toMatchObject({ entries: [{ rejectionReason: 'expired; unclear photo' }] })
  })
})

describe('the same entry twice in one list', () => {
  test('equal: one entry', () => {
    expect(observedItems({}, {})).toEqual(observedItems({}))
    expect(observedItems({ productCodes: ['IN_STORE_PAYMENT', 'IN_STORE_PAYMENT'] })).toEqual(
      observedItems({}),
    )
  })

  test('PENDING and a final: the final, with its own reason', () => {
    const observation = observedItems(
      { status: 'PENDING', rejectionReason: 'zzz' },
      { status: 'REJECTED', rejectionReason: 'expired' },
      { status: 'PENDING' },
    )
    expect(observation.entries).toMatchObject([{ status: 'REJECTED', rejectionReason: 'expired' }])
    expect(observation.selfContradiction).toBe(false)
  })

  test('two different finals: left out, and self_contradiction raised', () => {
    const observation = observedItems(
      { status: 'APPROVED' },
      { status: 'PENDING' },
      { status: 'REJECTED' },
      { pspName: 'TNG' },
    )
    expect(observation.entries.map(({ pspName }) => pspName)).toEqual(['TNG'])
    expect(observation.selfContradiction).toBe(true)
  })

  test('two spellings of one MPP are one entry', () => {
    const observation = observedItems(
      { pspName: 'AlipayCN' },
      { pspName: 'ALIPAY_CN' },
      { pspName: 'ALIPAYCN' },
    )
    expect(observation.entries).toMatchObject([{ pspName: 'ALIPAY_CN', reportedPspName: 'AlipayCN' }])
  })
})

const oneOfAHistory = soundHistory.chain((history) => fc.constantFrom(...history))

function reversed(list: string | readonly string[] | null): string | readonly string[] | null {
  return typeof list === 'string' || list === null ? list : list.toReversed()
}

function otherwiseWritten({
  pspName,
  status,
  rejectionReason,
  productCodes,
}: NotificationItem): NotificationItem {
  return {
    productCodes: productCodes?.toReversed() ?? null,
    rejectionReason: reversed(rejectionReason) || null,
    status: status === null ? '' : status || null,
    pspName,
  }
}

test('the order of lists, codes and reasons and how "not given" is written mean nothing', () => {
  fc.assert(
    fc.property(
      oneOfAHistory.chain((original) =>
        fc.record({
          original: fc.constant(original),
          items: fc.shuffledSubarray([...original.items], { minLength: original.items.length }),
        }),
      ),
      ({ original, items }) => {
        const rewritten = {
          ...original,
          items: items.map(otherwiseWritten),
          registrationRequestId: original.registrationRequestId || null,
        }
        const [first, second] = observations([original, rewritten])
        expect(second).toEqual(first)
      },
    ),
    { numRuns: 500 },
  )
})

function other(text: string | null): string {
  return `${text ?? ''}x`
}

function changeFirstEntry(change: (entry: ObservedEntry) => ObservedEntry) {
  return (said: Observation) => ({
    ...said,
    entries: said.entries.map((entry, index) => (index === 0 ? change(entry) : entry)),
  })
}

describe('the content hash', () => {
  const meaningful: [string, (said: Observation) => Observation][] = [
    [
      'client',
      (said) => ({
        ...said,
        registration: { ...said.registration, clientId: other(said.registration.clientId) },
      }),
    ],
    [
      'merchant',
      (said) => ({
        ...said,
        registration: {
          ...said.registration,
          referenceMerchantId: other(said.registration.referenceMerchantId),
        },
      }),
    ],
    ['store', (said) => ({ ...said, registration: { ...said.registration, referenceStoreId: null } })],
    ['round', (said) => ({ ...said, round: other(said.round) })],
    [
      'collective status',
      (said) => ({ ...said, collective: said.collective === 'PENDING' ? 'COMPLETED' : 'PENDING' }),
    ],
    ['collective status given', (said) => ({ ...said, collective: null })],
    ['contradiction', (said) => ({ ...said, selfContradiction: !said.selfContradiction })],
    ['an entry more', (said) => ({ ...said, entries: [...said.entries, newEntry] })],
    ['an entry less', (said) => ({ ...said, entries: said.entries.slice(1) })],
    ['pspName', changeFirstEntry((entry) => ({ ...entry, pspName: other(entry.pspName) }))],
    ['product code', changeFirstEntry((entry) => ({ ...entry, productCode: other(entry.productCode) }))],
    [
      'status',
      changeFirstEntry((entry) => ({
        ...entry,
        status: entry.status === 'REJECTED' ? 'APPROVED' : 'REJECTED',
      })),
    ],
    ['reason', changeFirstEntry((entry) => ({ ...entry, rejectionReason: other(entry.rejectionReason) }))],
  ]
  const newEntry = {
    pspName: 'ZZZ',
    productCode: '*',
    status: 'PENDING',
    rejectionReason: null,
    reportedPspName: null,
  } as const

  const withEntries = oneOfAHistory
    .map((one) => observations([one])[0])
    .filter((said) => said !== undefined)
    .filter((said) => said.entries.length > 0)

  test.each(meaningful)('changes with the %s', (_, change) => {
    fc.assert(
      fc.property(withEntries, (said) => {
        expect(contentHash(change(said))).not.toBe(contentHash(said))
      }),
    )
  })

  test('does not change with the time of signing or the spelling of a name', () => {
    const otherwise = observed({ requestTimeMs: signedAtMs + 1, items: [{ ...item, pspName: 'AlipayCN' }] })
    expect(contentHash(otherwise)).toBe(contentHash(observedItems({ pspName: 'ALIPAY_CN' })))
  })

  test('tells texts apart that only together read the same', () => {
    const hashes = [
      { referenceMerchantId: 'AB', referenceStoreId: 'C' },
      { referenceMerchantId: 'A', referenceStoreId: 'BC' },
      { referenceMerchantId: 'A', referenceStoreId: null },
    ].map((ids) => contentHash(observed(ids)))
    expect(new Set(hashes).size).toBe(3)
  })

  test('is short, and the same in every release', () => {
    expect(contentHash(observed({}))).toBe('8YOhfY506Yk')
    expect(contentHash(observed({}))).toHaveLength(hashLetters)
  })
})

test('any notification at all gives a statement or a quarantine, never an exception', () => {
  const anyText = fc.option(fc.string({ unit: 'binary' }))
  const anyNotification: fc.Arbitrary<Notification> = fc.record({
    clientId: fc.string(),
    dialect: fc.constantFrom('alipayplus', 'ams'),
    push: fc.boolean(),
    referenceMerchantId: anyText,
    referenceStoreId: anyText,
    registrationRequestId: anyText,
    requestTimeMs: fc.double(),
    appendTimeMs: fc.double(),
    collectiveStatus: fc.oneof(anyText, fc.constantFrom('COMPLETED', 'PENDING')),
    items: fc.array(
      fc.record({
        pspName: anyText,
        status: fc.oneof(anyText, fc.constantFrom('APPROVED', 'REJECTED')),
        rejectionReason: fc.oneof(anyText, fc.array(fc.string())),
        productCodes: fc.option(fc.array(fc.string({ unit: 'binary' }))),
      }),
    ),
  })
  fc.assert(
    fc.property(anyNotification, (any) => {
      expect(['statement', 'quarantine']).toContain(observe(any).kind)
    }),
    { numRuns: 300 },
  )
})

test('a message that says as much as a record can hold is only slow', () => {
  expect(observedItems({ productCodes: manyCodes(80_000) }).entries).toHaveLength(80_000)
  const reason = reasonThatFills(recordUnits)
  expect(observedItems({ rejectionReason: reason }).entries).toMatchObject([{ rejectionReason: reason }])
})

describe('an answer to an inquiry', () => {
  const { push: _, ...answer } = notification

  test('says what a notification would, of the ids that were asked for', () => {
    const { kind: _, ...said } = observed({})
    expect(observeInquiry(answer)).toEqual({ kind: 'statement', statement: { kind: 'inquiry', ...said } })
  })

  test.each<[string, Partial<Notification>, string, string]>([
    ['no merchant', { referenceMerchantId: '' }, 'unattributable', 'referenceMerchantId'],
    [
      'an unknown status',
      { collectiveStatus: 'DONE' },
      'unknown_status',
      'registrationResult.registrationStatus',
    ],
    [
      'signed too far ahead',
      { appendTimeMs: signedAtMs - 48 * hourMs - 1 },
      'implausible_time',
      'Request-Time',
    ],
  ])('with %s is not let in', (_, changed, reason, where) => {
    expect(observeInquiry({ ...answer, ...changed })).toEqual({ kind: 'quarantine', reason, where })
  })

  test('needs no store, also of a client that always has one', () => {
    expect(observeInquiry({ ...answer, referenceStoreId: null })).toMatchObject({ kind: 'statement' })
  })

  test('has another content than a notification that says the same', () => {
    const read = observeInquiry(answer)
    expect(read.kind === 'statement' && contentHash(read.statement)).not.toBe(contentHash(observed({})))
  })
})

describe('an opening', () => {
  const opening = {
    registration: { clientId: 'C', referenceMerchantId: 'M', referenceStoreId: 'S' },
    round: 'R1',
    openedAtMs: signedAtMs,
    productCodes: ['B', 'A', 'B', ''],
    appendTimeMs: signedAtMs - 48 * hourMs,
  }

  test('keeps each product code once, in their order', () => {
    const { appendTimeMs: _, ...said } = opening
    expect(observeOpening(opening)).toEqual({
      kind: 'statement',
      statement: { kind: 'opening', ...said, productCodes: ['A', 'B'] },
    })
  })

  test('an empty store is none', () => {
    const registration = { ...opening.registration, referenceStoreId: '' }
    expect(observeOpening({ ...opening, registration })).toMatchObject({
      statement: { registration: { referenceStoreId: null } },
    })
  })

  test.each<[string, Partial<typeof opening>, string, string]>([
    ['no round', { round: '' }, 'missing_member', 'registrationRequestId'],
    ['a long round', { round: 'R'.repeat(65) }, 'over_long_id', 'registrationRequestId'],
    ['a round with NUL', { round: 'R\0' }, 'invalid_text', 'registrationRequestId'],
    ['a product code with NUL', { productCodes: ['\0'] }, 'invalid_text', 'productCodes'],
    ['a time too far ahead', { appendTimeMs: opening.appendTimeMs - 1 }, 'implausible_time', 'openedAt'],
    ['no time', { openedAtMs: Number.NaN }, 'implausible_time', 'openedAt'],
  ])('with %s is not let in', (_, changed, reason, where) => {
    expect(observeOpening({ ...opening, ...changed })).toEqual({ kind: 'quarantine', reason, where })
  })

  test.each([
    [{ referenceMerchantId: '' }, 'unattributable', 'referenceMerchantId'],
    [{ referenceMerchantId: 'M'.repeat(65) }, 'over_long_id', 'referenceMerchantId'],
    [{ referenceStoreId: 'S'.repeat(33) }, 'over_long_id', 'referenceStoreId'],
  ])('of %j is not let in', (changed, reason, where) => {
    const registration = { ...opening.registration, ...changed }
    expect(observeOpening({ ...opening, registration })).toEqual({ kind: 'quarantine', reason, where })
  })
})
