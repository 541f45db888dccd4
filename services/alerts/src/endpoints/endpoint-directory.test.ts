import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { loadEndpointDirectory } from './endpoint-directory.ts'

const goodSecret = randomBytes(32)

function load({
  endpoints,
  secret = `whsec_${goodSecret.toString('base64')}\n`,
  allowInsecure = false,
}: {
  endpoints: readonly object[]
  secret?: string
  allowInsecure?: boolean
}) {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-endpoints-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'endpoints.json')
  writeFileSync(file, JSON.stringify({ endpoints }))
  writeFileSync(join(folder, 'secret'), secret)
  return loadEndpointDirectory(file, { allowInsecure })
}

const endpoint = (differs: object = {}) => ({
  id: 'one',
  clientId: 'client',
  merchant: 'M1',
  url: 'https://merchant.example/hook',
  secretFile: 'secret',
  ...differs,
})

const idsOf = (directory: ReturnType<typeof load>, clientId: string, referenceMerchantId: string) =>
  directory.of({ clientId, referenceMerchantId }).map(({ id }) => id)

test('a merchant’s endpoints are its own and those of the whole client, never another client’s', () => {
  const directory = load({
    endpoints: [
      endpoint(),
      endpoint({ id: 'two', merchant: 'M2' }),
      endpoint({ id: 'all', merchant: '*' }),
      endpoint({ id: 'other', clientId: 'other client', merchant: '*' }),
    ],
  })
  expect(idsOf(directory, 'client', 'M1')).toEqual(['one', 'all'])
  expect(idsOf(directory, 'client', 'M3')).toEqual(['all'])
  expect(idsOf(directory, 'third client', 'M1')).toEqual([])
  expect(directory.endpointCount).toBe(4)
})

test('a secret file is read beside the endpoints file, without the white space around it', () => {
  expect(load({ endpoints: [endpoint()] }).find('one')).toEqual({
    id: 'one',
    url: 'https://merchant.example/hook',
    secret: goodSecret,
  })
})

test.each([
  ['without its prefix', goodSecret.toString('base64')],
  ['that is not base64', 'whsec_!!!!not base64!!!!not base64!!!!not base64'],
  ['that is empty', ''],
  ['that is too short', `whsec_${randomBytes(23).toString('base64')}`],
  ['that is too long', `whsec_${randomBytes(65).toString('base64')}`],
])('a secret %s is refused by naming endpoint, file and remedy', (_, secret) => {
  const attempt = () => load({ endpoints: [endpoint()], secret })
  expect(attempt).toThrow(/endpoint one has no Standard Webhooks secret in .*secret.*openssl rand/s)
})

test.each([
  [
    'a secret file that is missing',
    endpoint({ secretFile: 'nowhere' }),
    /endpoint one.*nowhere.*cannot be read/s,
  ],
  [
    'plain HTTP',
    endpoint({ url: 'http://merchant.example/' }),
    /endpoint one.*not https.*ALERT_ALLOW_INSECURE/s,
  ],
  ['a private host', endpoint({ url: 'https://10.0.0.1/' }), /endpoint one.*IP address/s],
  ['a login in its url', endpoint({ url: 'https://u:p@merchant.example/' }), /endpoint one.*login/s],
  ['another member', endpoint({ secret: 'x' }), /content does not fit.*secret/s],
])('an endpoint with %s is refused with a readable message', (_, entry, message) => {
  expect(() => load({ endpoints: [entry] })).toThrow(message)
})

test('an id that stands twice is refused', () => {
  expect(() => load({ endpoints: [endpoint(), endpoint()] })).toThrow(/endpoint one stands twice/)
})

test('insecure endpoints may be allowed', () => {
  const directory = load({
    endpoints: [endpoint({ url: 'http://127.0.0.1:8081/hook' })],
    allowInsecure: true,
  })
  expect(idsOf(directory, 'client', 'M1')).toEqual(['one'])
})

test('a secret that is refused is not shown', () => {
  const secret = goodSecret.toString('base64')
  expect(() => load({ endpoints: [endpoint()], secret })).not.toThrow(secret)
})
