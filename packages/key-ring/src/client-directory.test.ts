import { chmodSync, writeFileSync } from 'node:fs'
import { StartProblem } from '@signalbox/runtime/start-problem'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Client, candidateKeys, loadClientDirectory } from './client-directory.ts'
import {
  type ClientsFolder,
  createClientsFolder,
  privatePem,
  publicText,
  rsaPair,
} from './key-ring.fixture.ts'

const alipay = rsaPair()
const own = rsaPair()
const ownPem = privatePem(own.privateKey)

const alipayKey = (version: string, state = 'active') => ({
  version,
  state,
  publicKey: publicText(alipay.publicKey),
})
const ownKey = (version: string, state = 'active') => ({ version, state, privateKeyFile: 'keys/own.pem' })
const entry = {
  clientId: 'T_1',
  dialect: 'ams',
  paths: ['/a', '/b'],
  alipayKeys: [alipayKey('1')],
  ownKeys: [ownKey('1')],
}

let clients: ClientsFolder
let ownKeyPath: string
beforeEach(() => {
  clients = createClientsFolder()
  ownKeyPath = clients.writeKey('keys/own.pem', ownPem)
  clients.writeKey('keys/none.pem', 'no key')
})
afterEach(() => clients[Symbol.dispose]())

function load(...entries: object[]) {
  clients.write(...entries)
  return loadClientDirectory(clients.file)
}

test('clients are found by id, and private keys relative to the file', () => {
  const directory = load(entry, {
    ...entry,
    clientId: 'T_2',
    dialect: 'alipayplus',
    push: true,
    paths: ['/b'],
  })
  expect(directory.clientCount).toBe(2)
  expect(directory.find('T_1')).toMatchObject({ dialect: 'ams', push: false, paths: new Set(['/a', '/b']) })
  expect(directory.find('T_2')).toMatchObject({ dialect: 'alipayplus', push: true })
  expect(directory.find('t_1')).toBeUndefined()
  expect(directory.find('T_1')?.signingKey.key.equals(own.privateKey)).toBe(true)
  expect([directory.hasPath('/b'), directory.hasPath('/c')]).toEqual([true, false])
})

test('the greatest active own version signs, as a number and not as a text', () => {
  const directory = load({
    ...entry,
    ownKeys: [ownKey('9'), ownKey('10'), ownKey('11', 'retiring'), ownKey('12', 'retired')],
  })
  expect(directory.find('T_1')?.signingKey.version).toBe('10')
})

test('active and retiring keys verify, retired ones never; a client may still be without any', () => {
  const alipayKeys = [
    alipayKey('4', 'retiring'),
    alipayKey('1'),
    alipayKey('2'),
    alipayKey('3', 'retired'),
    alipayKey('10', 'retiring'),
  ]
  const directory = load({ ...entry, alipayKeys }, { ...entry, clientId: 'T_2', alipayKeys: [] })
  expect(directory.find('T_1')?.verifyingKeys.map(({ version }) => version)).toEqual(['2', '1', '10', '4'])
  expect(directory.find('T_2')?.verifyingKeys).toEqual([])
})

describe('candidate keys', () => {
  const key = alipay.publicKey
  const verifyingKeys = [
    { version: '3', isActive: true, key, signatureBytes: 256 },
    { version: '2', isActive: true, key, signatureBytes: 256 },
    { version: '1', isActive: false, key, signatureBytes: 256 },
  ]
  const client: Client = {
    clientId: 'T_1',
    dialect: 'ams',
    push: false,
    paths: new Set(['/a']),
    anyKeyVersion: false,
    verifyingKeys,
    signingKey: { version: '7', key: own.privateKey },
    inquiryUrl: null,
  }
  test.each([
    ['the named one alone', false, '2', ['2']],
    ['none when the named one is unknown', false, '4', []],
    ['a version is compared as text', false, '02', []],
    ['all, the newest first, when none is named', false, null, ['3', '2', '1']],
    ['the named one before all other active ones with anyKeyVersion', true, '2', ['2', '3']],
    ['a retiring one when it is named', true, '1', ['1', '3', '2']],
    ['the active ones of an unknown version with anyKeyVersion', true, '4', ['3', '2']],
  ])('%s', (_, anyKeyVersion, named, versions) => {
    const candidates = candidateKeys({ ...client, anyKeyVersion }, named)
    expect(candidates.map(({ version }) => version)).toEqual(versions)
  })
})

