import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeRawHeaders, parseRawHeaders, type RawHeaders } from './raw-record.ts'

const onTheWire = (headers: Record<string, string>): Map<string, Buffer> =>
  new Map(Object.entries(headers).map(([name, value]) => [name, Buffer.from(value, 'utf8')]))

const headers: RawHeaders = {
  kind: 'notification',
  notificationId: '0198f2a0-0000-7000-8000-000000000001',
  requestUri: '/alipayplus/notifyRegistrationStatus',
  clientId: 'C',
  requestTime: '2024-01-02T03:04:05+08:00',
  requestTimeMs: 1_704_135_845_000,
  signature: 'algorithm=RSA256,keyVersion=1,signature=abc',
  keyVersion: '1',
  dialect: 'alipayplus',
  push: false,
  traceparent: null,
}

test('headers come back as they were written', () => {
  const text = fc.string({ unit: 'grapheme' })
  const someText = fc.string({ unit: 'grapheme', minLength: 1 })
  const anyHeaders = fc.record<RawHeaders>({
    kind: fc.constant('notification'),
    notificationId: someText,
    requestUri: text,
    clientId: someText,
    requestTime: text,
    requestTimeMs: fc.maxSafeInteger(),
    signature: text,
    keyVersion: text,
    dialect: fc.constantFrom('alipayplus', 'ams'),
    push: fc.boolean(),
    traceparent: fc.option(text),
  })
  fc.assert(
    fc.property(anyHeaders, (given) => {
      expect(parseRawHeaders(onTheWire(encodeRawHeaders(given)))).toEqual(given)
    }),
  )
})

test('headers that others added are ignored', () => {
  const written = onTheWire({ ...encodeRawHeaders(headers), 'x-tool': 'kcat' })
  expect(parseRawHeaders(written)).toEqual(headers)
})

test('a notification that was put back says from where, and for which merchant', () => {
  const putBack = { ...headers, attributedTo: 'M1', replayedFrom: 'registration.raw.v1/3/42' }
  expect(parseRawHeaders(onTheWire(encodeRawHeaders(putBack)))).toEqual(putBack)
})

test.each(Object.keys(encodeRawHeaders(headers)))('without %s the headers are not ours', (name) => {
  const { [name]: _, ...rest } = encodeRawHeaders(headers)
  expect(parseRawHeaders(onTheWire(rest))).toBeNull()
})

test.each([
  ['kind', 'command'],
  ['notification-id', ''],
  ['client-id', ''],
  ['request-time-ms', '1e3'],
  ['request-time-ms', ''],
  ['dialect', 'AMS'],
  ['push', 'yes'],
])('with %s set to "%s" the headers are not ours', (name, value) => {
  expect(parseRawHeaders(onTheWire({ ...encodeRawHeaders(headers), [name]: value }))).toBeNull()
})

test('no headers at all are not ours', () => {
  expect(parseRawHeaders(new Map())).toBeNull()
})
