import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readDeclaredEndpoints } from './declare-endpoints.ts'
import { freshFolder } from './sealing.fixture.ts'

const goodSecret = randomBytes(32)
const urlProblem = (url: string) => (url.startsWith('https:') ? null : 'it is not https')

function read({
  endpoints = [],
  emails,
  secret = `whsec_${goodSecret.toString('base64')}\n`,
}: {
  endpoints?: readonly object[]
  emails?: readonly object[]
  secret?: string
}) {
  const folder = freshFolder()
  const file = join(folder, 'endpoints.json')
  writeFileSync(file, JSON.stringify({ endpoints, emails }))
  writeFileSync(join(folder, 'secret'), secret)
  return readDeclaredEndpoints(file, { urlProblem })
}

const endpoint = (differs: object = {}) => ({
  id: 'one',
  clientId: 'client',
  merchant: 'M1',
  url: 'https://merchant.example/hook',
  secretFile: 'secret',
  ...differs,
})
const email = (differs: object = {}) => ({
  id: 'mail',
  clientId: 'client',
  merchant: '*',
  address: 'shop@merchant.example',
  ...differs,
})

test('the simple form is told everything, from the beginning; its secret is read beside the file', () => {
  expect(read({ endpoints: [endpoint()] })).toEqual([
    {
      endpointId: 'one',
      clientId: 'client',
      merchant: 'M1',
      settings: {
        target: { type: 'webhook', url: 'https://merchant.example/hook', headers: {} },
        audience: 'merchant',
        filters: { eventTypes: null, pspNames: null, productCodes: null },
        limits: { ratePerSecond: null, concurrency: null },
        skipsSuperseded: false,
        keepsResponses: false,
      },
      secret: goodSecret,
      activeFrom: '1970-01-01T00:00:00.000Z',
    },
  ])
})

test('everything that an endpoint can be told apart by may be declared', () => {
  const settings = {
    audience: 'operator',
    filters: { eventTypes: ['registration.flagged'] },
    limits: { ratePerSecond: 2 },
    skipsSuperseded: true,
    keepsResponses: true,
    activeFrom: '2026-03-01T10:00:00+08:00',
  }
  const found = read({
    endpoints: [endpoint({ ...settings, headers: { 'x-shop': '7' } })],
    emails: [email(settings)],
  })
  const common = {
    audience: 'operator',
    filters: { eventTypes: ['registration.flagged'], pspNames: null, productCodes: null },
    limits: { ratePerSecond: 2, concurrency: null },
    skipsSuperseded: true,
    keepsResponses: true,
  }
  expect(found).toMatchObject([
    {
      settings: { ...common, target: { type: 'webhook', headers: { 'x-shop': '7' } } },
      activeFrom: '2026-03-01T02:00:00.000Z',
    },
    { settings: { ...common, target: { type: 'email', address: 'shop@merchant.example' } }, secret: null },
  ])
})

test.each([
  ['without its prefix', goodSecret.toString('base64')],
  ['that is not base64', 'whsec_!!!!not base64!!!!not base64!!!!not base64'],
  ['that is empty', ''],
  ['that is too short', `whsec_${randomBytes(23).toString('base64')}`],
  ['that is too long', `whsec_${randomBytes(65).toString('base64')}`],
])('a secret %s is refused by naming endpoint, file and remedy', (_, secret) => {
  const attempt = () => read({ endpoints: [endpoint()], secret })
  expect(attempt).toThrow(/endpoint one has no Standard Webhooks secret in .*secret.*openssl rand/s)
})

test.each([
  [
    'a secret file that is missing',
    endpoint({ secretFile: 'nowhere' }),
    /endpoint one.*nowhere.*cannot be read/s,
  ],
  [
    'a url that must not be used',
    endpoint({ url: 'http://merchant.example/' }),
    /endpoint one.*not https.*ALERT_ALLOW_INSECURE/s,
  ],
  ['a login in its url', endpoint({ url: 'https://u:p@merchant.example/' }), /endpoint one.*login/s],
  ['another member', endpoint({ secret: 'x' }), /content does not fit.*secret/s],
  ['another filter', endpoint({ filters: { psps: [] } }), /content does not fit.*psps/s],
  [
    'a reserved header',
    endpoint({ headers: { 'Webhook-Id': 'x' } }),
    /endpoint one.*Webhook-Id is reserved/s,
  ],
  ['a rate of nothing', endpoint({ limits: { ratePerSecond: 0 } }), /content does not fit.*ratePerSecond/s],
])('an endpoint with %s is refused with a readable message', (_, entry, message) => {
  expect(() => read({ endpoints: [entry] })).toThrow(message)
})

test('an id that stands twice is refused, also over both lists', () => {
  expect(() => read({ endpoints: [endpoint(), endpoint()] })).toThrow(/endpoint one stands twice/)
  expect(() => read({ endpoints: [endpoint()], emails: [email({ id: 'one' })] })).toThrow(/one stands twice/)
})

test('a secret that is refused is not shown', () => {
  const secret = goodSecret.toString('base64')
  expect(() => read({ endpoints: [endpoint()], secret })).not.toThrow(secret)
})
