import { createPublicKey } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type ParsedKey, parsePrivateKey, parsePublicKey } from '@signalbox/alipay/keys'
import { type ClientsFile, clientsFile } from '@signalbox/contracts/clients-file'
import { loadClientDirectory } from '@signalbox/key-ring/client-directory'
import { readNamedFile } from '@signalbox/runtime/files'
import { codeOf, StartProblem } from '@signalbox/runtime/start-problem'

type ClientEntry = ClientsFile['clients'][number]

/** One key of a clients file, in whatever state; of our own ones only the public half is kept. */
export type ListedKey = {
  clientId: string
  /** Whose it is: Alipay's verifies notifications, our own signs answers. */
  side: 'alipay' | 'own'
  version: string
  state: ClientEntry['alipayKeys'][number]['state']
  /** Where the private key lies, its permission bits and its owner; null for Alipay's keys and for a file that is not there. */
  file: { path: string; mode: number; uid: number } | null
  /** The public key, or why there is none. */
  publicKey: ParsedKey
}

export type ListedClient = Pick<ClientEntry, 'clientId' | 'dialect' | 'push' | 'paths' | 'anyKeyVersion'> & {
  keys: readonly ListedKey[]
}

/**
 * Every key that the clients file holds or names, retired ones too. A key that cannot be read is listed as such,
 * because who looks at keys wants to see the others as well.
 *
 * @throws StartProblem when the file itself cannot be read
 */
export function listClients(file: string): ListedClient[] {
  return readEntries(file).map((entry) => ({
    ...entry,
    keys: [
      ...entry.alipayKeys.map(({ version, state, publicKey }) => ({
        clientId: entry.clientId,
        side: 'alipay' as const,
        version,
        state,
        file: null,
        publicKey: parsePublicKey(publicKey),
      })),
      ...entry.ownKeys.map(({ version, state, privateKeyFile }) => ({
        clientId: entry.clientId,
        side: 'own' as const,
        version,
        state,
        ...readOwnKey(resolve(dirname(file), privateKeyFile)),
      })),
    ],
  }))
}

/** `alipayKeys version 1`, as the clients file calls it. */
export function keyName({ side, version }: Pick<ListedKey, 'side' | 'version'>): string {
  return `${side === 'alipay' ? 'alipayKeys' : 'ownKeys'} version ${version}`
}

/** Whether two listed keys are the same key. */
export function isSameKey(a: ListedKey, b: ListedKey): boolean {
  return a.publicKey.kind === 'key' && b.publicKey.kind === 'key' && a.publicKey.key.equals(b.publicKey.key)
}

function readEntries(file: string): ClientEntry[] {
  const parsed = clientsFile.safeParse(jsonOrNull(readNamedFile(file, '--file')))
  if (parsed.success) return parsed.data.clients
  // The ingress' own reader says best what is wrong, and quotes nothing of a file that may hold a misplaced key.
  loadClientDirectory(file)
  throw new StartProblem(`${file} changed while it was read. Run this again.`)
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch {
    return null
  }
}

function readOwnKey(path: string): Pick<ListedKey, 'file' | 'publicKey'> {
  let text: string
  let stats: { mode: number; uid: number }
  try {
    text = readFileSync(path, 'utf8')
    stats = statSync(path)
  } catch (cause) {
    const code = codeOf(cause)
    return { file: null, publicKey: { kind: 'refused', problem: `${path} cannot be read (${code})` } }
  }
  const parsed = parsePrivateKey(text)
  return {
    file: { path, mode: stats.mode & 0o777, uid: stats.uid },
    publicKey: parsed.kind === 'key' ? { kind: 'key', key: createPublicKey(parsed.key) } : parsed,
  }
}
