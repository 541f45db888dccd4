import { emptyRegistration } from '@signalbox/registration/registration'
import { foldVersion } from '@signalbox/registration/fold'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { packStored, unpackStored } from './stored-registration.ts'

const cause = { notificationId: 'n', requestTime: '2024-01-02T03:04:05Z', offset: '7', appendTimeMs: 1 }
const stored = { registration: emptyRegistration, rev: '9', cause }

test('a stored registration comes back as it was', () => {
  const offset = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }).map(String)
  const anyText = fc.string({ unit: 'binary' })
  const given = fc.record({
    registration: fc.nat().map((version) => ({ ...emptyRegistration, version })),
    rev: offset,
    cause: fc.record({
      notificationId: anyText,
      requestTime: anyText,
      offset,
      appendTimeMs: fc.maxSafeNat(),
    }),
  })
  fc.assert(
    fc.property(given, (registration) => {
      expect(unpackStored(packStored(registration))).toEqual(registration)
    }),
  )
})

test.each([
  ['nothing', ''],
  ['no line break', packStored(stored).replace('\n', '')],
  ['a head with a member too few', packStored(stored).replace(',"9"', '')],
  ['a registration that is cut', packStored(stored).slice(0, -1)],
])('what is damaged is never taken for a registration: %s', (_, text) => {
  expect(() => unpackStored(text)).toThrow(/damaged/)
})

test('what a later fold wrote is not read', () => {
  const later = packStored(stored).replace(`[${foldVersion},`, `[${foldVersion + 1},`)
  expect(() => unpackStored(later)).toThrow(/run the later build/)
})
