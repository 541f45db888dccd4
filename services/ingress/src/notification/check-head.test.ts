import { describe, expect, test } from 'vitest'
import { checkHead, type RequestHead } from './check-head.ts'
import { client, directory, directoryOf } from '../test-client.fixture.ts'

const signature = `algorithm=RSA256,keyVersion=1,signature=${encodeURIComponent(Buffer.alloc(256, 1).toString('base64'))}`
const good: RequestHead = {
  method: 'POST',
  target: '/notify/registration',
  headers: { 'client-id': 'T_111222333', 'request-time': '2019-07-12T12:08:56.253+05:30', signature },
  rawHeaders: ['Host', 'a'],
  httpVersion: '1.1',
}
const fullOf = (count: number) => ['Host', 'a', ...Array.from({ length: count - 1 }, () => ['X', 'y']).flat()]
const withHeaders = (headers: RequestHead['headers']) => ({
  ...good,
  headers: { ...good.headers, ...headers },
})
const check = (head: RequestHead, known = directory) =>
  checkHead(head, { directory: known, bodyLimitBytes: 1_000 })

test('a good head is admitted with what the body will be checked against', () => {
  expect(check(good)).toEqual({
    kind: 'admitted',
    addressee: { client, uri: '/notify/registration' },
    requestTime: '2019-07-12T12:08:56.253+05:30',
    requestTimeMs: Date.UTC(2019, 6, 12, 6, 38, 56, 253),
    signatureHeader: signature,
    signature: Buffer.alloc(256, 1),
    keys: client.verifyingKeys,
    declaredBytes: 0,
    traceparent: null,
  })
})

test.each([
  ['a query, which is signed but does not route', { ...good, target: '/notify/registration?a=%2F&b' }],
  ['the second path of the client', { ...good, target: '/notify/second' }],
  ['the greatest body', withHeaders({ 'content-length': '1000' })],
  ['an empty Encrypt header', withHeaders({ encrypt: '' })],
  ['no Host in HTTP/1.0', { ...good, rawHeaders: [], httpVersion: '1.0' }],
  ['64 headers', { ...good, rawHeaders: fullOf(64) }],
])('%s is admitted', (_, head) => {
  const checked = check(head)
  expect(checked.kind).toBe('admitted')
  expect(checked.addressee?.uri).toBe(head.target)
})

test.each([
  ['an unknown path', { ...good, target: '/' }, 'NO_INTERFACE_DEF', 'unknown_path'],
  ['a path in another case', { ...good, target: '/Notify/registration' }, 'NO_INTERFACE_DEF', 'unknown_path'],
  [
    'a path with a trailing slash',
    { ...good, target: '/notify/registration/' },
    'NO_INTERFACE_DEF',
    'unknown_path',
  ],
  ['a doubled slash', { ...good, target: '//notify/registration' }, 'NO_INTERFACE_DEF', 'unknown_path'],
  ['an escaped path', { ...good, target: '/notify/registratio%6e' }, 'NO_INTERFACE_DEF', 'unknown_path'],
  ['a folded path', { ...good, target: '/notify/x/../registration' }, 'NO_INTERFACE_DEF', 'unknown_path'],
  [
    'a target with its host',
    { ...good, target: 'http://a/notify/registration' },
    'NO_INTERFACE_DEF',
    'unknown_path',
  ],
  ['another method', { ...good, method: 'PUT' }, 'METHOD_NOT_SUPPORTED', 'method'],
  ['a form', withHeaders({ 'content-type': 'text/plain' }), 'MEDIA_TYPE_NOT_ACCEPTABLE', 'media_type'],
  [
    'a compressed body',
    withHeaders({ 'content-encoding': 'gzip' }),
    'MEDIA_TYPE_NOT_ACCEPTABLE',
    'content_encoding',
  ],
  ['too long a body', withHeaders({ 'content-length': '1001' }), 'PARAM_ILLEGAL', 'body_too_large'],
  ['no Host', { ...good, rawHeaders: [] }, 'PARAM_ILLEGAL', 'host'],
  ['two Hosts', { ...good, rawHeaders: ['Host', 'a', 'hOST', 'b'] }, 'PARAM_ILLEGAL', 'host'],
  ['65 headers', { ...good, rawHeaders: fullOf(65) }, 'PARAM_ILLEGAL', 'too_many_headers'],
  ['an encrypted body', withHeaders({ encrypt: 'symmetricKey=abc' }), 'PARAM_ILLEGAL', 'encrypted'],
  ['no Request-Time', withHeaders({ 'request-time': undefined }), 'PARAM_ILLEGAL', 'request_time'],
  [
    'a Request-Time without offset',
    withHeaders({ 'request-time': '2019-07-12T12:08:56' }),
    'PARAM_ILLEGAL',
    'request_time',
  ],
  [
    'two Request-Times',
    withHeaders({ 'request-time': '1685599933871, 1685599933871' }),
    'PARAM_ILLEGAL',
    'request_time',
  ],
  ['no Client-Id', withHeaders({ 'client-id': undefined }), 'INVALID_CLIENT', 'unknown_client'],
  ['an unknown Client-Id', withHeaders({ 'client-id': 'T_3' }), 'INVALID_CLIENT', 'unknown_client'],
  ['two Client-Ids', withHeaders({ 'client-id': 'T_111222333, T_2' }), 'INVALID_CLIENT', 'unknown_client'],
  [
    'a client on a path of another',
    withHeaders({ 'client-id': 'T_2' }),
    'ACCESS_DENIED',
    'client_not_on_path',
  ],
  ['no Signature', withHeaders({ signature: undefined }), 'INVALID_SIGNATURE', 'signature_header'],
  [
    'another algorithm',
    withHeaders({ signature: 'algorithm=ECC224,signature=AAAA' }),
    'INVALID_SIGNATURE',
    'signature_header',
  ],
  [
    'two Signatures',
    withHeaders({ signature: `${signature}, ${signature}` }),
    'INVALID_SIGNATURE',
    'signature_header',
  ],
  [
    'an unknown key version',
    withHeaders({ signature: 'keyVersion=2,signature=AAAA' }),
    'KEY_NOT_FOUND',
    'unknown_key',
  ],
])('%s is refused', (_, head, code, reason) => {
  expect(check(head)).toMatchObject({ kind: 'refused', code, reason })
})

