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
      flags: ['reversal'],
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
