import { expect, test } from 'vitest'
import { changesBetween } from './client-changes.ts'
import { createClientDirectory } from './client-directory.ts'
import { createClientFilesReader } from './client-files.ts'
import { createClientsFolder, privatePem, publicText, rsaPair } from './key-ring.fixture.ts'

const pairs = [rsaPair(), rsaPair()] as const
const alipayKey = (version: string, state: string, pair = pairs[0]) => ({
  version,
  state,
  publicKey: publicText(pair.publicKey),
})
const ownKey = (version: string, state: string, name = 'own') => ({
  version,
  state,
  privateKeyFile: `keys/${name}.pem`,
})
const entry = {
  clientId: 'T_1',
  dialect: 'ams',
  paths: ['/a', '/b'],
  alipayKeys: [alipayKey('1', 'active')],
  ownKeys: [ownKey('1', 'active')],
}

function changes(before: object[], after: object[], newOwn = pairs[0]) {
  using clients = createClientsFolder()
  const [was, now] = [
    { entries: before, own: pairs[0] },
    { entries: after, own: newOwn },
  ].map(({ entries, own }) => {
    clients.write(...entries)
    clients.writeKey('keys/own.pem', privatePem(own.privateKey))
    clients.writeKey('keys/other.pem', privatePem(pairs[1].privateKey))
    const files = createClientFilesReader(clients.file).readNow()
    const directory = createClientDirectory(files)
    return { clients: files.clients.kind === 'clients' ? files.clients.clients : [], directory }
  })
  if (was === undefined || now === undefined) throw new Error('two versions')
  return changesBetween(was, now)
}

const nothing = { clients: [], paths: [], withoutKey: [] }

test('clients that came and went are named', () => {
  expect(changes([entry, { ...entry, clientId: 'T_2' }], [entry, { ...entry, clientId: 'T_3' }])).toEqual({
    added: ['T_3'],
    removed: ['T_2'],
    changed: [],
    cutOff: { ...nothing, clients: ['T_2'] },
  })
})

test('every step of a rotation is named with the versions and their states', () => {
  const alipayKeys = [alipayKey('1', 'retiring'), alipayKey('2', 'active', pairs[1])]
  const ownKeys = [ownKey('1', 'retiring'), ownKey('2', 'active', 'other')]
  expect(changes([entry], [{ ...entry, alipayKeys, ownKeys }])).toMatchObject({
    changed: [
      {
        clientId: 'T_1',
        changes: [
          'alipayKeys 1: active -> retiring',
          'alipayKeys 2: added active',
          'ownKeys 1: active -> retiring',
          'ownKeys 2: added active',
          'answers signed with ownKeys 1 -> 2',
        ],
      },
    ],
    cutOff: nothing,
  })
  expect(changes([{ ...entry, alipayKeys }], [{ ...entry, alipayKeys: alipayKeys.slice(1) }])).toMatchObject({
    changed: [{ changes: ['alipayKeys 1: removed'] }],
  })
})

test('another key under the same version is named, in the file and beside it', () => {
  const alipayKeys = [alipayKey('1', 'active', pairs[1])]
  expect(changes([entry], [{ ...entry, alipayKeys }])).toMatchObject({
    changed: [{ changes: ['alipayKeys 1: replaced'] }],
  })
  expect(changes([entry], [entry], pairs[1])).toMatchObject({
    changed: [{ changes: ['ownKeys 1: another key in its file'] }],
  })
})

test('a path that a client loses is cut off, one that moves to another client as well', () => {
  const after = [
    { ...entry, paths: ['/c'] },
    { ...entry, clientId: 'T_2' },
  ]
  expect(changes([entry], after)).toMatchObject({
    changed: [{ changes: ['path /c: added', 'path /a: removed', 'path /b: removed'] }],
    cutOff: {
      ...nothing,
      paths: [
        { clientId: 'T_1', path: '/a' },
        { clientId: 'T_1', path: '/b' },
      ],
    },
  })
})

test('a client is cut off when its last verifying key goes, but not when it never had one', () => {
  const without = { ...entry, alipayKeys: [alipayKey('1', 'retired')] }
  expect(changes([entry], [without]).cutOff).toEqual({ ...nothing, withoutKey: ['T_1'] })
  expect(changes([{ ...entry, alipayKeys: [] }], [without]).cutOff).toEqual(nothing)
})

test('changed settings are named, and the same in another order is no change', () => {
  expect(
    changes([entry], [{ ...entry, dialect: 'alipayplus', push: true, anyKeyVersion: true }]),
  ).toMatchObject({
    changed: [
      { changes: ['dialect: ams -> alipayplus', 'push: false -> true', 'anyKeyVersion: false -> true'] },
    ],
  })
  const alipayKeys = [alipayKey('1', 'active'), alipayKey('2', 'active')]
  const before = { ...entry, alipayKeys }
  const after = { ...entry, paths: ['/b', '/a'], alipayKeys: alipayKeys.toReversed() }
  expect(changes([before], [after]).changed).toEqual([])
})
