import {
  chmodSync,
  mkdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { createLogger } from '@signalbox/runtime/log'
import { createMetrics } from '@signalbox/runtime/metrics'
import { StartProblem } from '@signalbox/runtime/start-problem'
import { expect, test, vi } from 'vitest'
import { openClientRing } from './client-ring.ts'
import { createClientsFolder, privatePem, publicText, rsaPair } from './key-ring.fixture.ts'

const pollMs = 10
const patience = { timeout: 4_000, interval: 5 }
const alipay = rsaPair()
const [ownBefore, ownAfter] = [rsaPair(), rsaPair()]

const entry = (clientId: string, paths = ['/a']) => ({
  clientId,
  dialect: 'ams',
  paths,
  alipayKeys: [{ version: '1', state: 'active', publicKey: publicText(alipay.publicKey) }],
  ownKeys: [{ version: '1', state: 'active', privateKeyFile: 'keys/own.pem' }],
})

type Line = { level: number; msg: string; problem?: string } & Record<string, unknown>

const isLine = (line: unknown): line is Line => typeof line === 'object' && line !== null && 'msg' in line

/** An open ring on real files, with client T_1; `write` writes in place. */
function openTestRing() {
  const clients = createClientsFolder()
  const keyPath = clients.writeKey('keys/own.pem', privatePem(ownBefore.privateKey))
  clients.write(entry('T_1'))
  const written: string[] = []
  const destination = new Writable({
    write(chunk: Buffer, _, done) {
      written.push(chunk.toString('utf8'))
      done()
    },
  })
  const metrics = createMetrics('test')
  const log = createLogger('test', { level: 'info', destination })
  const ring = openClientRing({ file: clients.file, pollMs, log, metrics })
  const lines = (msg: string) =>
    written
      .map((line): unknown => JSON.parse(line))
      .filter(isLine)
      .filter((line) => line.msg === msg)
  return {
    ...clients,
    keyPath,
    ring,
    lines,
    text: () => written.join(''),
    has: (clientId: string) => ring.current().find(clientId) !== undefined,
    async metric(name: string): Promise<number | undefined> {
      const line = (await metrics.text()).split('\n').find((candidate) => candidate.startsWith(name))
      return line === undefined ? undefined : Number(line.split(' ').at(-1))
    },
    async [Symbol.asyncDispose]() {
      await ring[Symbol.asyncDispose]()
      clients[Symbol.dispose]()
    },
  }
}

const refusals = 'clients_file_reloads_total{outcome="refused"'
const reloads = 'clients_file_reloads_total{outcome="loaded"'

function renamedOver(file: string, text: string) {
  writeFileSync(`${file}.new`, text, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

/** Each makes the clients file hold this text, as editors, deployments and mounted volumes do. */
const waysToWrite: [string, (file: string, text: string) => void][] = [
  ['written in place', (file, text) => writeFileSync(file, text)],
  [
    'emptied and written in place',
    (file, text) => {
      truncateSync(file)
      writeFileSync(file, text)
    },
  ],
  ['renamed over', renamedOver],
  [
    'moved away and written anew, as editors save',
    (file, text) => {
      renameSync(file, `${file}~`)
      writeFileSync(file, text)
    },
  ],
  [
    'a symlink to a folder swapped, as Kubernetes does',
    (file, text) => {
      const folder = dirname(file)
      const next = join(folder, '..version')
      mkdirSync(next)
      writeFileSync(join(next, 'clients.json'), text)
      symlinkSync('..version', join(folder, '..data_tmp'))
      renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
      symlinkSync('..data/clients.json', `${file}.new`)
      renameSync(`${file}.new`, file)
    },
  ],
]

test.each(waysToWrite)('a new version takes effect when the file is %s', async (_, write) => {
  await using at = openTestRing()
  write(at.file, JSON.stringify({ clients: [entry('T_1'), entry('T_2')] }))
  await vi.waitFor(() => expect(at.has('T_2')).toBe(true), patience)
  expect(at.lines('clients.reloaded')).toMatchObject([{ clientCount: 2, added: ['T_2'], removed: [] }])
  expect(at.ring.check().ok).toBe(true)
  expect(at.ring.check().detail).toMatch(/^2 clients, loaded 20/)
  expect(await at.metric(reloads)).toBe(1)
})

test('a swapped ..data symlink takes clients file and keys along as one', async () => {
  using clients = createClientsFolder()
  const version = (name: string, ids: string[], own: typeof ownBefore) => {
    mkdirSync(join(clients.folder, name, 'keys'), { recursive: true })
    writeFileSync(
      join(clients.folder, name, 'clients.json'),
      JSON.stringify({ clients: ids.map((id) => entry(id)) }),
    )
    clients.writeKey(join(name, 'keys/own.pem'), privatePem(own.privateKey))
    symlinkSync(name, join(clients.folder, '..data_tmp'))
    renameSync(join(clients.folder, '..data_tmp'), join(clients.folder, '..data'))
  }
  version('..1', ['T_1'], ownBefore)
  symlinkSync('..data/clients.json', clients.file)
  rmSync(join(clients.folder, 'keys'), { recursive: true })
  symlinkSync('..data/keys', join(clients.folder, 'keys'))
  const log = createLogger('test', { level: 'silent' })
  await using ring = openClientRing({ file: clients.file, pollMs, log, metrics: createMetrics('test') })
  version('..2', ['T_2'], ownAfter)
  expect(readlinkSync(join(clients.folder, '..data'))).toBe('..2')
  rmSync(join(clients.folder, '..1'), { recursive: true })
  await vi.waitFor(() => expect(ring.current().find('T_2')).toBeDefined(), patience)
  expect(ring.current().find('T_2')?.signingKey.key.equals(ownAfter.privateKey)).toBe(true)
})

test('a key file that gets another key is noticed, and answers are signed with it', async () => {
  await using at = openTestRing()
  at.writeKey('keys/own.pem', privatePem(ownAfter.privateKey))
  const signing = () => at.ring.current().find('T_1')?.signingKey.key
  await vi.waitFor(() => expect(signing()?.equals(ownAfter.privateKey)).toBe(true), patience)
  expect(at.lines('clients.reloaded')).toMatchObject([
    { changed: [{ clientId: 'T_1', changes: ['ownKeys 1: another key in its file'] }] },
  ])
})

test('the same content written again and again is no reload', async () => {
  await using at = openTestRing()
  const [directory, text] = [at.ring.current(), JSON.stringify({ clients: [entry('T_1')] })]
  const loadedAt = await at.metric('clients_file_loaded_timestamp_seconds')
  for (let poll = 0; poll < 30; poll++) {
    renamedOver(at.file, text)
    renamedOver(at.keyPath, privatePem(ownBefore.privateKey))
    await delay(pollMs)
  }
  expect(at.ring.current()).toBe(directory)
  expect(at.text()).toBe('')
  expect(await at.metric(reloads)).toBe(0)
  expect(await at.metric('clients_file_loaded_timestamp_seconds')).toBe(loadedAt)
  expect(loadedAt).toBeGreaterThan(1_700_000_000)
})

test('of quick changes the last one wins', async () => {
  await using at = openTestRing()
  for (let round = 0; round < 20; round++) at.write(entry(`T_ROUND_${round}`))
  await vi.waitFor(() => expect(at.has('T_ROUND_19')).toBe(true), patience)
  at.write(entry('T_A'))
  at.write(entry('T_B'))
  await vi.waitFor(() => expect(at.has('T_B')).toBe(true), patience)
  expect(at.has('T_A')).toBe(false)
})

/** Each spoils a good clients file or what belongs to it; the expression is what is then told. */
const waysToSpoil: [string, (at: ReturnType<typeof openTestRing>) => void, RegExp][] = [
  ['cut off', ({ file }) => truncateSync(file, 40), /is not JSON/],
  ['empty', ({ file }) => truncateSync(file), /is not JSON/],
  ['deleted', ({ file }) => rmSync(file), /cannot be read \(ENOENT\)/],
  ['without clients', ({ write }) => write(), /does not fit:\n {2}- .*, at clients/],
  [
    'with a bad key',
    ({ write }) =>
      write({ ...entry('T_1'), alipayKeys: [{ version: '1', state: 'active', publicKey: 'MIIB' }] }),
    /client T_1 has a bad key, alipayKeys version 1/,
  ],
  [
    'with a key file that is gone',
    ({ keyPath }) => rmSync(keyPath),
    /own\.pem, which cannot be read \(ENOENT\)/,
  ],
  ['with a key file cut off', ({ keyPath }) => truncateSync(keyPath, 900), /bad key, ownKeys version 1/],
  ['with a key file for all to read', ({ keyPath }) => chmodSync(keyPath, 0o644), /has mode 0644.*chmod 600/],
]

test.each(waysToSpoil)(
  'a clients file %s is refused, told once, and the old one stays in force until a good one comes',
  async (_, spoil, told) => {
    await using at = openTestRing()
    const directory = at.ring.current()
    spoil(at)
    await vi.waitFor(() => expect(at.lines('clients.refused')).toHaveLength(1), patience)
    const [refused] = at.lines('clients.refused')
    expect(refused?.level).toBe(50)
    expect(refused?.problem).toMatch(told)
    expect(at.ring.current()).toBe(directory)
    expect(at.ring.check().ok).toBe(true)
    expect(at.ring.check().detail).toMatch(/^1 clients, loaded 20.*; a newer version is refused since 20/)
    expect(at.ring.check().detail).toMatch(told)
    expect(await at.metric('clients_file_refused')).toBe(1)
    expect(await at.metric(refusals)).toBe(1)

    at.writeKey('keys/own.pem', privatePem(ownBefore.privateKey))
    chmodSync(at.keyPath, 0o600)
    at.write(entry('T_2'))
    await vi.waitFor(() => expect(at.has('T_2')).toBe(true), patience)
    expect(at.ring.check().detail).not.toMatch(/refused/)
    expect(await at.metric('clients_file_refused')).toBe(0)
    expect(at.text()).not.toContain(privatePem(ownBefore.privateKey).slice(100, 140))
  },
)

test('a bad version that stays, however often it is written, is told once', async () => {
  await using at = openTestRing()
  for (let poll = 0; poll < 30; poll++) {
    renamedOver(at.file, '{')
    await delay(pollMs)
  }
  expect(at.lines('clients.refused')).toHaveLength(1)
  expect(await at.metric(refusals)).toBe(1)
})

test('each bad version is told, and the return of the good one clears the refusal without a reload', async () => {
  await using at = openTestRing()
  const directory = at.ring.current()
  writeFileSync(at.file, '{')
  await vi.waitFor(() => expect(at.lines('clients.refused')).toHaveLength(1), patience)
  writeFileSync(at.file, '{"clients":')
  await vi.waitFor(() => expect(at.lines('clients.refused')).toHaveLength(2), patience)
  at.write(entry('T_1'))
  await vi.waitFor(() => expect(at.lines('clients.recovered')).toHaveLength(1), patience)
  expect(at.ring.current()).toBe(directory)
  expect(at.lines('clients.reloaded')).toEqual([])
  expect(await at.metric('clients_file_refused')).toBe(0)
  expect(await at.metric(reloads)).toBe(0)
  expect(at.ring.check().detail).not.toMatch(/refused/)
})

test('what a reload cuts off is a warning that names it', async () => {
  await using at = openTestRing()
  at.write(entry('T_1', ['/a', '/b']), entry('T_2'))
  await vi.waitFor(() => expect(at.has('T_2')).toBe(true), patience)
  expect(at.lines('clients.cut_off')).toEqual([])
  at.write(entry('T_1', ['/b']))
  await vi.waitFor(() => expect(at.has('T_2')).toBe(false), patience)
  expect(at.lines('clients.cut_off')).toMatchObject([
    { level: 40, clients: ['T_2'], paths: [{ clientId: 'T_1', path: '/a' }], withoutKey: [] },
  ])
})

test('while the file keeps changing nothing takes effect, and then the last version does', async () => {
  await using at = openTestRing()
  const directory = at.ring.current()
  const until = performance.now() + 30 * pollMs
  let round = 0
  while (performance.now() < until) {
    renamedOver(at.file, JSON.stringify({ clients: [entry(`T_ROUND_${++round}`)] }))
    // Every look finds another content: there is a turn of the event loop between two of them.
    await new Promise((resolve) => setImmediate(resolve))
    expect(at.ring.current()).toBe(directory)
  }
  expect(at.text()).toBe('')
  await vi.waitFor(() => expect(at.has(`T_ROUND_${round}`)).toBe(true), patience)
  expect(at.lines('clients.reloaded')).toHaveLength(1)
})

test('the first version has to be good', async () => {
  using clients = createClientsFolder()
  const log = createLogger('test', { level: 'silent' })
  const open = () => openClientRing({ file: clients.file, pollMs, log, metrics: createMetrics('test') })
  expect(open).toThrow(StartProblem)
  clients.write(entry('T_1'))
  expect(open).toThrow(/own\.pem, which cannot be read/)
})

test('once closed, nothing changes any more', async () => {
  const at = openTestRing()
  await at.ring[Symbol.asyncDispose]()
  at.write(entry('T_2'))
  await using beside = openTestRing()
  beside.write(entry('T_2'))
  await vi.waitFor(() => expect(beside.has('T_2')).toBe(true), patience)
  expect(at.has('T_2')).toBe(false)
  await at[Symbol.asyncDispose]()
})
