import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished } from 'vitest'

const main = join(import.meta.dirname, 'main.ts')

/** Runs a bench as a person would; its output folder and what it printed last. */
export async function runShort(
  name: string,
): Promise<{ last: unknown; stdout: string; json: unknown; svg: string }> {
  const out = await mkdtemp(join(tmpdir(), 'signalbox-bench-'))
  onTestFinished(() => rm(out, { recursive: true, force: true }))
  const bench = spawn(process.execPath, [main, name, '--short', '--out', out])
  onTestFinished(() => void bench.kill('SIGKILL'))
  const [stdout, stderr] = await Promise.all([text(bench.stdout), text(bench.stderr), once(bench, 'close')])
  expect(bench.exitCode, `${stdout}\n${stderr}`).toBe(0)
  const last: unknown = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')
  return {
    last,
    stdout,
    json: JSON.parse(await readFile(join(out, `${name}.json`), 'utf8')),
    svg: await readFile(join(out, `${name}.svg`), 'utf8'),
  }
}
