import { createHash, randomUUID } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { type ClientsFile, clientsFile } from '@signalbox/contracts/clients-file'
import { unreadableFile } from '@signalbox/runtime/files'
import { codeOf } from '@signalbox/runtime/start-problem'
import { keyFileProblem } from '@signalbox/runtime/key-file-mode'

export type ClientEntry = ClientsFile['clients'][number]
export type OwnKeyEntry = ClientEntry['ownKeys'][number]

/** A file as it was found, or in words why it could not be read. */
export type FoundFile =
  | { kind: 'text'; text: string; mode: number; uid: number }
  | { kind: 'unreadable'; problem: string }
  /** It had another length before it was read than after: somebody is writing it. */
  | { kind: 'changing' }

/** The entries of a clients file, or in words what is wrong with it and what to do. */
export type ParsedClients =
  | { kind: 'clients'; clients: readonly ClientEntry[] }
  | { kind: 'refused'; problem: string }

/** The clients file and the private key files that sign, as they were at one look. */
export type ClientFiles = {
  file: string
  clients: ParsedClients
  /** By absolute path. */
  keyFiles: ReadonlyMap<string, FoundFile>
  /**
   * The same for the same content, whoever wrote it and when; it also tells whether the modes of keys are allowed.
   * No two looks at a file that is being written have the same.
   */
  digest: string
}

const maxClientsFileBytes = 8 * 1024 * 1024
const maxKeyFileBytes = 64 * 1024

/**
 * Reads the clients file and the key files that it names, over and over: `readNow` at once, `read` without holding
 * up the thread, however slow the disk. Neither throws: trouble is part of what was found.
 */
export function createClientFilesReader(file: string) {
  let last: { content: string; clients: ParsedClients } | undefined

  function parse(found: FoundFile): ParsedClients {
    // Most looks find the same text as the one before.
    if (last?.content === contentOf(found)) return last.clients
    const clients = parseClients(file, found)
    last = { content: contentOf(found), clients }
    return clients
  }

  return {
    readNow(): ClientFiles {
      const found = readFoundFileNow(file, maxClientsFileBytes)
      const clients = parse(found)
      const keyFiles = new Map(
        signingKeyFiles(file, clients).map((path) => [path, readFoundFileNow(path, maxKeyFileBytes)]),
      )
      return { file, clients, keyFiles, digest: digestOf(found, keyFiles) }
    },
    async read(): Promise<ClientFiles> {
      const found = await readFoundFile(file, maxClientsFileBytes)
      const clients = parse(found)
      const keyFiles = new Map<string, FoundFile>()
      // One after the other: answers are signed by the threads that read.
      for (const path of signingKeyFiles(file, clients)) {
        keyFiles.set(path, await readFoundFile(path, maxKeyFileBytes))
      }
      return { file, clients, keyFiles, digest: digestOf(found, keyFiles) }
    },
  }
}

/** The greatest active version of our keys, which signs; undefined when none is active. */
export function signingEntry({ ownKeys }: ClientEntry): OwnKeyEntry | undefined {
  return newestFirst(ownKeys.filter(({ state }) => state === 'active'))[0]
}

/** Key files are relative to the folder of the clients file. */
export function keyFilePath(file: string, { privateKeyFile }: OwnKeyEntry): string {
  return resolve(dirname(file), privateKeyFile)
}

/** Versions are numbers: 10 is newer than 9. */
export function newestFirst<K extends { version: string }>(keys: readonly K[]): K[] {
  return keys.toSorted((a, b) => Number(b.version) - Number(a.version))
}

/** What to say of a file that could not be read; `named` is who names it. */
export function unreadable(named: string, path: string, found: Exclude<FoundFile, { kind: 'text' }>): string {
  const problem = found.kind === 'changing' ? 'it changed while it was read' : found.problem
  return unreadableFile({ named, path, problem })
}

function signingKeyFiles(file: string, parsed: ParsedClients): string[] {
  if (parsed.kind === 'refused') return []
  return parsed.clients.flatMap((client) => {
    const signing = signingEntry(client)
    return signing === undefined ? [] : [keyFilePath(file, signing)]
  })
}

