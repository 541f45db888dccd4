import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** A folder that goes with the test. */
export function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-endpoints-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

export const freshKey = () => randomBytes(32).toString('base64')

type KeyEntry = { keyId: string; state?: string; text?: string }

/** Writes a keys file with its key files; without `text` a key is a fresh one. */
export function writeKeysFile(
  keys: readonly KeyEntry[],
  { folder = freshFolder() }: { folder?: string } = {},
): string {
  for (const { keyId, text = freshKey() } of keys)
    writeFileSync(join(folder, `${keyId}.txt`), `${text}\n`, { mode: 0o600 })
  const file = join(folder, 'endpoint-keys.json')
  const entries = keys.map(({ keyId, state = 'active' }) => ({ keyId, state, keyFile: `${keyId}.txt` }))
  writeFileSync(file, JSON.stringify({ keys: entries }))
  return file
}
