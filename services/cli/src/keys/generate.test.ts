import { createPublicKey } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parsePrivateKey, parsePublicKey } from '@signalbox/alipay/keys'
import { loadClientDirectory } from '@signalbox/key-ring/client-directory'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { runVerb } from '../cli.fixture.ts'
import { keysGenerateVerb } from './generate.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keys-generate-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const generate = (...args: string[]) => runVerb(keysGenerateVerb, '--folder', join(folder, 'keys'), ...args)
const entrySchema = z.object({ version: z.string(), state: z.string(), privateKeyFile: z.string() })
const lineAfter = (text: string, start: string) => {
  const lines = text.split('\n')
  return lines[lines.findIndex((line) => line.startsWith(start)) + 1] ?? ''
}

test('the private key goes into a file of its own that only its owner may read, and nowhere else', async () => {
  const { exitCode, stdout } = await generate('--version', '3', '--client', 'T_1')
  expect(exitCode).toBe(0)
  const path = join(folder, 'keys', 'T_1-own-3.pem')
  expect(statSync(path).mode & 0o777).toBe(0o600)
  const pem = readFileSync(path, 'utf8')
  expect(pem).toMatch(/^-----BEGIN PRIVATE KEY-----\n/)
  expect(stdout).not.toContain('PRIVATE KEY')
  for (const line of pem.split('\n').slice(1, -2)) expect(stdout).not.toContain(line)
})

test('what is printed is the public half on one line, and an entry that an ingress starts with', async () => {
  const { stdout } = await generate('--version', '3')
  const path = join(folder, 'keys', 'own-3.pem')
  const printed = lineAfter(stdout, 'Public key for the developer center')
  const publicKey = parsePublicKey(printed)
  const privateKey = parsePrivateKey(readFileSync(path, 'utf8'))
  if (publicKey.kind !== 'key' || privateKey.kind !== 'key') throw new Error('a key is no key')
  expect(createPublicKey(privateKey.key).equals(publicKey.key)).toBe(true)

  const entry = entrySchema.parse(JSON.parse(lineAfter(stdout, 'Entry for `ownKeys`')))
  expect(entry).toEqual({ version: '3', state: 'active', privateKeyFile: path })
  const client = { clientId: 'T_1', dialect: 'ams', paths: ['/a'], alipayKeys: [], ownKeys: [entry] }
  const file = join(folder, 'clients.json')
  writeFileSync(file, JSON.stringify({ clients: [client] }))
  expect(loadClientDirectory(file).find('T_1')?.signingKey.version).toBe('3')
})

test('a key that is there already stays as it is', async () => {
  await generate('--version', '1')
  const before = readFileSync(join(folder, 'keys/own-1.pem'))
  const { exitCode, stdout, stderr } = await generate('--version', '1')
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
  expect(stderr).toContain('own-1.pem is there already and is not overwritten. Take another --version')
  expect(readFileSync(join(folder, 'keys/own-1.pem'))).toEqual(before)
})

test('a longer key is made when it is asked for', async () => {
  await generate('--version', '1', '--bits', '3072')
  const parsed = parsePrivateKey(readFileSync(join(folder, 'keys/own-1.pem'), 'utf8'))
  expect(parsed.kind === 'key' && parsed.key.asymmetricKeyDetails?.modulusLength).toBe(3072)
})

test.each([
  [['--version', 'two'], '--version does not fit: a key version is digits'],
  [['--version', '1', '--bits', '1024'], '--bits does not fit'],
  [['--version', '1', '--client', '../x'], '--client does not fit'],
  [[], '--version N is missing'],
])('%j is refused before any key is made', async (args, problem) => {
  const { exitCode, stderr } = await generate(...args)
  expect(exitCode).toBe(1)
  expect(stderr).toContain(problem)
  expect(readdirSync(folder)).toEqual([])
})
