import { generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { parsePrivateKey, parsePublicKey } from './keys.ts'

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const short = generateKeyPairSync('rsa', { modulusLength: 1024 })
const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const spki = publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64')

test('keys are read as base64 DER and as PEM', () => {
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const privatePem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  for (const parsed of [
    parsePublicKey(spki),
    parsePublicKey(pem),
    parsePrivateKey(pkcs8),
    parsePrivateKey(privatePem),
  ]) {
    expect(parsed.kind).toBe('key')
  }
})

test.each([
  [
    'our private key in place of the public one',
    parsePublicKey(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()),
  ],
  ['a private key as bare base64', parsePublicKey(pkcs8)],
  ['a public key in place of the private one', parsePrivateKey(spki)],
  ['a short key', parsePublicKey(short.publicKey.export({ type: 'spki', format: 'pem' }).toString())],
  ['an elliptic key', parsePublicKey(elliptic.publicKey.export({ type: 'spki', format: 'pem' }).toString())],
  ['no key at all', parsePublicKey('hello')],
])('%s is refused in words', (_, parsed) => {
  expect(parsed.kind).toBe('refused')
})
