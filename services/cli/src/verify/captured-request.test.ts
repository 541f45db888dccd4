import { expect, test } from 'vitest'
import { parseCapturedRequest } from './captured-request.ts'

const parse = (text: string | Buffer) => parseCapturedRequest(Buffer.from(text), 'captured.http')
const head = [
  'POST /notify?a=%2F HTTP/1.1',
  'Host: pay.example.com',
  'client-id:T_1',
  'Request-Time:   1685599933871 ',
  'SIGNATURE: keyVersion=1, signature=abc=',
]
const request = (body: string, ...more: string[]) => `${[...head, ...more].join('\r\n')}\r\n\r\n${body}`

test('a raw request gives what was signed, exactly as it was sent', () => {
  expect(parse(request('\uFEFF{"a": 1}\r\n\r\n', 'X-Forwarded-Prefix: /pay', 'X-Original-URI: /o'))).toEqual({
    captured: {
      method: 'POST',
      uri: '/notify?a=%2F',
      clientId: 'T_1',
      time: '1685599933871',
      signature: 'keyVersion=1, signature=abc=',
      body: Buffer.from('\uFEFF{"a": 1}\r\n\r\n'),
      hosts: ['pay.example.com'],
      uris: ['/o', '/pay/notify?a=%2F'],
    },
    remarks: [],
  })
})

test('the head may have the line ends of an editor, the body is left alone', () => {
  const text = request('{\r\n}\n')
    .replace(/\r\n(?=[\s\S]*\r\n\r\n)/g, '\n')
    .replace('\r\n\r\n', '\n\n')
  expect(text).toContain('\n\n{\r\n}\n')
  expect(parse(`\n${text}`).captured).toEqual(parse(request('{\r\n}\n')).captured)
})

test('bytes that are no UTF-8 stay as they are', () => {
  const body = Buffer.from([0, 0xff, 0xfe, 0x0a])
  expect(parse(Buffer.concat([Buffer.from(request('')), body])).captured.body).toEqual(body)
})

test('the body is as long as Content-Length says, and a difference is told', () => {
  const longer = parse(request('{}\n', 'Content-Length: 2'))
  expect(longer.captured.body.toString()).toBe('{}')
  expect(longer.remarks).toEqual([
    'Content-Length says 2 bytes, and 3 follow the blank line: what is beyond does not belong to the body.',
  ])
  const shorter = parse(request('{}', 'Content-Length: 20'))
  expect(shorter.captured.body.toString()).toBe('{}')
  expect(shorter.remarks.join()).toMatch(/the capture was cut/)
  expect(parse(request('{}', 'Content-Length: 2')).remarks).toEqual([])
})

test('chunks are joined, and what only claims to be chunked is told', () => {
  const chunked = 'Transfer-Encoding: chunked'
  const body = '3;x=y\r\n{"a\r\nC\r\n": "\r\n5678"}\r\n0\r\nTrailer: x\r\n\r\n'
  expect(parse(request(body, chunked)).captured.body.toString()).toBe('{"a": "\r\n5678"}')
  for (const wrong of ['{}', '5\r\n{}', 'zz\r\n{}\r\n0\r\n\r\n', '']) {
    const { captured, remarks } = parse(request(wrong, chunked))
    expect(captured.body.toString()).toBe(wrong)
    expect(remarks.join()).toMatch(/says chunked, but the body is not/)
  }
})

test('what a request does not say is empty, and a header that comes twice is joined as Node does', () => {
  const { captured } = parse('POST /x HTTP/1.1\nSignature: a=1\nSignature: b=2\n')
  expect(captured).toMatchObject({ clientId: '', time: '', signature: 'a=1, b=2', body: Buffer.alloc(0) })
})

test.each([
  ['{"referenceMerchantId":"M1"}', 'begins with no request line. The file must hold the raw request'],
  ['', 'begins with no request line'],
  ['POST /x HTTP/1.1\nSignature: a\n{"a"}', 'line 3 is no header: it has no colon. A blank line must stand'],
  ['POST /x HTTP/1.1\nClient-Id: T_1\n\n{}', 'has no header Signature, so nothing in it is signed'],
])('%j is refused with what is missing', (text, problem) => {
  expect(() => parse(text)).toThrow(problem)
})
