import { execFile } from 'node:child_process'

/** How a command that was waited for ended; `absent` when no such program is on PATH. */
export type CommandOutcome =
  | { kind: 'done'; output: string }
  | { kind: 'failed'; output: string }
  | { kind: 'absent' }

const maxOutputBytes = 4 * 1024 * 1024

/** Runs a program to its end; both its output streams are returned as one text. */
export function runCommand(
  command: string,
  args: string[],
  { deadlineMs, cwd }: { deadlineMs: number; cwd?: string },
): Promise<CommandOutcome> {
  return new Promise((resolve) => {
    const options = { timeout: deadlineMs, killSignal: 'SIGKILL', maxBuffer: maxOutputBytes, cwd } as const
    execFile(command, args, options, (error, stdout, stderr) => {
      const output = `${stdout}${stderr}`.trim()
      if (error === null) return resolve({ kind: 'done', output })
      if (error.code === 'ENOENT') return resolve({ kind: 'absent' })
      const killed = error.killed === true ? ` (ended after ${deadlineMs} ms)` : ''
      resolve({ kind: 'failed', output: `${output === '' ? error.message : output}${killed}` })
    })
  })
}

/** The end of a long output, where commands say what went wrong. */
export function lastLines(output: string): string {
  return output.split('\n').slice(-20).join('\n')
}
