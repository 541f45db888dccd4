import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, describe, expect, test } from 'vitest'
import { cacheFolderOf, exists } from '../cache-folder.ts'
import { findEmbedded } from '../find-embedded.ts'
import { openEmbeddedRedis } from '../redis/embedded-redis.ts'

const embedded = await findEmbedded({ cacheFolder: cacheFolderOf() })
const parentProgram = fileURLToPath(new URL('./stay.fixture.ts', import.meta.url))
const started: ChildProcess[] = []
const soon = { timeout: 20_000, interval: 50 }

afterEach(() => {
  for (const parent of started.splice(0)) parent.kill('SIGKILL')
})

describe.skipIf(!embedded.usable)('servers do not outlive their parent', () => {
  test('a parent killed by SIGKILL leaves no server and no temporary folder', async () => {
    const { parent, servers } = await startParent(['kafka'])
    parent.kill('SIGKILL')
    expect(servers).toHaveLength(2)
    await expect.poll(() => remnants(servers), soon).toEqual([])
  })

  test('a paused server goes too', async () => {
    const { parent, servers } = await startParent([])
    for (const { pid } of servers) process.kill(pid, 'SIGSTOP')
    parent.kill('SIGKILL')
    await expect.poll(() => remnants(servers), soon).toEqual([])
  })

  test('Ctrl-C at a terminal leaves no server and no temporary folder', async () => {
    const { parent, servers } = await startParent([])
    interruptGroup(parent)
    await expect.poll(() => remnants(servers), soon).toEqual([])
  })

  test('Ctrl-C does not reach the servers before a parent that closes them in order', async () => {
    const { parent, servers, lines } = await startParent(['orderly'])
    interruptGroup(parent)
    expect((await lines.next()).value).toBe('closed in order')
    await expect.poll(() => remnants(servers), soon).toEqual([])
  })

  test('a supervisor killed by SIGKILL takes the servers with it', async () => {
    await using redis = await openEmbeddedRedis()
    const pid = redis.node.pid ?? 0
    process.kill(Number(await ps(pid, 'ppid')), 'SIGKILL')
    await expect.poll(() => redis.node.pid, soon).toBeUndefined()
    await redis[Symbol.asyncDispose]()
    await expect.poll(() => remnants([{ pid, folder: redis.folder }]), soon).toEqual([])
  })
})

interface Server {
  pid: number
  folder: string
}

/** In a process group of its own, as a shell starts it. */
async function startParent(args: string[]) {
  const parent = spawn(process.execPath, [parentProgram, ...args], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  started.push(parent)
  const lines = createInterface({ input: parent.stdout })[Symbol.asyncIterator]()
  const first = await lines.next()
  if (first.done === true) throw new Error('The parent ended before it had opened its servers')
  const servers = serversIn(first.value)
  expect(await remnants(servers)).toHaveLength(servers.length * 2) // process and folder of each
  return { parent, lines, servers }
}

function serversIn(line: string): Server[] {
  const listed: unknown = JSON.parse(line)
  if (!Array.isArray(listed)) throw new Error(`Not a list: ${line}`)
  return listed.map((server: unknown) => {
    if (typeof server !== 'object' || server === null) throw new Error(`No server: ${line}`)
    const { pid, folder }: Record<string, unknown> = { ...server }
    if (typeof pid !== 'number' || typeof folder !== 'string') throw new Error(`No server: ${line}`)
    return { pid, folder }
  })
}

function interruptGroup({ pid }: ChildProcess): void {
  if (pid === undefined) throw new Error('The parent does not run')
  process.kill(-pid, 'SIGINT')
}

/** What is still there of the servers; a zombie that a container's first process has not collected is gone. */
async function remnants(servers: Server[]): Promise<string[]> {
  const found = await Promise.all(
    servers.map(async ({ pid, folder }) => [
      ...((await ps(pid, 'stat')).replace(/^Z.*$/u, '') === '' ? [] : [`process ${pid}`]),
      ...((await exists(folder)) ? [folder] : []),
    ]),
  )
  return found.flat()
}

async function ps(pid: number, column: 'ppid' | 'stat'): Promise<string> {
  const { stdout } = await promisify(execFile)('ps', ['-o', `${column}=`, '-p', String(pid)]).catch(() => ({
    stdout: '',
  }))
  return stdout.trim()
}
