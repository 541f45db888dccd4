import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runVerb } from '../cli.fixture.ts'
import { createKeysCheckVerb } from './check.ts'
import { alipayKey, type KeysFolder, openKeysFolder, rsaPair } from './keys.fixture.ts'

const [alipay, successor, own, ownSuccessor] = [rsaPair(), rsaPair(), rsaPair(), rsaPair()]

let folder: KeysFolder
beforeEach(() => {
  folder = openKeysFolder()
})
afterEach(() => folder[Symbol.dispose]())

const check = () => runVerb(createKeysCheckVerb({}), '--file', folder.file)
const sound = () => ({
  clientId: 'T_1',
  dialect: 'alipayplus',
  paths: ['/notify'],
  alipayKeys: [alipayKey('1', alipay.publicKey)],
  ownKeys: [folder.ownKey('1', own.privateKey)],
})

test('a sound file with one key of each side has nothing to tell', async () => {
  folder.write(sound())
  expect(await check()).toEqual({
    exitCode: 0,
    stdout: `${folder.file}: 1 client, 2 keys, 0 problems, 0 notes.\n`,
    stderr: '',
  })
})

test.each<[string, () => object[], RegExp]>([
  [
    'our own public key in the place of Alipay’s',
    () => [{ ...sound(), alipayKeys: [alipayKey('1', own.publicKey)] }],
    /client T_1, alipayKeys version 1: this is our own public key \(ownKeys version 1\), not Alipay's\.\n.*copy the one called Alipay's/,
  ],
  [
    'the public key that we use for another client in the place of Alipay’s',
    () => [
      { ...sound(), alipayKeys: [alipayKey('1', ownSuccessor.publicKey)] },
      { ...sound(), clientId: 'T_2', ownKeys: [folder.ownKey('4', ownSuccessor.privateKey)] },
    ],
    /our own public key \(ownKeys version 4 of client T_2\)/,
  ],
  [
    'a path of Alipay’s own API',
    () => [{ ...sound(), paths: ['/ams/sandbox/api/v1/merchants/inquiryRegistrationStatus'] }],
    /the path \/ams\/sandbox\/api\/\S+ is one of Alipay's own API\.\n.*could be replayed.*take a path of your own/,
  ],
  [
    'a path that no sender sends like this',
    () => [{ ...sound(), paths: ['/a/../b'] }],
    /no sender sends the path \/a\/\.\.\/b like this\.\n.*write \/b/,
  ],
  [
    'a private key that others may read, although it does not sign',
    () => [
      {
        ...sound(),
        ownKeys: [
          folder.ownKey('1', own.privateKey, { state: 'retiring', mode: 0o644 }),
          folder.ownKey('2', ownSuccessor.privateKey),
        ],
      },
    ],
    /ownKeys version 1: the file \S+ has mode 0644, which lets others than its owner at it.*\n.*chmod 600/,
  ],
  [
    'a path that looks like the address of another host',
    () => [{ ...sound(), paths: ['//x:99999/y/../z'] }],
    /write \/\/x:99999\/z, or take a plain path/,
  ],
  [
    'the private key that signs, when others may read it',
    () => [{ ...sound(), ownKeys: [folder.ownKey('1', own.privateKey, { mode: 0o644 })] }],
    /no ingress starts with this file: .*mode 0644/,
  ],
  [
    'a retired key of Alipay’s that old records cannot be verified with',
    () => [
      {
        ...sound(),
        alipayKeys: [
          alipayKey('2', alipay.publicKey),
          { version: '1', state: 'retired', publicKey: 'nothing' },
        ],
      },
    ],
    /alipayKeys version 1: it cannot be used: it is no public/,
  ],
  [
    'sandbox and production with the same key',
    () => [sound(), { ...sound(), clientId: '5X', alipayKeys: [alipayKey('1', successor.publicKey)] }],
    /client 5X, ownKeys version 1: it is the same key as ownKeys version 1 of client T_1\.\n.*different keys/,
  ],
  [
    'a client without an active key of ours',
    () => [{ ...sound(), ownKeys: [] }],
    /no ingress starts.*no active/,
  ],
])('%s is a problem, with its remedy and exit code 1', async (_, clients, told) => {
  folder.write(...clients())
  const { exitCode, stdout } = await check()
  expect(stdout).toMatch(told)
  expect(stdout).toMatch(/^problem /)
  expect(exitCode).toBe(1)
})

