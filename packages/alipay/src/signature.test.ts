import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  createSignature,
  formatSignatureHeader,
  parseSignatureHeader,
  signedText,
  verifySignature,
} from './signature.ts'

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const parts = {
  uri: '/notify/registration',
  clientId: 'T_111222333',
  time: '2019-07-12T12:08:56.253+05:30',
  body: Buffer.from('{"referenceMerchantId":"M1","registrationResult":{"registrationStatus":"PENDING"}}'),
}

test('the signed text is the one of the protocol reference', () => {
  expect(signedText(parts).toString()).toBe(
    'POST /notify/registration\nT_111222333.2019-07-12T12:08:56.253+05:30.{"referenceMerchantId":"M1","registrationResult":{"registrationStatus":"PENDING"}}',
  )
})

test('what was signed and formatted is read back and verifies', async () => {
  const header = formatSignatureHeader({
    keyVersion: '1',
    signature: await createSignature(parts, privateKey),
  })
  const read = parseSignatureHeader(header)
  expect(read?.keyVersion).toBe('1')
  expect(read && verifySignature(parts, read.signature, publicKey)).toBe(true)
})

test.each([
  ['another path', { ...parts, uri: '/other' }],
  ['another client', { ...parts, clientId: 'T_2' }],
  ['another time', { ...parts, time: '2019-07-12T12:08:57+05:30' }],
  ['another body', { ...parts, body: Buffer.from('{}') }],
])('%s does not verify', async (_, forged) => {
  const signature = await createSignature(parts, privateKey)
  expect(verifySignature(forged, signature, publicKey)).toBe(false)
})

describe('a Signature header', () => {
  const base64 = Buffer.alloc(256, 0xfb).toString('base64')
  const lowerHex = base64.replaceAll(/[+/=]/g, (c) => `%${c.charCodeAt(0).toString(16)}`)
  test.each([
    ['as documented', `algorithm=RSA256,keyVersion=1,signature=${encodeURIComponent(base64)}`, '1'],
    ['with lower-case percent hex', `algorithm=RSA256,keyVersion=2,signature=${lowerHex}`, '2'],
    ['with bare base64', `algorithm=RSA256,keyVersion=0,signature=${base64}`, '0'],
    ['in another order with blanks', `signature=${base64}, keyVersion=1, algorithm=rsa256`, '1'],
    ['without algorithm', `keyVersion=1,signature=${base64}`, '1'],
    ['without keyVersion', `algorithm=RSA256,signature=${base64}`, null],
    ['with unknown keys', `x=1,algorithm=RSA256,signature=${base64},y==`, null],
  ])('%s is read', (_, header, keyVersion) => {
    expect(parseSignatureHeader(header)).toEqual({ keyVersion, signature: Buffer.alloc(256, 0xfb) })
  })
  test.each([
    ['another algorithm', `algorithm=ECC224,keyVersion=1,signature=${base64}`],
    ['a repeated key', `keyVersion=1,keyVersion=1,signature=${base64}`],
    ['a bad escape', 'algorithm=RSA256,keyVersion=1,signature=ab%2'],
    ['a foreign letter', 'algorithm=RSA256,keyVersion=1,signature=ab-_'],
    ['a wrong length', 'algorithm=RSA256,keyVersion=1,signature=abcde'],
    ['no signature', 'algorithm=RSA256,keyVersion=1'],
    ['a key version that is no number', `keyVersion=one,signature=${base64}`],
    ['nothing', ''],
  ])('%s is refused', (_, header) => {
    expect(parseSignatureHeader(header)).toBeNull()
  })
  test('of any text is read or refused, never an exception', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        for (const header of [text, `signature=${text}`]) {
          expect(parseSignatureHeader(header)?.signature.length ?? 0).toBeGreaterThanOrEqual(0)
        }
      }),
    )
  })
})
