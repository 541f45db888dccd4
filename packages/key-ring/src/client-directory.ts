import type { KeyObject } from 'node:crypto'
import { type ParsedKey, parsePrivateKey, parsePublicKey } from '@signalbox/alipay/keys'
import { StartProblem } from '@signalbox/runtime/start-problem'
import {
  type ClientEntry,
  type ClientFiles,
  createClientFilesReader,
  keyFilePath,
  newestFirst,
  type OwnKeyEntry,
  signingEntry,
  unreadable,
} from './client-files.ts'
import { keyFileProblem } from '@signalbox/runtime/key-file-mode'

export type VersionedKey = { version: string; key: KeyObject }

/** A key of Alipay's; a signature it makes has so many bytes, no more and no less. */
export type VerifyingKey = VersionedKey & { isActive: boolean; signatureBytes: number }

/** Who may send, under which paths, and with which keys. */
export type Client = {
  clientId: string
  dialect: 'alipayplus' | 'ams'
  push: boolean
  paths: ReadonlySet<string>
  anyKeyVersion: boolean
  /** Keys of Alipay's that may verify: active ones first, the greatest version first among each kind. */
  verifyingKeys: readonly VerifyingKey[]
  /** Our key that signs answers. */
  signingKey: VersionedKey
  /** Scheme and host that states are asked for at; null: nobody is asked. */
  inquiryUrl: string | null
}

/** The clients of one version of the clients file; it never changes. */
export type ClientDirectory = {
  find(clientId: string): Client | undefined
  /** Whether the path belongs to any client. */
  hasPath(path: string): boolean
  clientCount: number
  clientIds: readonly string[]
}

/**
 * Reads the clients file and every key in it or named by it; private key files are relative to its folder, and only
 * those that sign are read.
 *
 * @throws StartProblem naming the file, the client, the key and the remedy
 */
export function loadClientDirectory(file: string): ClientDirectory {
  return createClientDirectory(createClientFilesReader(file).readNow())
}

/** Makes the directory of files already read. @throws StartProblem as {@link loadClientDirectory} */
export function createClientDirectory(files: ClientFiles): ClientDirectory {
  const { file, clients } = files
  if (clients.kind === 'refused') throw new StartProblem(clients.problem)
  const byId = new Map<string, Client>()
  for (const entry of clients.clients) {
    if (byId.has(entry.clientId))
      throw problem(file, entry.clientId, 'stands twice', 'Merge the two entries.')
    byId.set(entry.clientId, createClient(files, entry))
  }
  const paths = new Set(clients.clients.flatMap((client) => client.paths))
  return {
    find: (clientId) => byId.get(clientId),
    hasPath: (path) => paths.has(path),
    clientCount: byId.size,
    clientIds: [...byId.keys()],
  }
}

/**
 * The keys that may have made a signature naming this version, likeliest first; none when the client has no
 * such key. A sender that names no version means its newest, but during a rotation its newest may be our second.
 */
export function candidateKeys(client: Client, version: string | null): readonly VerifyingKey[] {
  if (version === null) return client.verifyingKeys
  const named = client.verifyingKeys.filter((key) => key.version === version)
  if (!client.anyKeyVersion) return named
  return [...named, ...client.verifyingKeys.filter((key) => key.isActive && key.version !== version)]
}

function createClient(files: ClientFiles, entry: ClientEntry): Client {
  const { file } = files
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
  const signing = signingEntry(entry)
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
    verifyingKeys: verifying.map(({ version, state, publicKey }) => {
      const key = keyOf(parsePublicKey(publicKey), {
        file,
        clientId,
        key: `alipayKeys version ${version}`,
        remedy: "Copy Alipay's public key from the developer center: base64 on one line, or PEM.",
      })
      const signatureBytes = Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8)
      return { version, isActive: state === 'active', key, signatureBytes }
    }),
    signingKey: createSigningKey(files, clientId, signing),
    inquiryUrl: entry.inquiryUrl ?? null,
  }
}

function createSigningKey(
  { file, keyFiles }: ClientFiles,
  clientId: string,
  entry: OwnKeyEntry,
): VersionedKey {
  const path = keyFilePath(file, entry)
  const name = `ownKeys version ${entry.version}`
  if (mayBeKey(entry.privateKeyFile)) {
    throw problem(
      file,
      clientId,
      `has no file name in privateKeyFile of ${name} (not shown, it may be a key)`,
      'Put the key into a file with mode 0600 and its name here.',
    )
  }
  const found = keyFiles.get(path)
  if (found === undefined) throw new Error(`the file of ${clientId}, ${name}, was not looked for`)
  if (found.kind !== 'text') {
    throw new StartProblem(unreadable(`CLIENTS_FILE ${file}, client ${clientId}, ${name}`, path, found))
  }
  const loose = keyFileProblem(path, found, process)
  if (loose !== null) {
    throw problem(file, clientId, `has an unprotected private key, ${name}: ${loose.problem}`, loose.remedy)
  }
  const remedy = `Put our RSA private key into ${path}: PKCS#8, base64 on one line, or PEM.`
  return {
    version: entry.version,
    key: keyOf(parsePrivateKey(found.text), { file, clientId, key: name, remedy }),
  }
}

/** Whether a key itself stands where the name of its file belongs: then no message may show it. */
function mayBeKey(privateKeyFile: string): boolean {
  return privateKeyFile.includes('-----') || privateKeyFile.length > longestFileName
}

/** The shortest key allowed has some 1,600 letters. */
const longestFileName = 1_000

function keyOf(
  parsed: ParsedKey,
  where: { file: string; clientId: string; key: string; remedy: string },
): KeyObject {
  if (parsed.kind === 'key') return parsed.key
  throw problem(where.file, where.clientId, `has a bad key, ${where.key}: ${parsed.problem}`, where.remedy)
}

function problem(file: string, clientId: string, what: string, remedy: string): StartProblem {
  return new StartProblem(
    `CLIENTS_FILE names the file ${file}, in which client ${clientId} ${what}. ${remedy}`,
  )
}
