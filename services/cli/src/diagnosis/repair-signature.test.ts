import { parseSignatureHeader } from '@signalbox/alipay/signature'
import { expect, test } from 'vitest'
import { explainSignatureHeader } from './repair-signature.ts'

// 256 bytes whose base64 has pluses, slashes and padding.
const signature = Buffer.alloc(256, Buffer.from([0xfb, 0xef, 0xff, 0x01]))
const base64 = signature.toString('base64')
const percent = encodeURIComponent(base64)
const header = (value: string) => `algorithm=RSA256,keyVersion=1,signature=${value}`

test.each([
  ['quotes', `"${header(percent)}"`, 'it is in quotes'],
  ['pluses become blanks', header(base64.replaceAll('+', ' ')), 'pluses have become blanks'],
  ['encoded twice', header(encodeURIComponent(percent)), 'percent-encoded twice'],
  ['encoded as a whole', encodeURIComponent(header(base64)), 'percent-encoded as a whole'],
  ['URL-safe base64', header(signature.toString('base64url')), 'URL-safe'],
  ['no padding', header(base64.replaceAll('=', '')), 'lacks the ='],
  ['lines of 76 letters', header(base64.replaceAll(/.{76}/g, '$&%0A')), 'broken into lines'],
  ['other names', `Algorithm=RSA256,KeyVersion=1,Signature=${percent}`, 'names are written in other letters'],
  ['semicolons', header(percent).replaceAll(',', '; '), 'not separated by commas'],
  ['no name', percent, 'the signature alone'],
  ['another algorithm', header(percent).replace('RSA256', 'RSA2'), 'another than RSA256'],
  ['a word as key version', header(percent).replace('=1', '=one'), 'key version is not made of digits'],
])('a header with %s is explained, and read as it was meant', (_, text, problem) => {
  expect(parseSignatureHeader(text)).toBeNull()
  const explained = explainSignatureHeader(text)
  expect(explained.problem).toContain(problem)
  expect(explained.repaired?.signature).toEqual(signature)
})

test.each([
  ['', 'it is empty'],
  ['algorithm=RSA256,keyVersion=1', 'it has no signature='],
  [`${header(percent)},keyVersion=2`, 'it says keyVersion twice'],
  [header('!!'), 'no percent-encoded base64'],
])('"%.30s" cannot be repaired, and is told so', (text, problem) => {
  const explained = explainSignatureHeader(text)
  expect(explained.problem).toContain(problem)
  expect(explained.repaired).toBeNull()
})
