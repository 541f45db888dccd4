import { expect, test } from 'vitest'
import { namedRegistration } from './named-registration.fixture.ts'
import { registrationItem } from './registration-item.ts'

const approved = { status: 'APPROVED', rejectionReason: null } as const
const rejected = { status: 'REJECTED', rejectionReason: 'rejectionReason message' } as const

test('a registration has the shape of the answer of inquiryRegistrationStatus, and ours beside it', () => {
  const item = registrationItem(
    namedRegistration({
      clientId: 'SANDBOX_5X00000000000000',
      merchant: '2188120000190000',
      store: '340000',
      version: 3,
      collectiveStatus: 'COMPLETED',
      flags: ['reversal'],
      entries: [
        { pspName: 'ALIPAY_CN', productCode: 'CASHIER_PAYMENT', ...approved },
        { pspName: 'ALIPAY_CN', productCode: 'IN_STORE_PAYMENT', ...rejected },
      ],
    }),
  )
  expect(item).toEqual({
    registrationResult: { registrationStatus: 'COMPLETED' },
    pspRegistrationResultList: [
      {
        pspName: 'ALIPAY_CN',
        productCodes: ['CASHIER_PAYMENT'],
        registrationResult: { registrationStatus: 'APPROVED' },
      },
      {
        pspName: 'ALIPAY_CN',
        productCodes: ['IN_STORE_PAYMENT'],
        registrationResult: { registrationStatus: 'REJECTED', rejectionReason: 'rejectionReason message' },
      },
    ],
    signalbox: {
      clientId: 'SANDBOX_5X00000000000000',
      referenceMerchantId: '2188120000190000',
      referenceStoreId: '340000',
      version: 3,
      flags: [{ flag: 'reversal', severity: 'warn' }],
      rounds: [],
      erasedAt: null,
      updatedAt: '2026-05-03T09:30:00.000Z',
    },
  })
})

test.each([
  [
    'products of one MPP with one answer make one item',
    [
      { pspName: 'GCASH', productCode: 'AGREEMENT_PAYMENT', ...approved },
      { pspName: 'GCASH', productCode: 'CASHIER_PAYMENT', ...approved },
    ],
    [['GCASH', ['AGREEMENT_PAYMENT', 'CASHIER_PAYMENT'], 'APPROVED', undefined]],
  ],
  [
    'another reason makes another item',
    [
      { pspName: 'GCASH', productCode: 'AGREEMENT_PAYMENT', ...rejected },
      { pspName: 'GCASH', productCode: 'CASHIER_PAYMENT', ...rejected, rejectionReason: 'no licence' },
    ],
    [
      ['GCASH', ['AGREEMENT_PAYMENT'], 'REJECTED', 'rejectionReason message'],
      ['GCASH', ['CASHIER_PAYMENT'], 'REJECTED', 'no licence'],
    ],
  ],
  [
    'MPPs are never put together',
    [
      { pspName: 'DANA', productCode: 'CASHIER_PAYMENT', ...approved },
      { pspName: 'GCASH', productCode: 'CASHIER_PAYMENT', ...approved },
    ],
    [
      ['DANA', ['CASHIER_PAYMENT'], 'APPROVED', undefined],
      ['GCASH', ['CASHIER_PAYMENT'], 'APPROVED', undefined],
    ],
  ],
  [
    'an item whose dialect names no product has no productCodes',
    [{ pspName: 'ALIPAY_CN', productCode: '*', ...approved }],
    [['ALIPAY_CN', undefined, 'APPROVED', undefined]],
  ],
  [
    'an unnamed product is not mixed with named ones',
    [
      { pspName: 'ALIPAY_CN', productCode: '*', ...approved },
      { pspName: 'ALIPAY_CN', productCode: 'CASHIER_PAYMENT', ...approved },
    ],
    [
      ['ALIPAY_CN', undefined, 'APPROVED', undefined],
      ['ALIPAY_CN', ['CASHIER_PAYMENT'], 'APPROVED', undefined],
    ],
  ],
])('%s', (_, entries, expected) => {
  const { pspRegistrationResultList } = registrationItem(namedRegistration({ entries }))
  const shown = pspRegistrationResultList.map(({ pspName, productCodes, registrationResult }) => [
    pspName,
    productCodes,
    registrationResult.registrationStatus,
    registrationResult.rejectionReason,
  ])
  expect(shown).toEqual(expected)
})

test('a collective status that was never reported is null, and the list may be empty', () => {
  expect(registrationItem(namedRegistration({}))).toMatchObject({
    registrationResult: { registrationStatus: null },
    pspRegistrationResultList: [],
    signalbox: { referenceStoreId: null },
  })
})

test('each flag comes with how serious it is', () => {
  const sightings = {
    roundId: null,
    collective: [],
    entries: [],
    selfContradictionMs: 5,
    unusualValueMs: 5,
  }
  const { signalbox } = registrationItem(
    namedRegistration({
      flags: ['self_contradiction', 'unusual_value'],
      registers: { sightings: [sightings] },
    }),
  )
  expect(signalbox.flags).toEqual([
    { flag: 'self_contradiction', severity: 'warn' },
    { flag: 'unusual_value', severity: 'info' },
  ])
})

test('its rounds are told, and when each was opened and first heard of', () => {
  const { signalbox } = registrationItem(
    namedRegistration({
      rounds: [
        { id: 'R1', openedAtMs: Date.UTC(2026, 0, 1), firstSeenMs: Date.UTC(2026, 0, 2) },
        { id: 'R2', openedAtMs: Date.UTC(2026, 0, 3), firstSeenMs: null },
      ],
    }),
  )
  expect(signalbox.rounds).toEqual([
    {
      registrationRequestId: 'R1',
      openedAt: '2026-01-01T00:00:00.000Z',
      firstSeenAt: '2026-01-02T00:00:00.000Z',
    },
    { registrationRequestId: 'R2', openedAt: '2026-01-03T00:00:00.000Z', firstSeenAt: null },
  ])
})

test('what was erased says when, and nothing else', () => {
  expect(registrationItem(namedRegistration({ erasedAtMs: Date.UTC(2026, 3, 1) }))).toMatchObject({
    registrationResult: { registrationStatus: null },
    pspRegistrationResultList: [],
    signalbox: { erasedAt: '2026-04-01T00:00:00.000Z' },
  })
})
