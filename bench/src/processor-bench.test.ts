import { expect, test } from 'vitest'
import { z } from 'zod'
import { runShort } from './run-short.fixture.ts'

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
