import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const rsaPair = (modulusLength = 2048) => generateKeyPairSync('rsa', { modulusLength })

const oneLine = (key: KeyObject) => key.export({ type: 'spki', format: 'der' }).toString('base64')

export const alipayKey = (version: string, key: KeyObject, state = 'active') => ({
  version,
  state,
  publicKey: oneLine(key),
})

export type KeysFolder = Disposable & {
  path: string
  file: string
  /** Writes the clients file. */
  write(...clients: object[]): void
  /** Writes a private key and gives its entry for `ownKeys`. */
  ownKey(version: string, key: KeyObject, options?: { state?: string; mode?: number }): object
}

/** A folder for a clients file and private keys. */
export function openKeysFolder(): KeysFolder {
  const path = mkdtempSync(join(tmpdir(), 'keys-'))
  mkdirSync(join(path, 'keys'))
  const file = join(path, 'clients.json')
  let count = 0
  return {
    path,
    file,
    write: (...clients) => writeFileSync(file, JSON.stringify({ clients })),
    ownKey(version, key, { state = 'active', mode = 0o600 } = {}) {
      const privateKeyFile = `keys/${++count}-own-${version}.pem`
      writeFileSync(join(path, privateKeyFile), key.export({ type: 'pkcs8', format: 'pem' }))
      chmodSync(join(path, privateKeyFile), mode)
      return { version, state, privateKeyFile }
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  }
}
