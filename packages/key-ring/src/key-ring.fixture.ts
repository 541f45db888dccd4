import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const rsaPair = () => generateKeyPairSync('rsa', { modulusLength: 2048 })

export const publicText = (key: KeyObject) => key.export({ type: 'spki', format: 'der' }).toString('base64')
export const privatePem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString()

/** A temporary folder with a clients file, removed at the end of the scope. */
export type ClientsFolder = Disposable & {
  folder: string
  file: string
  /** Writes the clients file in place. */
  write: (...clients: object[]) => void
  /** Writes a private key file, readable by its owner only, and gives its absolute path. */
  writeKey: (name: string, text: string) => string
}

export function createClientsFolder(): ClientsFolder {
  const folder = mkdtempSync(join(tmpdir(), 'key-ring-'))
  const file = join(folder, 'clients.json')
  mkdirSync(join(folder, 'keys'))
  return {
    folder,
    file,
    write: (...clients) => writeFileSync(file, JSON.stringify({ clients })),
    writeKey(name, text) {
      const path = join(folder, name)
      writeFileSync(path, text, { mode: 0o600 })
      return path
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}