function parseClients(file: string, found: FoundFile): ParsedClients {
  if (found.kind !== 'text') return refused(unreadable('CLIENTS_FILE', file, found))
  let json: unknown
  try {
    json = JSON.parse(found.text)
  } catch (cause) {
    return refused(
      `CLIENTS_FILE names the file ${file}, which is not JSON${placeOf(cause)}. Correct it; jq . ${file} shows the place.`,
    )
  }
  const parsed = clientsFile.safeParse(json)
  if (parsed.success) return { kind: 'clients', clients: parsed.data.clients }
  const problems = parsed.error.issues
    .slice(0, maxProblemsTold)
    .map(({ message, path }) => `  - ${message}, at ${placeIn(path)}`)
  return refused(`CLIENTS_FILE names the file ${file}, whose content does not fit:\n${problems.join('\n')}`)
}

const maxProblemsTold = 10

function refused(problem: string): ParsedClients {
  return { kind: 'refused', problem }
}

/** Only the place: the parser's own words quote the text around it, which may be a misplaced private key. */
function placeOf(cause: unknown): string {
  const place = cause instanceof Error ? /\((line \d+ column \d+)\)/.exec(cause.message)?.[1] : undefined
  return place === undefined ? '' : ` (${place})`
}

function placeIn(path: readonly PropertyKey[]): string {
  const steps = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
  return steps.join('').replace(/^\./, '') || 'the top'
}

// Opening a pipe would wait for its writer for ever.
const readFlags = constants.O_RDONLY | constants.O_NONBLOCK

function readFoundFileNow(path: string, maxBytes: number): FoundFile {
  let descriptor: number | undefined
  try {
    descriptor = openSync(path, readFlags)
    const stats = fstatSync(descriptor)
    const room = roomFor(stats, maxBytes)
    if (typeof room === 'string') return { kind: 'unreadable', problem: room }
    return foundFile(stats, room, readSync(descriptor, room))
  } catch (cause) {
    return { kind: 'unreadable', problem: codeOf(cause) }
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}

async function readFoundFile(path: string, maxBytes: number): Promise<FoundFile> {
  try {
    await using handle = await open(path, readFlags)
    const stats = await handle.stat()
    const room = roomFor(stats, maxBytes)
    if (typeof room === 'string') return { kind: 'unreadable', problem: room }
    const { bytesRead } = await handle.read(room)
    return foundFile(stats, room, bytesRead)
  } catch (cause) {
    return { kind: 'unreadable', problem: codeOf(cause) }
  }
}

/** A buffer with one byte more than the file, so that a file that grows meanwhile is noticed; or why there is none. */
function roomFor(stats: Stats, maxBytes: number): Buffer | string {
  if (!stats.isFile()) return 'it is no regular file'
  if (stats.size > maxBytes) return `it has more than ${maxBytes} bytes`
  return Buffer.alloc(stats.size + 1)
}

function foundFile(stats: Stats, content: Buffer, bytesRead: number): FoundFile {
  if (bytesRead !== stats.size) return { kind: 'changing' }
  // Also takes off the byte order mark that some editors write.
  const text = new TextDecoder().decode(content.subarray(0, bytesRead))
  return { kind: 'text', text, mode: stats.mode, uid: stats.uid }
}

function digestOf(clients: FoundFile, keyFiles: ReadonlyMap<string, FoundFile>): string {
  const hash = createHash('sha256').update(contentOf(clients))
  for (const [path, found] of keyFiles)
    hash.update(`\0${path}\0${usabilityOf(path, found)}\0${contentOf(found)}`)
  return hash.digest('hex')
}

function contentOf(found: FoundFile): string {
  if (found.kind === 'text') return `text:${found.text}`
  if (found.kind === 'unreadable') return `unreadable:${found.problem}`
  return `changing:${randomUUID()}`
}

function usabilityOf(path: string, found: FoundFile): string {
  return (found.kind === 'text' && keyFileProblem(path, found, process)?.problem) || 'allowed'
}
