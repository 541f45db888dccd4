import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'

const main = join(import.meta.dirname, 'main.ts')
const figure = z.number().nullable()

test('a short run of the ingress bench judges every answer and leaves its figures in all three forms', async () => {
  const out = await mkdtemp(join(tmpdir(), 'signalbox-bench-'))
  onTestFinished(() => rm(out, { recursive: true, force: true }))
  const bench = spawn(process.execPath, [main, 'ingress', '--short', '--out', out])
  onTestFinished(() => void bench.kill('SIGKILL'))
  const [stdout, stderr] = await Promise.all([text(bench.stdout), text(bench.stderr), once(bench, 'close')])
  expect(bench.exitCode, `${stdout}\n${stderr}`).toBe(0)

  const last: unknown = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')
  // A slow machine may not hold the rates of the open loops, which leaves those figures out.
  const headline = z
    .strictObject({
      ratioToObvious: z.number(),
      ratioToFastify: z.number(),
      cpuRatioToFastify: z.number(),
      cpuMicrosPerAck: z.number(),
      acksPerSecond: z.number(),
      p99Ms500: figure,
      p99Ms2000: figure,
    })
    .parse(last)
  for (const title of ['bare node:http', 'bare Fastify', 'obvious', 'Signalbox', '10 ×']) {
    expect(stdout).toContain(title)
  }
  const results = z
    .object({
      headline: z.unknown(),
      series: z.array(z.object({ rounds: z.array(z.object({ answers: z.object({ S: z.number() }) })) })),
      overload: z.array(z.object({ factor: z.number(), answers: z.object({ S: z.number() }) })),
    })
    .parse(JSON.parse(await readFile(join(out, 'ingress.json'), 'utf8')))
  expect(results.headline).toEqual(headline)
  expect(results.series.length).toBeGreaterThanOrEqual(4)
  const acknowledged = [...results.series.flatMap(({ rounds }) => rounds), ...results.overload]
  for (const { answers } of acknowledged) expect(answers.S).toBeGreaterThan(0)
  expect(results.overload.map(({ factor }) => factor)).toEqual([2, 5, 10])
  expect(await readFile(join(out, 'ingress.svg'), 'utf8')).toMatch(/^<svg .*<\/svg>\n$/s)
})
