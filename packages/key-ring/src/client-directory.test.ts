import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StartProblem } from '@signalbox/runtime/start-problem'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { candidateKeys, loadClientDirectory } from './client-directory.ts'

const publicKey = alipay.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
const privatePem = own.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

const alipayKey = (version: string, state = 'active') => ({ version, state, publicKey })
const ownKey = (version: string, state = 'active') => ({ version, state, privateKeyFile: 'keys/own.pem' })
const entry = {
  clientId: 'T_1',
  dialect: 'ams',
  paths: ['/a', '/b'],
  alipayKeys: [alipayKey('1')],
  ownKeys: [ownKey('1')],
}

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'client-directory-'))
  file = join(folder, 'clients.json')
  mkdirSync(join(folder, 'keys'))
  writeFileSync(join(folder, 'keys/own.pem'), privatePem)
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function load(...clients: object[]) {
  writeFileSync(file, JSON.stringify({ clients }))
  return loadClientDirectory(file)
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
    { version: '3', isActive: true, key },
    { version: '2', isActive: true, key },
    { version: '1', isActive: false, key },
  ]
  const three = { ...client, verifyingKeys }
  test.each([
    ['the named one alone', false, '2', ['2']],
    ['none when the named one is unknown', false, '4', []],
    ['a version is compared as text', false, '02', []],
    ['all, the newest first, when none is named', false, null, ['3', '2', '1']],
    ['the named one before all other active ones with anyKeyVersion', true, '2', ['2', '3']],
    ['a retiring one when it is named', true, '1', ['1', '3', '2']],
    ['the active ones of an unknown version with anyKeyVersion', true, '4', ['3', '2']],
  ])('%s', (_, anyKeyVersion, named, versions) => {
    const candidates = candidateKeys({ ...three, anyKeyVersion }, named)
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
    [{ ...entry, alipayKeys: [{ ...alipayKey('5'), publicKey: privatePem }] }],
    /client T_1 has a bad key, alipayKeys version 5: it is a private key.*Copy Alipay's public key/,
  ],
  [
    'a missing private key file',
    [{ ...entry, ownKeys: [{ ...ownKey('3'), privateKeyFile: 'keys/gone.pem' }] }],
    /client T_1, ownKeys version 3 names the file .*keys\/gone\.pem, which cannot be read \(ENOENT\)\. Create it/,
  ],
  [
    'a file without a private key',
    [{ ...entry, ownKeys: [{ ...ownKey('3'), privateKeyFile: 'clients.json' }] }],
    /bad key, ownKeys version 3: it is no private.*Put our RSA private key into/,
  ],
  ['an unknown member', [{ ...entry, path: '/a' }], /Unrecognized key: "path"/],
  ['a path with a query', [{ ...entry, paths: ['/a?b'] }], /has no query/],
])('%s is refused with the file, the place and the remedy', (_, clients, message) => {
  expect(() => load(...clients)).toThrow(StartProblem)
  expect(() => load(...clients)).toThrow(message)
  expect(() => load(...clients)).toThrow(file)
})
