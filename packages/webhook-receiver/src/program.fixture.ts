import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** A receiver as a process of its own, and what it has printed since it said where it listens. */
export async function openProgram(
  file: string,
  environment: Record<string, string>,
): Promise<AsyncDisposable & { port: number; lines: readonly string[] }> {
  const child = spawn(process.execPath, [file], { env: environment, stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  child.once('exit', (code) => reject(new Error(`${file} ended with ${code}`)))
  createInterface(child.stdout).on('line', (line) => {
    const port = /^listening on .*"port":(\d+)/.exec(line)?.[1]
    if (port === undefined) lines.push(line)
    else resolve(Number(port))
  })
  return {
    port: await promise,
    lines,
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit')
      child.kill()
      await ended
    },
  }
}