test.each<[string, () => object[], RegExp]>([
  [
    'a client that Alipay’s key is not known of yet',
    () => [{ ...sound(), alipayKeys: [] }],
    /client T_1: no key of Alipay verifies, so every notification is answered KEY_NOT_FOUND/,
  ],
  [
    'two active keys of Alipay’s',
    () => [
      { ...sound(), alipayKeys: [alipayKey('1', alipay.publicKey), alipayKey('2', successor.publicKey)] },
    ],
    /2 keys of Alipay are active \(versions 2, 1\).*\n.*set the others to retiring, and to retired 25 hours later/,
  ],
  [
    'an old key active after the newest was retired',
    () => [
      {
        ...sound(),
        alipayKeys: [alipayKey('1', alipay.publicKey), alipayKey('2', successor.publicKey, 'retired')],
      },
    ],
    /alipayKeys version 2 is the newest and retired, while an older one is active/,
  ],
  [
    'only retiring keys of Alipay’s',
    () => [{ ...sound(), alipayKeys: [alipayKey('1', alipay.publicKey, 'retiring')] }],
    /every key of Alipay is on its way out/,
  ],
  [
    'one key under two versions',
    () => [
      {
        ...sound(),
        alipayKeys: [alipayKey('1', alipay.publicKey, 'retiring'), alipayKey('2', alipay.publicKey)],
      },
    ],
    /is the same key as another version/,
  ],
  [
    'a newer key of ours that does not sign',
    () => [
      {
        ...sound(),
        ownKeys: [
          folder.ownKey('1', own.privateKey),
          folder.ownKey('2', ownSuccessor.privateKey, { state: 'retiring' }),
        ],
      },
    ],
    /ownKeys version 1 signs although ownKeys version 2 is newer \(retiring\)/,
  ],
  [
    'a retired private key that is still there',
    () => [
      {
        ...sound(),
        ownKeys: [
          folder.ownKey('1', own.privateKey, { state: 'retired' }),
          folder.ownKey('2', ownSuccessor.privateKey),
        ],
      },
    ],
    /ownKeys version 1: it is retired, but its private key is still there\.\n.*Delete/,
  ],
  [
    'one key of ours for two clients of one kind',
    () => [sound(), { ...sound(), clientId: 'T_2', alipayKeys: [alipayKey('1', successor.publicKey)] }],
    /client T_2, ownKeys version 1: it is the same key as ownKeys version 1 of client T_1/,
  ],
])('%s is worth a note, and nothing is wrong', async (_, clients, told) => {
  folder.write(...clients())
  const { exitCode, stdout } = await check()
  expect(stdout).toMatch(told)
  expect(stdout).toMatch(/, 0 problems, 1 note\.\n$/)
  expect(exitCode).toBe(0)
})

test('every problem is told at once, whatever a start would stumble over first', async () => {
  folder.write(
    { ...sound(), paths: ['/aps/api/v1/x'] },
    { ...sound(), clientId: 'T_2', alipayKeys: [alipayKey('1', own.publicKey)] },
  )
  rmSync(join(folder.path, 'keys/1-own-1.pem'))
  const { stdout } = await check()
  expect(stdout).toMatch(/no ingress starts/)
  expect(stdout).toMatch(/1-own-1\.pem cannot be read/)
  expect(stdout).toMatch(/Alipay's own API/)
  expect(stdout).toMatch(/client T_2, alipayKeys version 1: this is our own public key/)
})
