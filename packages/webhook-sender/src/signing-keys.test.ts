import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readSigningKeys } from './signing-keys.ts'

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signing-keys-'))
  file = join(folder, 'keys.json')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function writeKey(name: string): void {
  const { privateKey } = generateKeyPairSync('ed25519')
  writeFileSync(join(folder, name), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
}

function writeKeys(...keys: { keyId: string; state: string }[]): void {
  const entries = keys.map((key) => ({ ...key, privateKeyFile: `${key.keyId}.pem` }))
  writeFileSync(file, JSON.stringify({ keys: entries }))
}

test('without a file nothing signs and nothing is published', () => {
  expect(readSigningKeys(undefined)).toEqual({ signing: null, publicKeySet: { keys: [] } })
})

test('the first active key signs, and what it signs verifies with the published key', () => {
  for (const name of ['k3.pem', 'k2.pem', 'k1.pem']) writeKey(name)
  writeKeys(
    { keyId: 'k1', state: 'retiring' },
    { keyId: 'k2', state: 'active' },
    { keyId: 'k3', state: 'active' },
  )
  const { signing, publicKeySet } = readSigningKeys(file)
  if (signing === null) throw new Error('nothing signs')
  expect(signing.keyId).toBe('k2')
  const text = Buffer.from('a-1.5.{}')
  const signature = sign(null, text, signing.privateKey)
  const verifies = publicKeySet.keys.map((key) => {
    const { kty, crv, x } = key
    return verify(null, text, createPublicKey({ key: { kty, crv, x }, format: 'jwk' }), signature)
  })
  expect(publicKeySet.keys.map(({ kid }) => kid)).toEqual(['k1', 'k2', 'k3'])
  expect(verifies).toEqual([false, true, false])
})

test('a published key stands there in both ways of writing and shows nothing private', () => {
  writeKey('k1.pem')
  writeKeys({ keyId: 'k1', state: 'active' })
  const [key] = readSigningKeys(file).publicKeySet.keys
  const { x, whpk, ...rest } = key ?? { x: '', whpk: '' }
  expect(rest).toEqual({ kid: 'k1', kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA', use: 'sig' })
  expect(x).toMatch(/^[A-Za-z0-9_-]{43}$/)
  expect(whpk).toMatch(/^whpk_[A-Za-z0-9+/]{43}=$/)
  expect(Buffer.from(whpk.slice('whpk_'.length), 'base64').toString('base64url')).toBe(x)
})

test('a retired key is not published, and its file may be gone', () => {
  writeKey('k2.pem')
  writeKeys({ keyId: 'k1', state: 'retired' }, { keyId: 'k2', state: 'retiring' })
  const { signing, publicKeySet } = readSigningKeys(file)
  expect(signing).toBeNull()
  expect(publicKeySet.keys.map(({ kid }) => kid)).toEqual(['k2'])
})

describe('the start is refused, with what to do,', () => {
  test.each<[string, () => void, RegExp]>([
    ['for a file that is not there', () => rmSync(folder, { recursive: true }), /keys\.json.*cannot be read/],
    [
      'for an unknown state',
      () => writeKeys({ keyId: 'k1', state: 'revoked' }),
      /keys\.json.*does not fit[\s\S]*state/,
    ],
    [
      'for a key id twice',
      () => writeKeys({ keyId: 'k1', state: 'active' }, { keyId: 'k1', state: 'retired' }),
      /key k1 stands twice\. Give/,
    ],
    [
      'for a key file that is not there',
      () => writeKeys({ keyId: 'k2', state: 'active' }),
      /key k2 names the file .*k2\.pem, which cannot be read/,
    ],
    [
      'for a key of another kind',
      () => {
        const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
        writeFileSync(join(folder, 'k1.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }), {
          mode: 0o600,
        })
        writeKeys({ keyId: 'k1', state: 'active' })
      },
      /key k1 has no ed25519 private key in .*k1\.pem\. Make one: openssl genpkey/,
    ],
    [
      'for a file that is no key',
      () => {
        writeFileSync(join(folder, 'k1.pem'), 'MIIEvg==PRIVATE', { mode: 0o600 })
        writeKeys({ keyId: 'k1', state: 'active' })
      },
      /key k1 has no ed25519 private key/,
    ],
  ])('%s', (_, change, message) => {
    writeKey('k1.pem')
    writeKeys({ keyId: 'k1', state: 'active' })
    change()
    expect(() => readSigningKeys(file)).toThrow(message)
    expect(() => readSigningKeys(file)).toThrow(expect.objectContaining({ name: 'StartProblem' }))
    expect(() => readSigningKeys(file)).not.toThrow('PRIVATE')
  })
})
