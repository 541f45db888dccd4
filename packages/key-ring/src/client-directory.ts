import type { KeyObject } from 'node:crypto'
import { dirname, resolve } from 'node:path'
import { type ParsedKey, parsePrivateKey, parsePublicKey } from '@signalbox/alipay/keys'
import { type ClientsFile, clientsFile } from '@signalbox/contracts/clients-file'
import { readJsonFile, readNamedFile } from '@signalbox/runtime/files'
import { StartProblem } from '@signalbox/runtime/start-problem'

export type VersionedKey = { version: string; key: KeyObject }

/** Who may send, under which paths, and with which keys. */
export type Client = {
  clientId: string
  dialect: 'alipayplus' | 'ams'
  push: boolean
  paths: ReadonlySet<string>
  anyKeyVersion: boolean
  /** Keys of Alipay's that may verify: active ones first, the greatest version first among each kind. */
  verifyingKeys: readonly (VersionedKey & { isActive: boolean })[]
  /** Our key that signs answers. */
  signingKey: VersionedKey
}

/** The clients of one version of the clients file; it never changes. */
export type ClientDirectory = {
  find(clientId: string): Client | undefined
  /** Whether the path belongs to any client. */
  hasPath(path: string): boolean
  clientCount: number
}

/**
 * Reads the clients file and every key in it or named by it; private key files are relative to its folder.
 *
 * @throws StartProblem naming the file, the client, the key and the remedy
 */
export function loadClientDirectory(file: string): ClientDirectory {
  const { clients } = readJsonFile(file, 'CLIENTS_FILE', clientsFile)
  const byId = new Map<string, Client>()
  for (const entry of clients) {
    if (byId.has(entry.clientId))
      throw problem(file, entry.clientId, 'stands twice', 'Merge the two entries.')
    byId.set(entry.clientId, readClient(file, entry))
  }
  const paths = new Set(clients.flatMap((client) => client.paths))
  return {
    find: (clientId) => byId.get(clientId),
    hasPath: (path) => paths.has(path),
    clientCount: byId.size,
  }
}

/**
 * The keys that may have made a signature naming this version, likeliest first; none when the client has no
 * such key. A sender that names no version means its newest, but during a rotation its newest may be our second.
 */
export function candidateKeys(client: Client, version: string | null): readonly VersionedKey[] {
  if (version === null) return client.verifyingKeys
  const named = client.verifyingKeys.filter((key) => key.version === version)
  if (!client.anyKeyVersion) return named
  return [...named, ...client.verifyingKeys.filter((key) => key.isActive && key.version !== version)]
}

type ClientEntry = ClientsFile['clients'][number]

function readClient(file: string, entry: ClientEntry): Client {
  const { clientId, alipayKeys, ownKeys } = entry
  // It is sent back in a header, where blanks and control characters have no place.
  if (!/^[!-~]+$/.test(clientId)) {
    throw problem(file, clientId, 'has an id that no header can carry', 'Use visible ASCII characters only.')
  }
  for (const [list, keys] of Object.entries({ alipayKeys, ownKeys })) {
    const versions = keys.map(({ version }) => version)
    const twice = versions.find((version, index) => versions.indexOf(version) !== index)
    if (twice !== undefined) {
      throw problem(
        file,
        clientId,
        `has version ${twice} twice in ${list}`,
        'Give every key a version of its own.',
      )
    }
  }
  const [signing] = newestFirst(ownKeys.filter(({ state }) => state === 'active'))
  if (signing === undefined) {
    throw problem(
      file,
      clientId,
      'has no active key in ownKeys, so that no answer could be signed',
      'Add one, or set the state of one to active.',
    )
  }
  const verifying = [
    ...newestFirst(alipayKeys.filter(({ state }) => state === 'active')),
    ...newestFirst(alipayKeys.filter(({ state }) => state === 'retiring')),
  ]
  return {
    clientId,
    dialect: entry.dialect,
    push: entry.push,
    paths: new Set(entry.paths),
    anyKeyVersion: entry.anyKeyVersion,
    verifyingKeys: verifying.map(({ version, state, publicKey }) => ({
      version,
      isActive: state === 'active',
      key: keyOf(parsePublicKey(publicKey), {
        file,
        clientId,
        key: `alipayKeys version ${version}`,
        remedy: "Copy Alipay's public key from the developer center: base64 on one line, or PEM.",
      }),
    })),
    signingKey: readSigningKey(file, clientId, signing),
  }
}

function readSigningKey(
  file: string,
  clientId: string,
  { version, privateKeyFile }: ClientEntry['ownKeys'][number],
): VersionedKey {
  const path = resolve(dirname(file), privateKeyFile)
  const name = `ownKeys version ${version}`
  const text = readNamedFile(path, `CLIENTS_FILE ${file}, client ${clientId}, ${name}`)
  const remedy = `Put our RSA private key into ${path}: PKCS#8, base64 on one line, or PEM.`
  return { version, key: keyOf(parsePrivateKey(text), { file, clientId, key: name, remedy }) }
}

function keyOf(
  parsed: ParsedKey,
  where: { file: string; clientId: string; key: string; remedy: string },
): KeyObject {
  if (parsed.kind === 'key') return parsed.key
  throw problem(where.file, where.clientId, `has a bad key, ${where.key}: ${parsed.problem}`, where.remedy)
}

function newestFirst<K extends { version: string }>(keys: readonly K[]): K[] {
  return keys.toSorted((a, b) => Number(b.version) - Number(a.version))
}

function problem(file: string, clientId: string, what: string, remedy: string): StartProblem {
  return new StartProblem(
    `CLIENTS_FILE names the file ${file}, in which client ${clientId} ${what}. ${remedy}`,
  )
}
