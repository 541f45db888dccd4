import { expect, test } from 'vitest'
import { encodeInquiryHeaders, type InquiryHeaders, parseInquiryHeaders } from './inquiry-record.ts'

const headers: InquiryHeaders = {
  kind: 'inquiry',
  notificationId: '0198c0de-0000-7000-8000-000000000001',
  clientId: 'C1',
  dialect: 'ams',
  askedMerchantId: 'M 店',
  askedStoreId: 'S1',
  askedRequestId: 'R1',
  requestUri: '/ams/api/v1/merchants/inquiryRegistrationStatus',
  requestTime: '2023-06-01T06:12:13+00:00',
  requestTimeMs: 1_685_599_933_000,
  signature: 'algorithm=RSA256,keyVersion=1,signature=abc%3d',
  keyVersion: '1',
  traceparent: null,
}

function onTheWire(texts: Record<string, string>) {
  return new Map(Object.entries(texts).map(([name, text]) => [name, Buffer.from(text, 'utf8')]))
}

test.each([
  ['whole', headers],
  ['without store and request', { ...headers, askedStoreId: null, askedRequestId: null }],
  ['with a trace', { ...headers, traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }],
])('headers come back as they were written, %s', (_, written) => {
  expect(parseInquiryHeaders(onTheWire(encodeInquiryHeaders(written)))).toEqual(written)
})

const optional = ['asked-store-id', 'asked-request-id']

test.each(Object.keys(encodeInquiryHeaders(headers)).filter((name) => !optional.includes(name)))(
  'without %s the headers are not those of an inquiry',
  (name) => {
    const { [name]: _, ...rest } = encodeInquiryHeaders(headers)
    expect(parseInquiryHeaders(onTheWire(rest))).toBeNull()
  },
)

test('a notification is no inquiry', () => {
  const written = onTheWire({ ...encodeInquiryHeaders(headers), kind: 'notification' })
  expect(parseInquiryHeaders(written)).toBeNull()
})
