import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { env } from 'node:process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, test, vi } from 'vitest'
import { refusals } from './authenticate.ts'
import type { Outcome } from './receive-alert.ts'

const root = join(import.meta.dirname, '..', '..', '..')
const page = readFileSync(join(root, 'docs', 'receive-alerts.md'), 'utf8')
const blocks = [...page.matchAll(/^```(.*)\n([^]*?)^```$/gm)].map(([, kind = '', text = '']) => ({
  kind,
  text,
}))
const [
  listen,
  listening,
  sendFirst,
  first,
  heard,
  sendAgain,
  again,
  heardAgain,
  express,
  run,
  worked,
  pack,
  packed,
] = blocks.map(({ text }) => text)

const inherited = { PATH: env['PATH'], HOME: env['HOME'] }
const folder = mkdtempSync(join(tmpdir(), 'page-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A port that was free just now. */
async function freePort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' ? String(address?.port) : ''
}

/** A command of the page in a shell, with what it prints; port and times read as on the page. */
function openShell(command = '', port: string) {
  const environment = { ...inherited, PORT: port }
  const child = spawn('bash', ['-c', command], {
    cwd: root,
    env: environment,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let printed = ''
  child.stdout.on('data', (text: Buffer) => (printed += text.toString()))
  const ended = once(child, 'close')
  return {
    printed: () => asOnPage(printed, port),
    async [Symbol.asyncDispose]() {
      // The shell, npm and what they started.
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM')
      await ended
    },
  }
}

async function bash(script: string, port: string): Promise<string> {
  const { stdout } = await promisify(execFile)('bash', ['-euc', script.replaceAll('8787', port)], {
    cwd: root,
    env: inherited,
  })
  return stdout
}

function asOnPage(text = '', port = '8787'): string {
  return text.replaceAll(port, '8787').replaceAll(/^\d\d:\d\d:\d\d/gm, 'HH:MM:SS')
}

const longTest = { timeout: 120_000 }
const soon = { timeout: 30_000 }

test('the listener prints what the page says of what the page sends', longTest, async () => {
  const port = await freePort()
  await using listener = openShell(`${listen?.trim()} --port ${port}`, port)
  await vi.waitFor(() => expect(listener.printed()).toBe(listening), soon)
  expect(await bash(`${sendFirst}${sendAgain}`, port)).toBe(`${first}${again}`)
  await vi.waitFor(() => {
    expect(listener.printed()).toBe(`${listening}${asOnPage(heard)}${asOnPage(heardAgain)}`)
  }, soon)
})

test('the example prints what the page says, and is the file that the page names', longTest, async () => {
  expect(express).toBe(readFileSync(join(root, 'packages/webhook-receiver/examples/express.ts'), 'utf8'))
  const port = await freePort()
  await using receiver = openShell(run, port)
  const [start = ''] = worked?.split('\n') ?? []
  await vi.waitFor(() => expect(receiver.printed()).toBe(`${start}\n`), soon)
  expect(await bash(sendFirst ?? '', port)).toBe(first)
  await vi.waitFor(() => expect(receiver.printed()).toBe(worked), soon)
})

function inFolder(text = ''): string {
  return text.replaceAll('/tmp', folder)
}

test('the package is made where the page says', longTest, async () => {
  expect(await bash(inFolder(pack), '8787')).toBe(inFolder(packed))
})

test('what is run here is every command of the page but those that need a console', () => {
  const commands = blocks.filter(({ kind }) => kind === 'bash').map(({ text }) => text)
  expect(commands).toEqual([listen, sendFirst, sendAgain, run, pack])
  expect(blocks.filter(({ kind }) => kind === 'bash console')).toHaveLength(2)
})

test('the table of answers has every outcome with its status', () => {
  const rows = [...page.matchAll(/^\| `(\w+)` \| (\d{3}) \|/gm)].map(([, kind, status]) => [
    kind,
    Number(status),
  ])
  const taken: Record<Exclude<Outcome['kind'], 'refused'> | 'failed', number> = {
    alert: 204,
    older: 204,
    repeat: 204,
    unknown_type: 204,
    challenge: 200,
    busy: 409,
    failed: 500,
  }
  expect(Object.fromEntries(rows)).toEqual({ ...taken, ...refusals })
})

test('every file that the page names is there', () => {
  const named = [...page.matchAll(/\]\((\.\.?\/[^)]+)\)/g)].map(([, path = '']) => path)
  expect(named.length).toBeGreaterThan(3)
  for (const path of named) expect(readFileSync(join(root, 'docs', path), 'utf8')).not.toBe('')
})
