import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runVerb } from '../cli.fixture.ts'
import { fingerprint } from './fingerprint.ts'
import { alipayKey, type KeysFolder, openKeysFolder, rsaPair } from './keys.fixture.ts'
import { createKeysShowVerb } from './show.ts'

const alipay = [rsaPair(), rsaPair(3072)] as const
const own = [rsaPair(), rsaPair()] as const

let folder: KeysFolder
beforeEach(() => {
  folder = openKeysFolder()
  folder.write(
    {
      clientId: 'T_1',
      dialect: 'alipayplus',
      push: true,
      anyKeyVersion: true,
      paths: ['/a', '/b'],
      alipayKeys: [alipayKey('1', alipay[0].publicKey, 'retired'), alipayKey('2', alipay[1].publicKey)],
      ownKeys: [folder.ownKey('9', own[0].privateKey), folder.ownKey('10', own[1].privateKey)],
    },
    {
      clientId: 'T_2',
      dialect: 'ams',
      paths: ['/c'],
      alipayKeys: [],
      ownKeys: [folder.ownKey('1', own[0].privateKey)],
    },
  )
})
afterEach(() => folder[Symbol.dispose]())

const show = (...args: string[]) => runVerb(createKeysShowVerb({ CLIENTS_FILE: folder.file }), ...args)
/** The cells of each row. */
const rows = (text: string) => text.split('\n').map((line) => line.trim().split(/ {2,}/))

test('every client is shown with its paths and keys, and the one of our keys that signs now', async () => {
  const { exitCode, stdout, stderr } = await show()
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  expect(rows(stdout)).toEqual([
    ['T_1', 'alipayplus (push), any active key verifies whatever version is named'],
    ['/a'],
    ['/b'],
    ['side', 'version', 'state', 'bits', 'fingerprint'],
    ['alipay', '1', 'retired', '2048', fingerprint(alipay[0].publicKey)],
    ['alipay', '2', 'active', '3072', fingerprint(alipay[1].publicKey), 'verifies'],
    ['own', '9', 'active', '2048', fingerprint(own[0].publicKey)],
    ['own', '10', 'active', '2048', fingerprint(own[1].publicKey), 'signs now'],
    [''],
    ['T_2', 'ams'],
    ['/c'],
    ['side', 'version', 'state', 'bits', 'fingerprint'],
    ['own', '1', 'active', '2048', fingerprint(own[0].publicKey), 'signs now'],
    [''],
  ])
})

test('a key that cannot be read is shown as such among the others, with exit code 1', async () => {
  rmSync(join(folder.path, 'keys/1-own-9.pem'))
  const { exitCode, stdout } = await show()
  expect(exitCode).toBe(1)
  expect(stdout).toMatch(/own +9 +active +- +- +unusable: .*1-own-9\.pem cannot be read \(ENOENT\)/)
  expect(stdout).toMatch(/own +10 .*signs now/)
})

test('where no ingress would start, the keys are shown and the reason, but not which signs', async () => {
  rmSync(join(folder.path, 'keys/2-own-10.pem'))
  const { exitCode, stdout, stderr } = await show('--file', folder.file)
  expect(exitCode).toBe(1)
  expect(stdout).toContain(fingerprint(alipay[1].publicKey))
  expect(stdout).not.toContain('signs now')
  expect(stderr).toMatch(/no ingress takes this file:\n.*client T_1, ownKeys version 10/)
})

test('nothing of a private key is shown, not even one that lies where it should not', async () => {
  const pem = own[0].privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const secret = pem.split('\n')[3] ?? ''
  const shown = [await show()]
  writeFileSync(folder.file, `{"clients": "${pem}"}`)
  shown.push(await show())
  // The parser's own words would quote where it stumbles.
  for (const text of [pem, secret, `{"clients": ${secret}}`]) {
    writeFileSync(folder.file, text)
    shown.push(await show())
  }
  expect(shown.map(({ exitCode }) => exitCode)).toEqual([0, 1, 1, 1, 1])
  for (const { stdout, stderr } of shown) {
    expect(stdout + stderr).not.toContain(secret.slice(0, 6))
    expect(stdout + stderr).not.toContain('PRIVATE KEY')
  }
})

test('which file is meant must be said', async () => {
  const { exitCode, stderr } = await runVerb(createKeysShowVerb({}))
  expect(exitCode).toBe(1)
  expect(stderr).toBe(
    'Which clients file is meant is not said: give --file clients.json, or set CLIENTS_FILE.\n',
  )
})
