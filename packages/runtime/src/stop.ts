import { describeFailure } from './start-problem.ts'

/**
 * Ends the process in order. The signal aborts on SIGTERM and SIGINT; the process has `deadlineMs` from then
 * to close what it opened and is ended with exit code 1 past that. Whatever is thrown out of main ends the
 * process with one readable message and exit code 1.
 */
export function stopSignal(options: { service: string; deadlineMs: number }): AbortSignal {
  const stop = new AbortController()
  const begin = () => {
    if (stop.signal.aborted) return
    stop.abort()
    setTimeout(() => {
      process.stderr.write(`${options.service} did not stop within ${options.deadlineMs} ms and is ended.\n`)
      process.exit(1)
    }, options.deadlineMs).unref()
  }
  process.on('SIGTERM', begin)
  process.on('SIGINT', begin)
  process.on('uncaughtException', (error) => {
    process.stderr.write(`${describeFailure(error)}\n`)
    process.exit(1)
  })
  return stop.signal
}

/**
 * Waits until the process is told to stop.
 *
 * @throws the failure, when a part of the process reports first that it cannot go on
 */
export async function untilStopped(
  stop: AbortSignal,
  failures: readonly Promise<Error>[] = [],
): Promise<void> {
  if (stop.aborted) return
  const stopped = new Promise<undefined>((resolve) => {
    stop.addEventListener('abort', () => resolve(undefined), { once: true })
  })
  const failure = await Promise.race([stopped, ...failures])
  if (failure !== undefined) throw failure
}
