import { openRegistrationStore } from '@signalbox/registration-store/registration-store'
import { parseWatermark } from '@signalbox/registration-store/watermark'
import { expect, vi } from 'vitest'
import type { Pipeline } from './pipeline.ts'
import { readRunFacts } from './run-facts.ts'
import { silent } from './silent.ts'

/** Waits until the view of every partition has come to the end of its log. */
export async function untilFolded(pipeline: Pipeline): Promise<void> {
  await using store = await openRegistrationStore({ ...pipeline.redis, log: silent })
  await vi.waitFor(
    async () => {
      const { raw } = await readRunFacts(pipeline)
      const ends = Map.groupBy(raw, ({ record }) => record.partition)
      for (const [partition, records] of ends) {
        const watermark = parseWatermark((await store.readWatermark({ partition })) ?? '')
        expect(watermark?.offset).toBe(records.at(-1)?.record.offset)
      }
    },
    { timeout: 90_000, interval: 1_000 },
  )
}

/** Waits until the view of a partition contains an offset. */
export async function untilBeyond(
  pipeline: Pipeline,
  { partition, offset }: { partition: number; offset: bigint },
): Promise<void> {
  await using store = await openRegistrationStore({ ...pipeline.redis, log: silent })
  await vi.waitFor(
    async () => {
      const watermark = parseWatermark((await store.readWatermark({ partition })) ?? '')
      expect(watermark?.offset).toBeGreaterThanOrEqual(offset)
    },
    { timeout: 60_000, interval: 200 },
  )
}
