import { expect, test } from 'vitest'
import { z } from 'zod'
import { runShort } from './run-short.fixture.ts'

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
      // Needs a long run.
      memoryGrowth: z.null(),
    })
    .parse(last)
  const { memoryGrowth: _, ...figures } = headline
  for (const figure of Object.values(figures)) expect(figure).toBeGreaterThan(0)
  for (const title of ['bare undici', 'bare BullMQ', 'obvious', 'Signalbox', 'hanging'])
    expect(stdout).toContain(title)
  expect(z.object({ headline: z.unknown(), problems: z.array(z.string()) }).parse(json)).toEqual({
    headline,
    problems: [],
  })
  expect(svg).toMatch(/^<svg .*<\/svg>\n$/s)
})
