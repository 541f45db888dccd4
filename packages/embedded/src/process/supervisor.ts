import { spawn } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseReport, type StartOrder } from './supervisor-messages.ts'

/** A running server. */
export interface SupervisedProcess {
  readonly pid: number
  /** Resolves, when the process is gone, to how it ended: `exit code 1`, `signal SIGKILL`. */
  readonly exited: Promise<string>
}

/** Starts servers that cannot outlive this process: see supervise.ts. Disposal kills those still running. */
export interface Supervisor extends AsyncDisposable {
  /** For the files of the servers; absolute. */
  readonly folder: string
  /** Throws when the command cannot be run at all. A name is in use until its process has exited. */
  start(order: StartOrder): Promise<SupervisedProcess>
}

interface Running {
  pid: number
  exited: PromiseWithResolvers<string>
}

const program = fileURLToPath(new URL('./supervise.ts', import.meta.url))
const closeDeadlineMs = 20_000

/**
 * Opens a supervisor with a folder for its servers: a given one, which is kept, or with null a temporary one,
 * whose name holds `name`, and which is removed at the end. Throws when another supervisor uses the given one.
 */
export async function openSupervisor({
  keptFolder,
  name,
}: {
  keptFolder: string | null
  name: string
}): Promise<Supervisor> {
  const use =
    keptFolder === null ? ['temporary', join(tmpdir(), `signalbox-${name}-`)] : ['kept', resolve(keptFolder)]
  const child = spawn(process.execPath, [program, ...use], {
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const ready = Promise.withResolvers<string>()
  const gone = Promise.withResolvers<void>()
  const starting = new Map<string, PromiseWithResolvers<SupervisedProcess>>()
  const running = new Map<string, Running>()
  let closing = false

  child.on('message', (message) => {
    const report = parseReport(message)
    switch (report.kind) {
      case 'ready':
        return ready.resolve(report.folder)
      case 'refused':
        child.disconnect()
        return ready.reject(new Error(report.reason))
      case 'started': {
        const exited = Promise.withResolvers<string>()
        running.set(report.name, { pid: report.pid, exited })
        starting.get(report.name)?.resolve({ pid: report.pid, exited: exited.promise })
        return starting.delete(report.name)
      }
      case 'failed':
        starting.get(report.name)?.reject(new Error(`Cannot run ${report.name}: ${report.reason}`))
        return starting.delete(report.name)
      case 'exited':
        running.get(report.name)?.exited.resolve(report.how)
        return running.delete(report.name)
    }
  })
  child.once('error', ready.reject)
  child.once('exit', (code, signal) => {
    const lost = new Error(`The supervisor of the embedded servers ended with ${code ?? signal}`)
    ready.reject(lost)
    for (const start of starting.values()) start.reject(lost)
    for (const { pid, exited } of running.values()) {
      killGroup(pid)
      exited.resolve('the end of its supervisor')
    }
    running.clear()
    gone.resolve()
  })

  const folder = await ready.promise
  return {
    folder,
    start(order) {
      if (closing || !child.connected) {
        return Promise.reject(new Error(`Cannot run ${order.name}: its supervisor has ended`))
      }
      const start = Promise.withResolvers<SupervisedProcess>()
      starting.set(order.name, start)
      child.send(order)
      return start.promise
    },
    async [Symbol.asyncDispose]() {
      if (closing) return gone.promise
      closing = true
      if (child.connected) child.disconnect()
      const tooLate = AbortSignal.timeout(closeDeadlineMs)
      tooLate.addEventListener('abort', () => child.kill('SIGKILL'))
      await gone.promise
      // The supervisor has removed it, unless it was killed before it could.
      if (keptFolder === null) await rm(folder, { recursive: true, force: true })
    },
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // The group is empty already.
  }
}
