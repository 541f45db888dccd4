import { expect, test } from 'vitest'
import { z } from 'zod'
import { runShort } from './run-short.fixture.ts'

const figure = z.number().nullable()

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
