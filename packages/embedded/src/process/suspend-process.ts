import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

const suspendDeadlineMs = 5000
const pollMs = 1

/**
 * SIGSTOP, and waits until no thread of the process runs: the signal reaches each of them by itself, and one
 * that has a processor goes on for up to some 15 ms. Does nothing to a process that is not there, and throws when one
 * still runs after 5 s. Where the system has no `/proc` it does not wait.
 */
export async function suspendProcess(pid: number): Promise<void> {
  try {
    process.kill(pid, 'SIGSTOP')
  } catch (error) {
    return goneWith(undefined)(error)
  }
  const deadline = performance.now() + suspendDeadlineMs
  while ((await threadStatesOf(pid)).some((state) => !halted.has(state))) {
    if (performance.now() > deadline) {
      process.kill(pid, 'SIGCONT')
      throw new Error(`process ${pid} still runs ${suspendDeadlineMs} ms after SIGSTOP`)
    }
    await delay(pollMs)
  }
}

/** Stopped, traced, ended and not yet waited for: proc(5). */
const halted: ReadonlySet<string> = new Set(['T', 't', 'Z', 'X'])

/** One letter for each thread, as in proc(5); none for a process that has ended meanwhile. */
async function threadStatesOf(pid: number): Promise<string[]> {
  const folder = `/proc/${pid}/task`
  const threads = await readdir(folder).catch(goneWith<string[]>([]))
  const stats = await Promise.all(
    threads.map((thread) => readFile(`${folder}/${thread}/stat`, 'utf8').catch(goneWith(''))),
  )
  // The name before the state stands in brackets and may hold any character, brackets too.
  return stats.filter((stat) => stat !== '').map((stat) => stat.slice(stat.lastIndexOf(')') + 2).charAt(0))
}

/** What to read of a process or thread that is gone. */
function goneWith<Read>(instead: Read): (error: unknown) => Read {
  return (error) => {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH'))
      return instead
    throw error
  }
}
