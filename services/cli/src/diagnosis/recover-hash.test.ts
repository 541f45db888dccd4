import { constants, createHash, generateKeyPairSync, privateEncrypt, sign } from 'node:crypto'
import { expect, test } from 'vitest'
import { recoverHash } from './recover-hash.ts'

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const text = Buffer.from('POST /notify\nT_1.1685599933871.{}')

test.each(['sha256', 'sha1', 'sha512', 'sha384', 'sha224', 'md5'] as const)(
  'the %s of the signed text is recovered with the public key alone',
  (algorithm) => {
    expect(recoverHash(sign(algorithm, text, privateKey), publicKey)).toEqual({
      kind: 'hash',
      algorithm,
      hash: createHash(algorithm).update(text).digest(),
    })
  },
)

test('a hash that does not say which it is is told from one that does', () => {
  const bare = privateEncrypt(privateKey, createHash('sha256').update(text).digest())
  expect(recoverHash(bare, publicKey)).toMatchObject({ kind: 'bare', content: { length: 32 } })
})

test('with another key, another padding or a flipped bit nothing opens', () => {
  const signature = sign('sha256', text, privateKey)
  const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey
  const pss = sign('sha256', text, { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING })
  const flipped = Buffer.from(signature)
  flipped[100] = (flipped[100] ?? 0) ^ 1
  const larger = Buffer.alloc(256, 0xff)
  for (const [made, key] of [
    [signature, other],
    [pss, publicKey],
    [flipped, publicKey],
    [larger, publicKey],
  ] as const) {
    expect(recoverHash(made, key)).toEqual({ kind: 'unopened' })
  }
})

test('a signature of another length than the key is told with both', () => {
  const longer = generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey
  expect(recoverHash(sign('sha256', text, longer), publicKey)).toEqual({
    kind: 'other_length',
    signatureBytes: 384,
    keyBytes: 256,
  })
})
