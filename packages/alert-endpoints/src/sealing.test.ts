import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { freshKey, writeKeysFile } from './sealing.fixture.ts'
import { readSealingKeys, SealingTrouble } from './sealing.ts'

const of = { endpointId: 'one' }
const secret = Buffer.from('a secret of an endpoint, in clear')
const keysWith = (keys: Parameters<typeof writeKeysFile>[0]) => readSealingKeys(writeKeysFile(keys))

test('what is sealed opens again, with the same keys and for the same endpoint', () => {
  const keys = keysWith([{ keyId: 'k1' }])
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/),
      (plain, endpointId) => {
        expect(keys.unseal(keys.seal(plain, { endpointId }), { endpointId })).toEqual(Buffer.from(plain))
      },
    ),
  )
})

test('a sealed text shows its key’s name, nothing of the secret, and is another one each time', () => {
  const keys = keysWith([{ keyId: 'k1' }])
  const sealed = keys.seal(secret, of)
  expect(sealed).toMatch(/^v1\.k1\.[A-Za-z0-9_-]+$/)
  for (const form of ['utf8', 'base64', 'base64url', 'hex'] as const) {
    expect(sealed).not.toContain(secret.toString(form).replace(/=+$/, ''))
  }
  expect(keys.seal(secret, of)).not.toBe(sealed)
})

test('a secret moved to another endpoint does not open', () => {
  const keys = keysWith([{ keyId: 'k1' }])
  const sealed = keys.seal(secret, of)
  expect(() => keys.unseal(sealed, { endpointId: 'two' })).toThrow(SealingTrouble)
})

test('a sealed text does not open when any one of its bits was changed', () => {
  const keys = keysWith([{ keyId: 'k1' }])
  const [version = '', keyId = '', encoded = ''] = keys.seal(secret, of).split('.')
  const content = Buffer.from(encoded, 'base64url')
  for (let bit = 0; bit < content.length * 8; bit += 1) {
    const altered = Buffer.from(content)
    altered.writeUInt8(altered.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
    expect(() => keys.unseal(`${version}.${keyId}.${altered.toString('base64url')}`, of)).toThrow(
      SealingTrouble,
    )
  }
})

test.each([
  '',
  'v1.k1',
  'v1.k1.',
  'v1.k1.AAAA',
  'v2.k1.',
  'v1.k1.A.B',
  'whsec_AAAA',
  `v1.k1.${'!'.repeat(80)}`,
])('%j is no sealed text, and is not shown', (text) => {
  const keys = keysWith([{ keyId: 'k1' }])
  expect(() => keys.unseal(text, of)).toThrow(
    new SealingTrouble('A sealed secret is not a text that this version of Signalbox has made.'),
  )
})

test('with a new active key the one before still opens, and everything can be sealed anew until it goes', () => {
  const text = freshKey()
  const before = keysWith([{ keyId: 'k1', text }])
  const sealed = before.seal(secret, of)

  const during = keysWith([
    { keyId: 'k1', text, state: 'retiring' },
    { keyId: 'k2', text: freshKey() },
  ])
  expect(during.unseal(sealed, of)).toEqual(secret)
  expect(during.isCurrent(sealed)).toBe(false)
  const anew = during.seal(during.unseal(sealed, of), of)
  expect(during.isCurrent(anew)).toBe(true)
  expect(() => before.unseal(anew, of)).toThrow(/endpoint one.*key k2.*ENDPOINT_KEYS_FILE/)
})

test('another key under the same name does not open', () => {
  const sealed = keysWith([{ keyId: 'k1' }]).seal(secret, of)
  expect(() => keysWith([{ keyId: 'k1' }]).unseal(sealed, of)).toThrow(/key k1.*altered/)
})

test('a code for a text holds over a rotation, for this text alone', () => {
  const text = freshKey()
  const before = keysWith([{ keyId: 'k1', text }])
  const mac = before.mac('unsubscribe one')
  expect(mac).toMatch(/^[A-Za-z0-9_-]{43}$/)
  const during = keysWith([{ keyId: 'k2' }, { keyId: 'k1', text, state: 'retiring' }])
  expect(during.mac('unsubscribe one')).not.toBe(mac)
  for (const keys of [before, during]) {
    expect(keys.isMac('unsubscribe one', mac)).toBe(true)
    expect(keys.isMac('unsubscribe two', mac)).toBe(false)
    for (const wrong of ['', mac.slice(1), `${mac}AAAA`, 'x'.repeat(43)]) {
      expect(keys.isMac('unsubscribe one', wrong)).toBe(false)
    }
  }
  expect(keysWith([{ keyId: 'k1' }]).isMac('unsubscribe one', mac)).toBe(false)
})

describe('a keys file is refused in words', () => {
  test.each([
    ['without an active key', [{ keyId: 'k1', state: 'retiring' }], /0 keys are active.*exactly one/],
    ['with two active keys', [{ keyId: 'k1' }, { keyId: 'k2' }], /2 keys are active.*exactly one/],
    ['with a key twice', [{ keyId: 'k1' }, { keyId: 'k1', state: 'retiring' }], /k1 stands twice/],
    ['without keys', [], /content does not fit/],
    ['with another state', [{ keyId: 'k1', state: 'retired' }], /content does not fit/],
    ['with a dot in an id', [{ keyId: 'k.1' }], /a key id has/],
    ['with a short key', [{ keyId: 'k1', text: 'c2hvcnQ=' }], /k1 has no key.*openssl rand -base64 32/],
    ['with a key that is no base64', [{ keyId: 'k1', text: '!'.repeat(44) }], /k1 has no key/],
  ])('%s', (_, keys, message) => {
    expect(() => keysWith(keys)).toThrow(message)
  })

  test('and never shows what a key file holds', () => {
    const text = freshKey().slice(4)
    expect(() => keysWith([{ keyId: 'k1', text }])).not.toThrow(text)
  })
})
