import { expect, test } from 'vitest'
import {
  endpointKey,
  endpointRecord,
  parseEndpointKey,
  readEndpointClaim,
  readEndpointRecord,
} from './endpoint-record.ts'

const at = '2026-03-01T10:00:00.000Z'

/** A golden fixture: what the first build wrote stays readable. */
const first = {
  endpointId: 'one',
  clientId: 'client',
  merchant: 'M1',
  revision: 2,
  audience: 'merchant',
  target: { type: 'webhook', url: 'https://merchant.example/hook', headers: { 'x-shop': '7' } },
  filters: { eventTypes: ['entry.approved'], pspNames: null, productCodes: null },
  limits: { ratePerSecond: 0.5, concurrency: 2 },
  skipsSuperseded: false,
  keepsResponses: true,
  state: 'active',
  reason: null,
  activeFrom: at,
  secrets: [{ secretId: 's1', sealed: 'v1.k1.AAAA', createdAt: at, expiresAt: null }],
  createdAt: at,
  changedAt: at,
  history: [{ at, by: 'somebody', action: 'created', detail: null }],
}

const read = (value: unknown) => readEndpointRecord(JSON.stringify(value))

test('a record of the first build is read as it was written', () => {
  expect(read(first)).toEqual(first)
  const email = { ...first, target: { type: 'email', address: 'shop@merchant.example' }, secrets: [] }
  expect(read(email)).toEqual(email)
  const deleted = { ...first, target: null, state: 'deleted', activeFrom: null, secrets: [] }
  expect(read(deleted)).toEqual(deleted)
})

test('what a later build adds is kept by who reads and writes the record, however deep it is', () => {
  const later = {
    ...first,
    colour: 'green',
    target: { ...first.target, method: 'PUT' },
    limits: { ...first.limits, burst: 7 },
    filters: { ...first.filters, eventTypes: ['entry.suspended'] },
    history: [{ at, by: 'a', action: 'painted', detail: null, from: 'red' }],
  }
  expect(read(later)).toEqual(later)
})

test.each([
  ['an id with a slash', { endpointId: 'a/b' }],
  ['an id with a colon', { endpointId: 'a:b' }],
  ['a revision below 1', { revision: 0 }],
  ['another state', { state: 'paused' }],
  ['a url that is none of the web', { target: { type: 'webhook', url: 'file:///etc/passwd', headers: {} } }],
  ['a target of a later build', { target: { type: 'telegram', chat: 1 } }],
  ['four secrets', { secrets: Array.from({ length: 4 }, () => first.secrets[0]) }],
  ['a long audit trail', { history: Array.from({ length: 101 }, () => first.history[0]) }],
  ['a time without zone', { activeFrom: '2026-03-01T10:00:00' }],
])('a record with %s is none', (_, differs) => {
  expect(read({ ...first, ...differs })).toBeNull()
})

test('every build tells whose record it is and how new, also when it cannot read the rest', () => {
  const text = JSON.stringify({ ...first, state: 'paused' })
  expect(readEndpointClaim(text)).toEqual({
    endpointId: 'one',
    clientId: 'client',
    merchant: 'M1',
    revision: 2,
  })
  for (const none of ['', '{', 'null', '{"revision":1}']) expect(readEndpointClaim(none)).toBeNull()
})

test('the key names client, merchant and endpoint, and never takes the wildcard for a merchant', () => {
  expect(endpointKey({ clientId: 'a b', merchant: '*', endpointId: 'e_1' })).toBe('a%20b/%2A/e_1')
  expect(parseEndpointKey('a%20b/%2A/e_1')).toEqual({ merchantKey: 'a%20b/%2A', endpointId: 'e_1' })
  for (const none of ['', 'a/b', 'a/b/', 'a/b/c/d', '/b/c', 'a//c', 'a/b/c d']) {
    expect(parseEndpointKey(none)).toBeNull()
  }
})

test('the schema of the documentation can be made of it', async () => {
  const { toJSONSchema } = await import('zod')
  expect(toJSONSchema(endpointRecord)).toMatchObject({ type: 'object' })
})
