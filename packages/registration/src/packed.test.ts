import fc from 'fast-check'
import { expect, test } from 'vitest'
import { foldLog, registersOf } from './fold-log.fixture.ts'
import type { Notification } from './observation.ts'
import { packRegisters, packRegistration, unpackRegisters, unpackRegistration } from './packed.ts'
import { anyHistory, soundHistory } from './random-history.fixture.ts'
import { emptyRegistration, mergeRegisters } from './registration.ts'

test('what is packed comes back whole', () => {
  fc.assert(
    fc.property(anyHistory, (history) => {
      for (const registration of foldLog(history).registrations.values()) {
        expect(unpackRegistration(packRegistration(registration))).toStrictEqual(registration)
        expect(unpackRegisters(packRegisters(registration.registers))).toStrictEqual(registration.registers)
      }
    }),
    { numRuns: 200 },
  )
  expect(unpackRegistration(packRegistration(emptyRegistration))).toEqual(emptyRegistration)
})

test('flags and rounds opened by command come back too', () => {
  const { registers, ...rest } = emptyRegistration
  const registration = {
    ...rest,
    registers: mergeRegisters(registers, {
      rounds: [{ id: 'R', firstSeenMs: 2, openedAtMs: 1 }],
      sightings: [],
    }),
    view: { ...rest.view, flags: ['reversal', 'unusual_value'] as const },
  }
  expect(unpackRegistration(packRegistration(registration))).toStrictEqual(registration)
})

test('equal registers give equal texts, whatever the order of the mail', () => {
  fc.assert(
    fc.property(soundHistory, (history) => {
      expect(packRegisters(registersOf(history.toReversed()))).toBe(packRegisters(registersOf(history)))
    }),
    { numRuns: 200 },
  )
})

const signedAtMs = Date.UTC(2020, 8, 18, 11)
const [ordinary] = foldLog(
  [0, 1, 2, 3].map(
    (answered): Notification => ({
      clientId: 'SANDBOX_5X00000000000000',
      dialect: 'alipayplus',
      push: false,
      referenceMerchantId: '2188120000190000',
      referenceStoreId: '340000',
      registrationRequestId: '2020091811058602000006001420000',
      requestTimeMs: signedAtMs + answered * 3_600_000,
      appendTimeMs: signedAtMs + answered * 3_600_000,
      collectiveStatus: answered === 3 ? 'COMPLETED' : 'PENDING',
      items: ['ALIPAY_CN', 'GCASH', 'RABBIT_LINE_PAY'].map((pspName, index) => ({
        pspName,
        status: index >= answered ? 'PENDING' : index === 1 ? 'REJECTED' : 'APPROVED',
        rejectionReason: index === 1 && answered > 1 ? 'rejectionReason message' : null,
        productCodes: ['IN_STORE_PAYMENT'],
      })),
    }),
  ),
).registrations.values()

test('an ordinary registration, three MPPs in one round, packs into 500 bytes', () => {
  expect(packRegistration(ordinary ?? emptyRegistration)).toMatchInlineSnapshot(
    `"[1,["ALIPAY_CN","IN_STORE_PAYMENT","GCASH","rejectionReason message","RABBIT_LINE_PAY","2020091811058602000006001420000","b7e6a7a87dde2fc6","4f679a6e3fb8e1d0","75a3b976b2bb42a8","d44b9a58748f047c"],[4,[1,[[0,1,1,null],[2,1,2,3],[4,1,1,null]],[]],[[[5,1600426800000,null]],[[5,[[1,[3,3,1,10800000],null,0],[0,[2,3,0,-3600000],null,0]],[[0,1,null,[[0,[3,3,1,3600000],null,0]]],[2,1,null,[[1,[3,3,1,0],3,0]]],[4,1,null,[[0,[3,3,1,0],null,0]]]],null,null]]],[6,7,8,9]]]"`,
  )
  expect(packRegistration(ordinary ?? emptyRegistration).length).toBeLessThanOrEqual(500)
})

test('any other text is refused, never thrown at', () => {
  const aboutRight = fc.json().map((json) => `[1,[],${json}]`)
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json(), aboutRight), (text) => {
      expect(unpackRegisters(text)).toSatisfy(
        (registers) => registers === null || packRegisters(registers) === text,
      )
      expect(unpackRegistration(text)).toBe(null)
    }),
    { numRuns: 500 },
  )
})

test('damage to the structure of a packed text is noticed', () => {
  const packed = packRegistration(ordinary ?? emptyRegistration)
  const places = Array.from(packed.matchAll(/[[\],"]/g), ({ index }) => index)
  for (const place of places) {
    expect(unpackRegistration(packed.slice(0, place) + packed.slice(place + 1))).toBe(null)
    expect(unpackRegistration(packed.slice(0, place))).toBe(null)
  }
  expect(unpackRegistration(`${packed.slice(0, -1)},0]`)).toBe(null)
  expect(unpackRegistration(packed.replace('[3,3,1,', '[3,3,1,0,'))).toBe(null)
})

test('a text of another format is refused', () => {
  expect(unpackRegistration(packRegistration(emptyRegistration).replace('[1,', '[2,'))).toBe(null)
  expect(unpackRegistration(packRegisters(emptyRegistration.registers))).toBe(null)
})
