import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { alertId } from '@signalbox/contracts/alert'
import { afterAll, afterEach, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { runVerb } from '../cli.fixture.ts'
import { createListenVerb } from './listen.ts'
import { changed, openListening, post, secret, secretOf } from './listening.fixture.ts'

const folder = mkdtempSync(join(tmpdir(), 'listen-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
afterEach(() => vi.restoreAllMocks())

const idFor = (endpointId: string) => alertId({ subject: 'demo/M1/S1', version: 1, endpointId })
const timeout = { timeout: 60_000 }

/** Times away; the rest word for word. */
function shown(stdout: string): string[] {
  return stdout
    .split('\n')
    .slice(1, -1)
    .map((line) => line.replace(/^\d\d:\d\d:\d\d/, 'HH:MM:SS'))
}

test('alerts are printed as they come, with what was done about them', timeout, async () => {
  await using listening = await openListening(['--secret', `${secretOf(2)},${secret}`])
  const { url } = listening
  const rejected = {
    ...changed(3).data.events[0],
    type: 'entry.rejected',
    status: 'REJECTED',
    rejectionReason: 'blurred',
  }
  const third = { ...changed(3), data: { ...changed(3).data, events: [rejected] } }
  expect(await post(url, third, { id: 'a-3' })).toEqual([204, ''])
  expect(await post(`${url}/any/path`, third, { id: 'a-3', key: secretOf(2) })).toEqual([204, ''])
  expect(await post(url, changed(1), { id: 'a-1' })).toEqual([204, ''])
  expect(await post(url, changed(2, ['TNG', 'GCASH']), { id: 'a-2' })).toEqual([204, ''])
  const challenge = { type: 'endpoint.challenge', data: { challenge: 'c-42' } }
  expect(await post(url, challenge, { id: 'c-1' })).toEqual([200, 'c-42'])
  expect(await post(url, { type: 'of.tomorrow' }, { id: 'a-4' })).toEqual([204, ''])
  expect((await post(url, changed(4), { id: 'a-5', key: secretOf(3) }))[0]).toBe(401)
  expect((await post(url, changed(4), { id: 'a-5', atMs: Date.now() - 3_600_000 }))[0]).toBe(408)
  const plain = await fetch(url, { method: 'POST', body: '{}' })
  expect(plain.status).toBe(400)
  await vi.waitFor(() => expect(listening.said.stdout).toContain('without id'))
  expect(await listening.stop('SIGINT')).toBe(0)
  expect(shown(listening.said.stdout)).toEqual([
    'HH:MM:SS  a-3: registration.changed, answered 204',
    '  Merchant M1, store S1 (client demo): version 3, collective PENDING.',
    '  TNG/CASHIER_PAYMENT: PENDING → REJECTED (blurred).',
    'HH:MM:SS  a-3: repeat, answered 204',
    '  It was here before; nothing to do.',
    'HH:MM:SS  a-1: older, answered 204',
    '  Version 3 was here before, and nothing of this one is news.',
    'HH:MM:SS  a-2: older, answered 204',
    '  Version 3 was here before. Still news of this one:',
    '  Merchant M1, store S1 (client demo): version 2, collective PENDING.',
    '  GCASH/CASHIER_PAYMENT: PENDING → APPROVED.',
    'HH:MM:SS  c-1: challenge, answered 200',
    '  The console asks whether this endpoint wants alerts. It was told yes.',
    'HH:MM:SS  a-4: of.tomorrow, answered 204',
    '  This version does not know the type:',
    '  {"type":"of.tomorrow"}',
    'HH:MM:SS  a-5: refused (wrong_signature), answered 401',
    expect.stringContaining('No signature (v1) fits: it was signed with another secret or key'),
    'HH:MM:SS  a-5: refused (too_old), answered 408',
    expect.stringMatching(/It is genuine, but was signed 360\d s ago by this clock, and 300 s are tolerated/),
    'HH:MM:SS  without id: refused (headers_missing), answered 400',
    '  The header webhook-id is missing or no id; is this from Signalbox at all?',
  ])
})

test('with --json every request is one line of JSON', timeout, async () => {
  await using listening = await openListening(['--json'], { WEBHOOK_SECRETS: secret })
  await post(listening.url, changed(1), { id: 'a-1' })
  await post(listening.url, changed(1), { id: 'a-1', key: secretOf(3) })
  await vi.waitFor(() => expect(listening.said.stdout.split('\n')).toHaveLength(3))
  const [first = '', second = ''] = listening.said.stdout.split('\n')
  const taken = { id: 'a-1', kind: 'alert', alert: changed(1), isReplay: false, status: 204 }
  expect(JSON.parse(first)).toMatchObject(taken)
  expect(Object.keys(z.object({ at: z.iso.datetime() }).loose().parse(JSON.parse(first))).toSorted()).toEqual(
    ['at', ...Object.keys(taken)].toSorted(),
  )
  expect(JSON.parse(second)).toMatchObject({
    id: 'a-1',
    kind: 'refused',
    why: 'wrong_signature',
    status: 401,
  })
  expect(await listening.stop('SIGTERM')).toBe(0)
})

test('with --keys what the published key has signed for this endpoint is taken', timeout, async () => {
  const { publicKey, privateKey: key } = generateKeyPairSync('ed25519')
  const file = join(folder, 'keys.json')
  writeFileSync(
    file,
    JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k1', use: 'sig' }] }),
  )
  await using listening = await openListening(['--keys', file, '--endpoint', 'ep-1'])
  expect(await post(listening.url, changed(1), { id: idFor('ep-2'), key })).toEqual([
    403,
    'It is genuine, but was not sent to endpoint ep-1.',
  ])
  expect(await post(listening.url, changed(1), { id: idFor('ep-1'), key })).toEqual([204, ''])
})

test('what is no alert at all is answered and not printed', timeout, async () => {
  await using listening = await openListening(['--secret', secret])
  expect((await fetch(listening.url)).status).toBe(405)
  const large = { method: 'POST', body: 'x'.repeat(200_000) }
  expect((await fetch(listening.url, large)).status).toBe(413)
  expect(await listening.stop('SIGTERM')).toBe(0)
  expect(shown(listening.said.stdout)).toEqual([])
})

test.each([
  [[], 'What alerts are signed with is not said: give --secret whsec_…'],
  [['--secret', 'whsec_c2hvcnQ='], '--secret cannot be used: it has 5 bytes, not 24 to 64.'],
  [['--secret', secret, '--port', 'http'], '--port does not fit: a port is a number'],
  [['--keys', 'gone.json'], '--keys and --endpoint belong together'],
  [['--keys', 'gone.json', '--endpoint', 'ep-1'], '--keys names the file gone.json, which cannot be read'],
  [['--secret', secret, '--endpoint', 'ep-1'], '--keys and --endpoint belong together'],
])('%j is refused with what to do', async (args, problem) => {
  const { exitCode, stdout, stderr } = await runVerb(createListenVerb({}), ...args)
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
  expect(stderr).toContain(problem)
})

test('a port that another program has is refused with what to do', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const address = other.address()
  const port = typeof address === 'object' ? String(address?.port) : ''
  const { exitCode, stderr } = await runVerb(createListenVerb({}), '--secret', secret, '--port', port)
  other.close()
  expect(exitCode).toBe(1)
  expect(stderr).toContain(`Port ${port} of 127.0.0.1 cannot be had (EADDRINUSE). Give another --port`)
})
