import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { suspendProcess } from '@signalbox/embedded/suspend-process'
import type { SupervisedProcess, Supervisor } from '@signalbox/embedded/supervisor'

/** One program of the product as a process of its own, which the run may stop, kill and start again. */
export type ServiceProcess = {
  name: string
  logFile: string
  /** Starts it and waits until it has logged `readyEvent`; throws with its last lines when it ends before. */
  start(): Promise<LogLine>
  /** SIGTERM; resolves to how it ended, such as `exit code 0`. */
  stop(): Promise<string>
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>
  /** SIGSTOP, and waits until nothing of it runs: it keeps its connections and does nothing until `resume`. */
  pause(): Promise<void>
  /** SIGCONT. */
  resume(): void
  /** Resolves, when the process that runs now has ended, to how; `not running` when there is none. */
  ended(): Promise<string>
}

export type LogLine = Record<string, unknown> & { msg: string }

const startDeadlineMs = 60_000
const stopDeadlineMs = 30_000
const root = join(import.meta.dirname, '..', '..', '..')

/** All that a program of the run gets from the environment of the run. */
const inherited = Object.fromEntries(
  ['PATH', 'HOME', 'TMPDIR'].flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value]]
  }),
)

/** Describes a process that is not running yet. `environment` is asked at each start. */
export function createServiceProcess(options: {
  supervisor: Supervisor
  name: string
  folder: string
  main: string
  args?: readonly string[]
  environment: () => Record<string, string>
  readyEvent: string
}): ServiceProcess {
  const logFile = join(options.folder, `${options.name}.log`)
  let running: SupervisedProcess | undefined

  return {
    name: options.name,
    logFile,
    async start() {
      const before = (await linesOf(logFile)).length
      running = await launch(options.supervisor, { ...options, logFile })
      let ended: string | undefined
      const started = running
      void started.exited.then((how) => {
        ended = how
        if (running === started) running = undefined
      })
      const deadline = performance.now() + startDeadlineMs
      while (performance.now() < deadline) {
        const lines = (await linesOf(logFile)).slice(before)
        const ready = lines.map(parseLine).find((line) => line?.msg === options.readyEvent)
        if (ready) return ready
        if (ended !== undefined)
          throw new Error(`${options.name} ended with ${ended}:\n${lines.slice(-20).join('\n')}`)
        await delay(25)
      }
      throw new Error(
        `${options.name} did not log ${options.readyEvent} within ${startDeadlineMs} ms: ${logFile}`,
      )
    },
    async stop() {
      if (running === undefined) return 'not running'
      const { exited } = running
      process.kill(running.pid, 'SIGTERM')
      const ended = await Promise.race([exited, delay(stopDeadlineMs, null, { ref: false })])
      if (ended === null) throw new Error(`${options.name} did not stop within ${stopDeadlineMs} ms`)
      return ended
    },
    async kill() {
      if (running === undefined) return
      const { exited, pid } = running
      process.kill(pid, 'SIGKILL')
      await exited
    },
    async pause() {
      if (running !== undefined) await suspendProcess(running.pid)
    },
    resume() {
      if (running !== undefined) process.kill(running.pid, 'SIGCONT')
    },
    ended: async () => running?.exited ?? 'not running',
  }
}

/** Starts a program that ends by itself. */
export async function launchProgram(options: {
  supervisor: Supervisor
  name: string
  folder: string
  main: string
  args: readonly string[]
  environment?: Readonly<Record<string, string>>
}): Promise<{ exited: Promise<string>; logFile: string }> {
  const logFile = join(options.folder, `${options.name}.log`)
  await writeFile(logFile, '')
  const { exited } = await launch(options.supervisor, {
    ...options,
    environment: () => ({ ...options.environment }),
    logFile,
  })
  return { exited, logFile }
}

function launch(
  supervisor: Supervisor,
  program: {
    name: string
    main: string
    args?: readonly string[]
    environment: () => Record<string, string>
    logFile: string
  },
): Promise<SupervisedProcess> {
  const environment = Object.entries({ ...inherited, ...program.environment() })
  return supervisor.start({
    name: program.name,
    // Sets the variables and becomes the program: one process, one pid. Without -i a QUEUE_REDIS_URL that happens
    // to be exported would send a run's alerts into somebody's real queue.
    command: 'env',
    args: [
      '-i',
      ...environment.map(([name, value]) => `${name}=${value}`),
      process.execPath,
      join(root, program.main),
      ...(program.args ?? []),
    ],
    logFile: program.logFile,
  })
}

async function linesOf(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text.split('\n').slice(0, -1)
}

function parseLine(line: string): LogLine | null {
  try {
    const value: unknown = JSON.parse(line)
    return isLogLine(value) ? value : null
  } catch {
    return null
  }
}

function isLogLine(value: unknown): value is LogLine {
  return typeof value === 'object' && value !== null && 'msg' in value && typeof value.msg === 'string'
}