test('a client without any key gets KEY_NOT_FOUND', () => {
  const keyless = directoryOf({ ...client, verifyingKeys: [] })
  const head = withHeaders({ signature: 'signature=AAAA' })
  expect(check(head, keyless)).toMatchObject({ code: 'KEY_NOT_FOUND' })
})

test('of several faults the first in the order of the checks is named', () => {
  const faults: [string, Partial<RequestHead>, RequestHead['headers']][] = [
    ['unknown_path', { target: '/x' }, {}],
    ['method', { method: 'GET' }, {}],
    ['media_type', {}, { 'content-type': 'text/plain' }],
    ['content_encoding', {}, { 'content-encoding': 'gzip' }],
    ['body_too_large', {}, { 'content-length': '1001' }],
    ['too_many_headers', { rawHeaders: fullOf(65) }, {}],
    ['encrypted', {}, { encrypt: 'x' }],
    ['request_time', {}, { 'request-time': 'now' }],
    ['unknown_client', {}, { 'client-id': 'T_3' }],
    ['signature_header', {}, { signature: 'x' }],
  ]
  for (const [first, [reason]] of faults.entries()) {
    const head = faults
      .slice(first)
      .reduce<RequestHead>(
        (sum, [, change, headers]) => ({ ...sum, ...change, headers: { ...sum.headers, ...headers } }),
        good,
      )
    expect(check(head)).toMatchObject({ reason })
  }
})

describe('a refusal is addressed', () => {
  test.each([
    ['to a known client on its path', { ...good, method: 'GET' }, 'T_111222333'],
    ['to nobody when the client is unknown', withHeaders({ 'client-id': 'T_3' }), undefined],
    ['to nobody on a path that is not the client’s', withHeaders({ 'client-id': 'T_2' }), undefined],
    ['to nobody on an unknown path', { ...good, target: '/aps/api/v1/pay' }, undefined],
  ])('%s', (_, head, clientId) => {
    expect(check(head).addressee?.client.clientId).toBe(clientId)
  })
})

test.each([
  ['00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', true],
  ['00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7', false],
  ['ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', false],
  ['00-00000000000000000000000000000000-00f067aa0ba902b7-01', false],
  ['00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01', false],
  ['00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01', false],
])('traceparent %s is taken over: %s', (traceparent, taken) => {
  expect(check(withHeaders({ traceparent }))).toMatchObject({ traceparent: taken ? traceparent : null })
})
