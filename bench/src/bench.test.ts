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

/** Runs a bench as a person would; its output folder and what it printed last. */
async function runShort(
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

test('a short run of the ingress bench judges every answer and leaves its figures in all three forms', async () => {
  const { last, stdout, json, svg } = await runShort('ingress')
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
    .parse(json)
  expect(results.headline).toEqual(headline)
  expect(results.series.length).toBeGreaterThanOrEqual(4)
  const acknowledged = [...results.series.flatMap(({ rounds }) => rounds), ...results.overload]
  for (const { answers } of acknowledged) expect(answers.S).toBeGreaterThan(0)
  expect(results.overload.map(({ factor }) => factor)).toEqual([2, 5, 10])
  expect(svg).toMatch(/^<svg .*<\/svg>\n$/s)
})

test('a short run of the alerts bench finds every alert delivered once and leaves its figures in all three forms', async () => {
  const { last, stdout, json, svg } = await runShort('alerts')
  const headline = z
    .strictObject({
      ratioToBareBullmq: z.number(),
      ratioToObvious: z.number(),
      ratioToBareUndici: z.number(),
      deliveriesPerSecond: z.number(),
      cpuMicrosPerDelivery: z.number(),
      skewP99Ratio: z.number(),
      skewP99Ms: z.number(),
      memoryGrowth: z.number(),
    })
    .parse(last)
  for (const figure of Object.values(headline)) expect(figure).toBeGreaterThan(0)
  for (const title of ['bare undici', 'bare BullMQ', 'obvious', 'Signalbox', 'hanging', 'tenth'])
    expect(stdout).toContain(title)
  expect(z.object({ headline: z.unknown(), problems: z.array(z.string()) }).parse(json)).toEqual({
    headline,
    problems: [],
  })
  expect(svg).toMatch(/^<svg .*<\/svg>\n$/s)
})

test('a short run of the processor bench finds the books right and leaves its figures in all three forms', async () => {
  const { last, stdout, json, svg } = await runShort('processor')
  const headline = z
    .strictObject({
      ratioToObvious: z.number(),
      cpuMicrosPerRecord: z.number(),
      recordsPerSecond: z.number(),
      repeatsPerSecond: z.number(),
      repeatsToFresh: z.number(),
      copiesPerSecond: z.number(),
      mixedPerSecond: z.number(),
      rebuildPerSecond: z.number(),
    })
    .parse(last)
  for (const figure of Object.values(headline)) expect(figure).toBeGreaterThan(0)
  for (const title of ['fresh', 'repeated', 'copied', 'mixed', 'obvious', 'rebuild'])
    expect(stdout).toContain(title)
  expect(z.object({ headline: z.unknown(), problems: z.array(z.string()) }).parse(json)).toEqual({
    headline,
    problems: [],
  })
  expect(svg).toMatch(/^<svg .*<\/svg>\n$/s)
})
