import { readFile } from 'node:fs/promises'
import type { Supervisor } from '@signalbox/embedded/supervisor'
import { createServiceProcess, type LogLine } from '@signalbox/testkit/service-process'
import { readUsage, type Usage } from './process-usage.ts'

/** A running program whose usage can be read. Disposal asks it to stop. */
export type MeasuredProcess = AsyncDisposable & {
  /** The log line that said it was ready. */
  ready: LogLine
  /** @throws with the last lines of its log when it has ended */
  usage: () => Promise<Usage>
}

const shownLines = 20

let started = 0

/** Starts a program and waits until it has logged `readyEvent`. Its log goes to a file of the supervisor's folder. */
export async function startMeasured(options: {
  supervisor: Supervisor
  name: string
  main: string
  args?: readonly string[]
  environment?: Record<string, string>
  readyEvent: string
}): Promise<MeasuredProcess> {
  const { supervisor, name, main, args = [], environment = {}, readyEvent } = options
  let pid = 0
  const service = createServiceProcess({
    supervisor: tellingPid(supervisor, (told) => {
      pid = told
    }),
    name: `${name}-${(started += 1)}`,
    folder: supervisor.folder,
    main,
    args,
    environment: () => environment,
    readyEvent,
  })
  const ready = await service.start()
  return {
    ready,
    async usage() {
      try {
        return await readUsage(pid)
      } catch (cause) {
        const lines = await lastLines(service.logFile)
        throw new Error(`${name} has ended. Its last lines:\n${lines}`, { cause })
      }
    },
    [Symbol.asyncDispose]: async () => void (await service.stop()),
  }
}

async function lastLines(file: string): Promise<string> {
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
  return lines.slice(-shownLines).join('\n')
}

function tellingPid(supervisor: Supervisor, tell: (pid: number) => void): Supervisor {
  return {
    folder: supervisor.folder,
    async start(order) {
      const process = await supervisor.start(order)
      tell(process.pid)
      return process
    },
    [Symbol.asyncDispose]: () => supervisor[Symbol.asyncDispose](),
  }
}
