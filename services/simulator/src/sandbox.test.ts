import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parsePrivateKey } from '@signalbox/alipay/keys'
import { createSignature, verifySignature } from '@signalbox/alipay/signature'
import { apiTokensFile } from '@signalbox/contracts/api-tokens-file'
import { clientsFile } from '@signalbox/contracts/clients-file'
import { endpointsFile } from '@signalbox/contracts/endpoints-file'
import { readJsonFile } from '@signalbox/runtime/files'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createSandbox, readSenderClients, readSinks, registerSinks, sandboxPaths } from './sandbox.ts'

const folder = mkdtempSync(join(tmpdir(), 'signalbox-sandbox-'))
const options = {
  folder,
  clients: 2,
  paths: { alipayplus: '/alipayplus/notifyRegistrationStatus', ams: '/ams/notifyRegistrationStatus' },
  sinkUrl: 'http://127.0.0.1:8070/',
}
const paths = sandboxPaths(folder)
const read = (path: string) => readFileSync(join(folder, path), 'utf8')

beforeAll(() => createSandbox(options))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('a sandbox has a client of each dialect, each with a path of its own', () => {
  const { clients } = readJsonFile(paths.clients, 'test', clientsFile)
  expect(clients.map(({ clientId, dialect, paths }) => [clientId, dialect, paths])).toEqual([
    ['SANDBOX_5X00000000000000', 'alipayplus', ['/alipayplus/notifyRegistrationStatus']],
    ['SANDBOX_5Y00000000000000', 'ams', ['/ams/notifyRegistrationStatus']],
  ])
})

test('what one side signs, the other side verifies', async () => {
  const { clients } = readJsonFile(paths.clients, 'test', clientsFile)
  for (const sender of readSenderClients(folder)) {
    const acquirer = clients.find(({ clientId }) => clientId === sender.clientId)
    const own = parsePrivateKey(read(acquirer?.ownKeys[0]?.privateKeyFile ?? ''))
    const parts = {
      uri: sender.path,
      clientId: sender.clientId,
      time: '1685599933871',
      body: Buffer.from('{}'),
    }
    const key = sender.acquirerKeys.get('1')
    const signature = own.kind === 'key' ? await createSignature(parts, own.key) : Buffer.alloc(0)
    expect(key && verifySignature(parts, signature, key)).toBe(true)
  }
})

test('only the owner may read what is secret', () => {
  const secret = [
    'console-token',
    ...['keys', 'secrets'].flatMap((sub) => readdirSync(join(folder, sub)).map((name) => join(sub, name))),
  ]
  expect(secret).toHaveLength(10)
  for (const path of secret) expect(statSync(join(folder, path)).mode & 0o077).toBe(0)
})

test('a sandbox of an earlier version gets a key for its endpoints, and nothing else changes', async () => {
  const written = read('endpoint-keys.json')
  const token = read('console-token')
  rmSync(paths.endpointKeys)
  expect(await createSandbox(options)).toBe(false)
  expect(read('endpoint-keys.json')).toBe(written)
  expect(read('secrets/endpoint-key-1.txt')).toMatch(/^[\w+/]{43}=\n$/)
  expect(read('console-token')).toBe(token)
})

test('the console token is the one whose hash the tokens file holds', () => {
  const { tokens } = readJsonFile(paths.tokens, 'test', apiTokensFile)
  const sha256 = createHash('sha256').update(read('console-token').trim()).digest('hex')
  expect(tokens.map((token) => token.sha256)).toEqual([sha256])
})

test('each client has an endpoint for the merchant of the sample and one for all, each with its secret', () => {
  const { endpoints } = readJsonFile(paths.endpoints, 'test', endpointsFile)
  expect(endpoints.map(({ clientId, merchant, url }) => [clientId, merchant, url])).toEqual([
    ['SANDBOX_5X00000000000000', '2188120000190000', 'http://127.0.0.1:8070/merchant-1'],
    ['SANDBOX_5X00000000000000', '*', 'http://127.0.0.1:8070/wildcard-1'],
    ['SANDBOX_5Y00000000000000', '218812000019****', 'http://127.0.0.1:8070/merchant-2'],
    ['SANDBOX_5Y00000000000000', '*', 'http://127.0.0.1:8070/wildcard-2'],
  ])
  const secrets = readSinks(folder).map(({ secret }) => secret)
  expect(new Set(secrets).size).toBe(4)
  for (const secret of secrets) expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
})

test('sinks can tell where they really listen', () => {
  registerSinks(folder, 'http://127.0.0.1:45678')
  const { endpoints } = readJsonFile(paths.endpoints, 'test', endpointsFile)
  expect(endpoints[0]?.url).toBe('http://127.0.0.1:45678/merchant-1')
})

test('an existing sandbox is left as it is', async () => {
  const before = read('clients.json')
  expect(await createSandbox(options)).toBe(false)
  expect(read('clients.json')).toBe(before)
})

test('a folder without a sandbox is refused with what to do', () => {
  expect(() => readSenderClients(join(folder, 'nowhere'))).toThrow(/init --folder/)
})
