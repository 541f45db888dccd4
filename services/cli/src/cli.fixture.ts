import { runCommandLine, type Verb } from '@signalbox/runtime/command-line'
import { vi } from 'vitest'

export type Said = { exitCode: number; stdout: string; stderr: string }

/** Runs one verb as `signalbox` does and keeps what it writes. */
export async function runVerb(verb: Verb, ...args: string[]): Promise<Said> {
  const said = { stdout: '', stderr: '' }
  const keep = (stream: 'stdout' | 'stderr') =>
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      said[stream] += String(text)
      return true
    })
  const spies = [keep('stdout'), keep('stderr')]
  try {
    const exitCode = await runCommandLine('signalbox', [verb], [...verb.name.split(' '), ...args])
    return { exitCode, ...said }
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
}
