import { expect, test } from 'vitest'
import { changedBy, creation, unverified, url, webhookSettings } from './endpoint.fixture.ts'
import type { Endpoint } from './endpoint.ts'
import { openHeaders, sealHeaders } from './sealed-headers.ts'
import { writeKeysFile } from './sealing.fixture.ts'
import { readSealingKeys, type SealingKeys, SealingTrouble } from './sealing.ts'

const given = { Authorization: 'Bearer abc', 'x-shop': '7', 'x-empty': '' }
const endpointId = 'one'

const withHeaders = (headers: Record<string, string>): Endpoint =>
  changedBy(null, creation({ settings: webhookSettings({ target: { type: 'webhook', url, headers } }) }))
const open = (endpoint: Endpoint, by: Pick<SealingKeys, 'unseal'>, id = endpointId) =>
  openHeaders(endpoint, (sealed) => by.unseal(sealed, { endpointId: id }))

function sealedScene() {
  const keys = readSealingKeys(writeKeysFile([{ keyId: 'k1' }]))
  const others = readSealingKeys(writeKeysFile([{ keyId: 'k2' }]))
  const known = withHeaders(sealHeaders(given, { endpointId, known: null, keys }))
  return { keys, others, known }
}

test('values open as they were given, and the record holds none of them', () => {
  const { keys, known } = sealedScene()
  expect(open(known, keys)).toEqual(given)
  expect(JSON.stringify(known)).not.toMatch(/Bearer abc|"7"/)
  expect(open(unverified(), keys)).toEqual({})
})

test('the seal of one endpoint opens for no other, and without its key for nobody', () => {
  const { keys, others, known } = sealedScene()
  expect(() => open(known, keys, 'two')).toThrow(SealingTrouble)
  expect(() => open(known, others)).toThrow(/k1.*Put it back as retiring/)
})

test('what is given again keeps its seal; what differs, or opens no more, gets a new one', () => {
  const { keys, others, known } = sealedScene()
  const before = sealHeaders(given, { endpointId, known, keys })
  expect(withHeaders(before).target).toEqual(known.target)
  const changed = sealHeaders({ ...given, 'x-shop': '8' }, { endpointId, known, keys })
  expect(changed['Authorization']).toBe(before['Authorization'])
  expect(changed['x-shop']).not.toBe(before['x-shop'])
  expect(open(withHeaders(sealHeaders(given, { endpointId, known, keys: others })), others)).toEqual(given)
})
