import { open } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { StartOrder } from './supervisor-messages.ts'
import { suspendProcess } from './suspend-process.ts'
import type { SupervisedProcess, Supervisor } from './supervisor.ts'

/** One server that tests may start, stop and hurt. Its port and its files stay the same throughout. */
export interface ServerNode {
  /** Counts from 1 within a cluster, or among the servers of one kind. */
  readonly id: number
  readonly port: number
  /** SIGKILL, and waits until the process is gone. Does nothing to a node that is down. */
  kill(): Promise<void>
  /** Asks for an orderly end and waits for it; throws past 30 s. Does nothing to a node that is down. */
  stop(): Promise<void>
  /** Waits until the node answers. Throws when it already runs, ends early or is not ready within 60 s. */
  start(): Promise<void>
  restart(): Promise<void>
  /** Freezes the node: connections stay open, nothing answers. Does nothing to a node that is down. */
  pause(): Promise<void>
  resume(): Promise<void>
}

/** A {@link ServerNode} that is a process of this machine. */
export interface ProcessNode extends ServerNode {
  /** The server's own process; undefined while it is down. */
  readonly pid: number | undefined
}

/** How a start ended. A failed one leaves no process behind. */
type StartOutcome = { kind: 'ready' } | { kind: 'failed'; reason: string; log: string }

interface StartableNode extends ProcessNode {
  tryStart(): Promise<StartOutcome>
}

const startDeadlineMs = 60_000
const stopDeadlineMs = 30_000
const pollMs = 40
const logBytes = 16 * 1024
const logLines = 25

/** A node that is down; `isReady` is asked, until it says yes, whether the process with this pid serves. */
export function createProcessNode({
  supervisor,
  id,
  port,
  order,
  isReady,
}: {
  supervisor: Supervisor
  id: number
  port: number
  order: StartOrder
  isReady: (pid: number) => Promise<boolean>
}): StartableNode {
  let current: SupervisedProcess | undefined

  function signal(name: NodeJS.Signals): void {
    if (current === undefined) return
    try {
      process.kill(current.pid, name)
    } catch {
      // It has just ended; its exit is on the way.
    }
  }

  const node: StartableNode = {
    id,
    port,
    get pid() {
      return current?.pid
    },
    async tryStart() {
      if (current !== undefined) throw new Error(`${order.name} is already running`)
      const log = await logFrom(order.logFile)
      const started = await supervisor.start(order)
      current = started
      let ended: string | undefined
      void noteExit()
      const deadline = performance.now() + startDeadlineMs
      let unready = 'it did not answer'
      while (performance.now() < deadline) {
        try {
          // Asked in this order: an answer after the process ended would come from somebody else.
          const ready = await isReady(started.pid)
          if (ready && ended === undefined) return { kind: 'ready' }
        } catch (error) {
          unready = String(error)
        }
        if (ended !== undefined) {
          return { kind: 'failed', reason: `${order.name} ended with ${ended}`, log: await log.tail() }
        }
        await delay(pollMs)
      }
      await node.kill()
      const reason = `${order.name} was not ready within ${startDeadlineMs} ms (${unready})`
      return { kind: 'failed', reason, log: await log.tail() }

      async function noteExit(): Promise<void> {
        ended = await started.exited
        if (current === started) current = undefined
      }
    },
    async start() {
      const outcome = await node.tryStart()
      if (outcome.kind === 'failed') throw startError(outcome)
    },
    async kill() {
      const exited = current?.exited
      signal('SIGKILL')
      await exited
    },
    async stop() {
      const exited = current?.exited
      signal('SIGTERM')
      signal('SIGCONT') // a paused process would keep the request pending
      const ended = await Promise.race([exited, delay(stopDeadlineMs, tooLate, { ref: false })])
      if (ended === tooLate) throw new Error(`${order.name} did not stop within ${stopDeadlineMs} ms`)
    },
    async restart() {
      await node.stop()
      await node.start()
    },
    async pause() {
      if (current !== undefined) await suspendProcess(current.pid)
    },
    async resume() {
      signal('SIGCONT')
    },
  }
  return node
}

const tooLate = Symbol('too late')

/** The error of a failed start, with the last lines of the server's own output. */
export function startError({ reason, log }: { reason: string; log: string }): Error {
  return new Error(`${reason}. ${log === '' ? 'It printed nothing.' : `Its last lines:\n${log}`}`)
}

/** Whether the output of a failed start says that another process holds the port. */
export function saysPortTaken(log: string): boolean {
  return /address already in use/iu.test(log)
}

/** Remembers where the log stands now: a later tail shows only what was printed after this moment. */
async function logFrom(file: string): Promise<{ tail(): Promise<string> }> {
  await using handle = await open(file, 'a')
  const { size: from } = await handle.stat()
  return {
    async tail() {
      await using reader = await open(file, 'r')
      const { size } = await reader.stat()
      const position = Math.max(from, size - logBytes)
      const { buffer, bytesRead } = await reader.read({ buffer: Buffer.alloc(logBytes), position })
      const lines = buffer.subarray(0, bytesRead).toString('utf8').trimEnd().split('\n')
      return lines.slice(-logLines).join('\n')
    },
  }
}