test.each<[string, object[], RegExp]>([
  ['a client twice', [entry, entry], /client T_1 stands twice. Merge/],
  [
    'a version twice',
    [{ ...entry, alipayKeys: [alipayKey('1'), alipayKey('1', 'retired')] }],
    /version 1 twice in alipayKeys/,
  ],
  ['no own key', [{ ...entry, ownKeys: [] }], /no active key in ownKeys.*Add one/],
  ['no active own key', [{ ...entry, ownKeys: [ownKey('1', 'retiring')] }], /set the state of one to active/],
  ['an id no header can carry', [{ ...entry, clientId: 'T 1' }], /no header can carry/],
  [
    'our key in place of Alipay’s',
    [{ ...entry, alipayKeys: [{ ...alipayKey('5'), publicKey: ownPem }] }],
    /client T_1 has a bad key, alipayKeys version 5: it is a private key.*Copy Alipay's public key/,
  ],
  [
    'a missing private key file',
    [{ ...entry, ownKeys: [{ ...ownKey('3'), privateKeyFile: 'keys/gone.pem' }] }],
    /client T_1, ownKeys version 3 names the file .*keys\/gone\.pem, which cannot be read \(ENOENT\)\. Create it/,
  ],
  [
    'a file without a private key',
    [{ ...entry, ownKeys: [{ ...ownKey('3'), privateKeyFile: 'keys/none.pem' }] }],
    /bad key, ownKeys version 3: it is no private.*Put our RSA private key into/,
  ],
  [
    'a key in place of the name of its file',
    [{ ...entry, ownKeys: [{ ...ownKey('3'), privateKeyFile: ownPem }] }],
    /no file name in privateKeyFile of ownKeys version 3 \(not shown/,
  ],
  [
    'a folder in place of a key file',
    [{ ...entry, ownKeys: [{ ...ownKey('3'), privateKeyFile: 'keys' }] }],
    /keys, which cannot be read \(it is no regular file\)/,
  ],
  ['an unknown member', [{ ...entry, path: '/a' }], /Unrecognized key: "path"/],
  ['a path with a query', [{ ...entry, paths: ['/a?b'] }], /has no query/],
])('%s is refused with the file, the place and the remedy', (_, entries, message) => {
  expect(() => load(...entries)).toThrow(StartProblem)
  expect(() => load(...entries)).toThrow(message)
  expect(() => load(...entries)).toThrow(clients.file)
})

test('a file that is not JSON is refused with its place and without quoting what stands there', () => {
  const secret = Buffer.from(ownPem).toString('base64').slice(0, 40)
  writeFileSync(clients.file, `{"clients":\n [${secret}]}`)
  expect(() => loadClientDirectory(clients.file)).toThrow(/is not JSON.*Correct it/)
  expect(() => loadClientDirectory(clients.file)).not.toThrow(secret.slice(0, 5))
  writeFileSync(clients.file, '{"clients":\n [}')
  expect(() => loadClientDirectory(clients.file)).toThrow(/is not JSON/)
  writeFileSync(clients.file, '{"clients": [],\n}')
  expect(() => loadClientDirectory(clients.file)).toThrow(/is not JSON \(line 2 column 1\)/)
})

test('a private key pasted into the wrong member shows in no message', () => {
  const base64 = ownPem.replaceAll(/-----.*-----|\n/g, '')
  const misplaced: object[] = [
    { ...entry, alipayKeys: [{ ...alipayKey('1'), publicKey: base64 }] },
    { ...entry, ownKeys: [{ ...ownKey('1'), privateKeyFile: base64 }] },
    { ...entry, ownKeys: [{ ...ownKey('1'), version: base64 }] },
    { ...entry, ownKeys: [{ ...ownKey('1'), state: base64 }] },
  ]
  for (const client of misplaced) {
    expect(() => load(client)).toThrow(StartProblem)
    expect(() => load(client)).not.toThrow(base64.slice(40, 60))
  }
})

test('a clients file with a byte order mark is read as without', () => {
  writeFileSync(clients.file, `\uFEFF${JSON.stringify({ clients: [entry] })}`)
  expect(loadClientDirectory(clients.file).clientCount).toBe(1)
})

test('a key file larger than any key is refused unread', () => {
  clients.writeKey('keys/own.pem', 'x'.repeat(64 * 1024 + 1))
  expect(() => load(entry)).toThrow(/own\.pem, which cannot be read \(it has more than 65536 bytes\)/)
})

test.skipIf(process.platform === 'win32')(
  'a private key file that others can read is refused with its name, its mode and the remedy',
  () => {
    chmodSync(ownKeyPath, 0o644)
    expect(() => load(entry)).toThrow(
      `client T_1 has an unprotected private key, ownKeys version 1: the file ${ownKeyPath} has mode 0644`,
    )
    expect(() => load(entry)).toThrow(`chmod 600 ${ownKeyPath}`)
    chmodSync(ownKeyPath, 0o400)
    expect(load(entry).clientCount).toBe(1)
  },
)

test('files of keys that do not sign are not read', () => {
  const gone = { version: '1', state: 'retired', privateKeyFile: 'keys/gone.pem' }
  expect(load({ ...entry, ownKeys: [ownKey('2'), gone] }).find('T_1')?.signingKey.version).toBe('2')
})
