import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { z } from 'zod'
import { readJsonFile, readNamedFile, readSecretFile } from './files.ts'

const folder = mkdtempSync(join(tmpdir(), 'signalbox-files-'))
afterAll(() => rmSync(folder, { recursive: true }))

const written = (name: string, text: string) => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}
const schema = z.strictObject({ clients: z.array(z.string()) })

test('a file that is not there is told with its variable, path and remedy', () => {
  expect(() => readNamedFile(join(folder, 'none'), 'CLIENTS_FILE')).toThrow(
    /CLIENTS_FILE names the file .*none, which cannot be read \(ENOENT\)\. Create it/,
  )
})

test('a file that is not JSON is told with its variable and place', () => {
  expect(() => readJsonFile(written('a', '{"clients":'), 'CLIENTS_FILE', schema)).toThrow(
    /CLIENTS_FILE .*not JSON/,
  )
})

test('content that does not fit is told with the member', () => {
  expect(() => readJsonFile(written('b', '{"clients":[1]}'), 'CLIENTS_FILE', schema)).toThrow(/clients\[0\]/)
})

test('content that fits is read', () => {
  expect(readJsonFile(written('c', '{"clients":["a"]}'), 'CLIENTS_FILE', schema)).toEqual({ clients: ['a'] })
})

test('a secret that others can read is refused, with what to do', () => {
  const path = written('secret', 'hush')
  chmodSync(path, 0o644)
  expect(() => readSecretFile(path, 'ENDPOINT_KEYS_FILE key 1')).toThrow(
    /ENDPOINT_KEYS_FILE key 1: the file .*secret has mode 0644.*Run chmod 600/,
  )
  chmodSync(path, 0o600)
  expect(readSecretFile(path, 'ENDPOINT_KEYS_FILE key 1')).toBe('hush')
})
