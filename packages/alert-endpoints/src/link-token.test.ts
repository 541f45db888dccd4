import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { createLinkToken, digestOfAddress, type Link, linkUrl, readLinkToken } from './link-token.ts'
import { readSealingKeys } from './sealing.ts'

const folder = mkdtempSync(join(tmpdir(), 'link-token-'))
afterAll(() => rmSync(folder, { recursive: true }))
for (const name of ['old', 'new', 'foreign']) {
  writeFileSync(join(folder, name), randomBytes(32).toString('base64'), { mode: 0o600 })
}

/** The first is active, the others are on their way out. */
function keysOf(...names: string[]) {
  const file = join(folder, `${names.join('-')}.json`)
  const keys = names.map((name, index) => ({
    keyId: name,
    state: index === 0 ? 'active' : 'retiring',
    keyFile: name,
  }))
  writeFileSync(file, JSON.stringify({ keys }))
  return readSealingKeys(file)
}

const keys = keysOf('old')
const nowMs = Date.UTC(2026, 5, 1)
const link: Link = {
  endpointId: 'shop-mail',
  action: 'verify',
  addressDigest: digestOfAddress('owner@shop.example'),
  expiresAtMs: nowMs + 1_000,
}
const token = createLinkToken(link, keys)
const read = (text: string, at = nowMs) => readLinkToken(text, { keys, nowMs: at })

test('a link is read as it was made, and its token needs no encoding in a URL', () => {
  const anyLink = fc.record<Link>({
    endpointId: fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/),
    action: fc.constantFrom('verify', 'unsubscribe'),
    addressDigest: fc.emailAddress().map(digestOfAddress),
    expiresAtMs: fc.integer({ min: nowMs / 1_000 + 1, max: nowMs / 500 }).map((seconds) => seconds * 1_000),
  })
  fc.assert(
    fc.property(anyLink, (made) => {
      const text = createLinkToken(made, keys)
      expect(read(text)).toEqual({ kind: 'good', link: made })
      expect(text).toMatch(/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/)
      expect(text.length).toBeLessThanOrEqual(250)
    }),
  )
})

test('a link works until its time, and is known for what it was afterwards', () => {
  expect(read(token, link.expiresAtMs - 1).kind).toBe('good')
  expect(read(token, link.expiresAtMs)).toEqual({ kind: 'expired', link })
})

describe('forged is', () => {
  test('a token with any character changed, added or left out', () => {
    const alphabet = Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.')
    const edit = fc.record({
      at: fc.nat(token.length - 1),
      removed: fc.integer({ min: 0, max: 2 }),
      put: fc.string({ unit: fc.constantFrom(...alphabet), maxLength: 2 }),
    })
    fc.assert(
      fc.property(edit, ({ at, removed, put }) => {
        const changed = token.slice(0, at) + put + token.slice(at + removed)
        fc.pre(changed !== token)
        expect(read(changed)).toEqual({ kind: 'forged' })
      }),
      { numRuns: 2_000 },
    )
  })

  test('a token whose last character says the same in fewer bits', () => {
    const twins = Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_')
      .map((last) => token.slice(0, -1) + last)
      .filter((text) => read(text).kind !== 'forged')
    expect(twins).toEqual([token])
  })

  test('a token of other keys', () => {
    expect(readLinkToken(token, { keys: keysOf('foreign'), nowMs })).toEqual({ kind: 'forged' })
  })

  test('a payload with a code that the same keys made for something else', () => {
    const [payload = ''] = token.split('.')
    expect(read(`${payload}.${keys.mac(payload)}`)).toEqual({ kind: 'forged' })
  })

  test.each(['', '.', 'a', 'a.', '.a', `${'a'.repeat(600)}.${'a'.repeat(43)}`, 'ü.ü', '%00.%00'])(
    'the text %j',
    (text) => {
      expect(read(text)).toEqual({ kind: 'forged' })
    },
  )
})

test('a link outlives a rotation while its key is retiring, and not longer', () => {
  expect(readLinkToken(token, { keys: keysOf('new', 'old'), nowMs }).kind).toBe('good')
  expect(readLinkToken(token, { keys: keysOf('new'), nowMs }).kind).toBe('forged')
})

test('a token does not show the address', () => {
  const [payload = ''] = token.split('.')
  expect(Buffer.from(payload, 'base64url').toString()).not.toContain('shop.example')
})

test.each(['https://console.example', 'https://console.example/'])(
  'links stand under %s, with one slash in between',
  (publicUrl) => {
    expect(linkUrl(publicUrl, 'a.b')).toBe('https://console.example/e/a.b')
  },
)
