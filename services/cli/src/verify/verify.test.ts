import { generateKeyPairSync, sign } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { formatSignatureHeader, signedText } from '@signalbox/alipay/signature'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runVerb } from '../cli.fixture.ts'
import { alipayKey, type KeysFolder, openKeysFolder } from '../keys/keys.fixture.ts'
import { createVerifyVerb } from './verify.ts'

const rsa = () => generateKeyPairSync('rsa', { modulusLength: 2048 })
const [first, second, other, own, stranger] = [rsa(), rsa(), rsa(), rsa(), rsa()]

let folder: KeysFolder
beforeAll(() => {
  folder = openKeysFolder()
  folder.write(
    {
      clientId: 'T_1',
      dialect: 'alipayplus',
      paths: ['/notify'],
      alipayKeys: [alipayKey('1', first.publicKey, 'retired'), alipayKey('2', second.publicKey)],
      ownKeys: [folder.ownKey('1', own.privateKey)],
    },
    {
      clientId: 'T_2',
      dialect: 'ams',
      paths: ['/other'],
      anyKeyVersion: true,
      alipayKeys: [alipayKey('5', other.publicKey)],
      ownKeys: [folder.ownKey('1', own.privateKey)],
    },
  )
  writeFileSync(join(folder.path, 'alipay.pub'), alipayKey('2', second.publicKey).publicKey)
})
afterAll(() => folder[Symbol.dispose]())

type Signed = { uri: string; clientId: string; time: string; body: string }
const parts: Signed = {
  uri: '/notify',
  clientId: 'T_1',
  time: '1685599933871',
  body: '{"referenceMerchantId":"M1"}',
}

function headerOf(
  signed: Signed,
  { keyVersion = '2', key = second.privateKey, hash = 'sha256' } = {},
): string {
  const signature = sign(hash, signedText({ ...signed, body: Buffer.from(signed.body) }), key)
  return formatSignatureHeader({ keyVersion, signature })
}

const rawRequest = ({ uri, clientId, time, body }: Signed, signature: string) =>
  `POST ${uri} HTTP/1.1\r\nHost: h\r\nClient-Id: ${clientId}\r\nRequest-Time: ${time}\r\nSignature: ${signature}\r\n\r\n${body}`

const verify = (...args: string[]) => runVerb(createVerifyVerb({}), ...args)

/** Verifies a request that was captured like this, while `signature` is what its header says. */
async function verifyRaw(sent: Signed, signature: string) {
  const file = join(folder.path, 'captured.http')
  writeFileSync(file, rawRequest(sent, signature))
  return verify('--request', file, '--file', folder.file)
}

test('a captured request that is genuine is told as such, with the key that signed it', async () => {
  expect(await verifyRaw(parts, headerOf(parts))).toEqual({
    exitCode: 0,
    stdout: 'Genuine: key version 2 (active) of client T_1 signed POST /notify with 28 bytes of body.\n',
    stderr: '',
  })
})

test('a request in parts, and a lone public key, do as well', async () => {
  const body = join(folder.path, 'body.json')
  writeFileSync(body, parts.body)
  const given = ['--uri', parts.uri, '--client-id', parts.clientId, '--request-time', parts.time]
  const key = ['--public-key', join(folder.path, 'alipay.pub')]
  const all = [...given, '--body', body, ...key, '--signature']
  const genuine = await verify(...all, headerOf(parts, { keyVersion: '77' }))
  expect(genuine.exitCode).toBe(0)
  expect(genuine.stdout).toContain('Genuine: the key signed')
  const forged = await verify(...all, headerOf({ ...parts, clientId: 't_1' }))
  expect(forged.exitCode).toBe(1)
  expect(forged.stdout).toContain(
    "The key is right, but the sender signed another client id: 't_1' in lower case.",
  )
})

test('a retired key still verifies what it signed, and it is told that an ingress refuses it', async () => {
  const { exitCode, stdout } = await verifyRaw(
    parts,
    headerOf(parts, { keyVersion: '1', key: first.privateKey }),
  )
  expect(exitCode).toBe(0)
  expect(stdout).toContain('key version 1 (retired)')
  expect(stdout).toContain('An ingress with this clients file refuses it: the key is retired')
})

test('a path that is not configured is told beside a signature that holds', async () => {
  const elsewhere = { ...parts, uri: '/old?a=1' }
  const { exitCode, stdout } = await verifyRaw(elsewhere, headerOf(elsewhere))
  expect(exitCode).toBe(0)
  expect(stdout).toContain("/old is none of the client's paths (/notify)")
})

