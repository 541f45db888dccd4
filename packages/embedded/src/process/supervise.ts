// A process of its own between a parent and the servers the parent starts. Its IPC channel closes when the
// parent ends, in whatever way: then it kills the servers and clears up. The parent starts it in a session
// of its own, so a terminal's Ctrl-C reaches neither it nor the servers.
// Arguments: `temporary <prefix>` makes a folder for the servers and removes it at the end; `kept <folder>`
// uses that one, alone.
import { type ChildProcess, spawn } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parseStartOrder, type Report, type StartOrder } from './supervisor-messages.ts'

const lockName = 'in-use-by'
const [use, path = ''] = process.argv.slice(2)
const running = new Set<ChildProcess>()
/** Removed at the end. */
let traces: string | null = null
let ending = false

process.on('message', (message) => start(parseStartOrder(message)))
process.on('disconnect', end)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, end)

try {
  const folder = use === 'temporary' ? makeTemporaryFolder(path) : takeFolder(path)
  report({ kind: 'ready', folder })
} catch (error) {
  report({ kind: 'refused', reason: error instanceof Error ? error.message : String(error) })
}
// The parent may have died before the listeners above were in place.
if (!process.connected) end()

/** Made here and not by the parent, so that a dying parent never leaves it behind. */
function makeTemporaryFolder(prefix: string): string {
  traces = mkdtempSync(prefix)
  return traces
}

/** Kafka and Redis do not notice a second server on their files before it has spoilt them. */
function takeFolder(folder: string): string {
  mkdirSync(folder, { recursive: true })
  const lock = join(folder, lockName)
  const holder = existsSync(lock) ? Number(readFileSync(lock, 'utf8')) : null
  if (holder !== null && isAlive(holder)) {
    throw new Error(`${folder} is in use by process ${holder}; if that is none of Signalbox, remove ${lock}`)
  }
  if (holder !== null) rmSync(lock, { force: true }) // that supervisor was killed
  writeFileSync(lock, String(process.pid), { flag: 'wx' })
  traces = lock
  return folder
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function start({ name, command, args, logFile }: StartOrder): void {
  if (ending) return
  const log = openSync(logFile, 'a')
  const child = spawn(command, args, {
    cwd: dirname(logFile),
    detached: true, // a process group of its own: what the server forks is killed with it
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  child.once('error', (error) => {
    if (child.pid === undefined) report({ kind: 'failed', name, reason: error.message })
  })
  if (child.pid === undefined) return
  const pid = child.pid
  running.add(child)
  report({ kind: 'started', name, pid })
  child.once('exit', (code, signal) => {
    killGroup(pid)
    running.delete(child)
    report({ kind: 'exited', name, how: signal === null ? `exit code ${code}` : `signal ${signal}` })
    if (ending) void leaveWhenAllAreGone()
  })
}

function end(): void {
  if (ending) return
  ending = true
  for (const { pid } of running) if (pid !== undefined) killGroup(pid)
  void leaveWhenAllAreGone()
}

async function leaveWhenAllAreGone(): Promise<void> {
  if (running.size > 0) return
  if (traces !== null) await rm(traces, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  process.exit(0)
}

/** SIGKILL also ends what SIGSTOP has paused. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // The group is empty already.
  }
}

function report(message: Report): void {
  // A parent that dies meanwhile is noticed by 'disconnect'; the failed send says nothing more.
  if (process.connected) process.send?.(message, undefined, undefined, () => {})
}
