import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeKeyPart, merchantKey, parseRegistrationKey, registrationKey, unattributedKey } from './keys.ts'

test.each([
  ['unreserved characters stay', 'AZaz09-._~', 'AZaz09-._~'],
  [
    'reserved characters are encoded',
    "/?#[]@!$&'()*+,;=:",
    '%2F%3F%23%5B%5D%40%21%24%26%27%28%29%2A%2B%2C%3B%3D%3A',
  ],
  ['a percent sign is encoded', '%2F', '%252F'],
  ['every UTF-8 byte is encoded in upper case', 'ü€😀', '%C3%BC%E2%82%AC%F0%9F%98%80'],
  ['white space and control characters are encoded', ' \n\0', '%20%0A%00'],
  ['an unpaired surrogate is encoded as the replacement character', '\ud800', '%EF%BF%BD'],
  ['nothing stays nothing', '', ''],
])('%s', (_, text, encoded) => {
  expect(encodeKeyPart(text)).toBe(encoded)
})

test('a key part holds unreserved characters and upper-case escapes only, and is read back by any URI decoder', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const encoded = encodeKeyPart(text)
      expect(encoded).toMatch(/^(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})*$/)
      expect(decodeURIComponent(encoded)).toBe(text)
    }),
  )
})

const merchant = { clientId: 'client/1', referenceMerchantId: 'merchant 1' }

test('the key of a merchant is client/merchant', () => {
  expect(merchantKey(merchant)).toBe('client%2F1/merchant%201')
})

test('the key of a registration ends in its store, and in nothing without a store', () => {
  expect(registrationKey({ ...merchant, referenceStoreId: 's*' })).toBe('client%2F1/merchant%201/s%2A')
  expect(registrationKey({ ...merchant, referenceStoreId: null })).toBe('client%2F1/merchant%201/')
})

test('without a merchant the request id stands after two slashes', () => {
  expect(unattributedKey({ clientId: 'c', registrationRequestId: 'r/1' })).toBe('c//r%2F1')
})

test('different registrations have different keys', () => {
  const id = fc.constantFrom('a', 'b', 'a/b', '/', '%2F', '*', '%2A', 'ä')
  const ref = fc.record({
    clientId: id,
    referenceMerchantId: id,
    referenceStoreId: fc.option(id),
  })
  fc.assert(
    fc.property(ref, ref, (left, right) => {
      const isSame =
        left.clientId === right.clientId &&
        left.referenceMerchantId === right.referenceMerchantId &&
        left.referenceStoreId === right.referenceStoreId
      expect(registrationKey(left) === registrationKey(right)).toBe(isSame)
    }),
  )
})

test('the key of a registration is read back into its ids', () => {
  const text = fc.string({ unit: 'grapheme', minLength: 1 })
  const registration = fc.record({
    clientId: text,
    referenceMerchantId: text,
    referenceStoreId: fc.option(text),
  })
  fc.assert(
    fc.property(registration, (ids) => {
      expect(parseRegistrationKey(registrationKey(ids))).toEqual(ids)
    }),
  )
})

test.each([
  '',
  'client',
  'client/merchant',
  'client/merchant/store/more',
  'a/b/%',
  'a/b/%7e',
  'a/b/*',
  'a/ b/',
])('"%s" is no key of a registration', (key) => {
  expect(parseRegistrationKey(key)).toBeNull()
})