describe('a request that is not genuine', () => {
  test.each<[string, () => [Signed, string], RegExp[]]>([
    [
      'another uri was signed',
      () => [{ ...parts, uri: '/notify?a=1' }, headerOf(parts)],
      [
        /^Not genuine: the signature does not hold\.\nThe key is right \(version 2\), but the sender signed another uri: '\/notify' without the query '\?a=1'\.\n/,
        /Register a URL without query/,
      ],
    ],
    [
      'two parts are others',
      () => [{ ...parts, uri: '/notify/', body: `${parts.body}\n` }, headerOf(parts)],
      [
        /another text in 2 places:\n {2}uri: '\/notify' .*\n {2}body: without its final line end\n/,
        /bytes of the body/,
      ],
    ],
    [
      'nobody can guess what was signed',
      () => [parts, headerOf({ ...parts, body: '{"referenceMerchantId":"M2"}' })],
      [
        /differs in a way that is not guessed/,
        /'POST \/notify\\nT_1\.1685599933871\.', then the body\n {2}body: 28 bytes, sha256 [0-9a-f]{64}\n/,
        /^(?![\s\S]*referenceMerchantId)/,
      ],
    ],
    [
      'it was hashed with SHA-1',
      () => [parts, headerOf(parts, { hash: 'sha1' })],
      [
        /The key is right \(version 2\), and the text is what was received\.\n.*hashes with SHA1: only SHA-256/,
      ],
    ],
    [
      'its key version names another key',
      () => [parts, headerOf(parts, { keyVersion: '1' })],
      [/The key is another than the header names \(version 2, not 1\), and the text is what was received/],
    ],
    [
      'its key version is unknown',
      () => [parts, headerOf(parts, { keyVersion: '9' })],
      [/client T_1 has no key version 9 of Alipay's/, /another than the header names \(version 2, not 9\)/],
    ],
    [
      'another client’s key signed it',
      () => [parts, headerOf(parts, { key: other.privateKey })],
      [/The key is that of another client \(T_2, version 5\), and the text is what was received/],
    ],
    [
      'our own key signed it',
      () => [parts, headerOf(parts, { key: own.privateKey })],
      [/made with our own private key \(ownKeys version 1\), not with Alipay's/],
    ],
    [
      'a stranger signed it',
      () => [parts, headerOf(parts, { key: stranger.privateKey })],
      [
        /None of 5 keys has made this signature: its padding does not open/,
        /copy Alipay's public key, not ours/,
      ],
    ],
    [
      'its client is unknown',
      () => [{ ...parts, clientId: 'T_9' }, headerOf(parts)],
      [/client T_9 is not in the clients file/, /another client id: 'T_1' which is another client/],
    ],
    [
      'a boundary between its parts was moved',
      () => {
        const moved = { ...parts, time: `${parts.time}.{"a"`, body: ':1}' }
        return [moved, headerOf(moved)]
      },
      [/Request-Time is not of a documented form/, /the text is what was received/],
    ],
    [
      'it has no Request-Time',
      () => [{ ...parts, time: '' }, headerOf({ ...parts, time: '' })],
      [/there is no Request-Time/],
    ],
    [
      'its header was decoded as a form',
      () => [parts, decodeURIComponent(headerOf(parts)).replaceAll('+', ' ')],
      [/the Signature header cannot be read: its pluses have become blanks/, /the text is what was received/],
    ],
    [
      'its signature was cut',
      () => [parts, `keyVersion=2,signature=${Buffer.alloc(128).toString('base64')}`],
      [/it has 128 bytes \(a key of 1024 bits\), the keys 256/],
    ],
  ])('because %s says so, with exit code 1', async (_, request, told) => {
    const { exitCode, stdout } = await verifyRaw(...request())
    expect(exitCode).toBe(1)
    expect(stdout).toMatch(/^Not genuine: /)
    for (const text of told) expect(stdout).toMatch(text)
  })
})

test('a control character of what was captured never reaches the terminal', async () => {
  const odd = { ...parts, uri: '/notify?\u001B[31m', clientId: 'T_\u001B[0m' }
  const { stdout } = await verifyRaw(odd, headerOf(odd))
  expect(stdout).toMatch(/T_\uFFFD\[0m is not in the clients file/)
  expect(stdout).not.toContain('\u001B')
})

test('a key of Alipay’s that cannot be used is a warning, not the end', async () => {
  const broken = openKeysFolder()
  broken.write({
    clientId: 'T_1',
    dialect: 'ams',
    paths: ['/notify'],
    alipayKeys: [{ version: '1', state: 'retired', publicKey: 'lost' }, alipayKey('2', second.publicKey)],
    ownKeys: [{ version: '1', state: 'active', privateKeyFile: 'keys/not-on-this-machine.pem' }],
  })
  const file = join(broken.path, 'captured.http')
  writeFileSync(file, rawRequest(parts, headerOf(parts)))
  const { exitCode, stderr } = await verify('--request', file, '--file', broken.file)
  broken[Symbol.dispose]()
  expect(exitCode).toBe(0)
  expect(stderr).toMatch(/^warning: client T_1, alipayKeys version 1 cannot be used: it is no public .*\n$/)
})

test.each([
  [[], 'What to verify is not said: give --request FILE'],
  [['--request', 'x', '--topic'], 'More than one thing to verify is named'],
  [['--uri', '/x', '--body', 'y'], 'missing: --client-id, --request-time, --signature'],
  [['--request', 'gone'], '--request gone cannot be read (ENOENT)'],
  [['--topic', '--public-key', 'gone'], '--public-key names the file gone, which cannot be read'],
  [['--topic', '--public-key', 'a', '--file', 'b'], '--file and --public-key both say where keys are'],
  [['--topic'], 'Which clients file is meant is not said'],
])('%j is refused with what to give', async (args, problem) => {
  const { exitCode, stdout, stderr } = await verify(...args)
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
  expect(stderr).toContain(problem)
})

test('topics need the variables of Kafka, and a missing one is told by its name', async () => {
  const { exitCode, stderr } = await verify('--topic', '--file', folder.file)
  expect(exitCode).toBe(1)
  expect(stderr).toContain('KAFKA_BROKERS is missing: set it.')
})
