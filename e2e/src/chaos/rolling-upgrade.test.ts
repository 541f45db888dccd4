import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test, vi } from 'vitest'
import { z } from 'zod'
import { balanceOf, isAcknowledged } from '../balance.ts'
import { openPipeline } from '../pipeline.ts'
import { readRunFacts, readSent } from '../run-facts.ts'
import { linesWith, readLog } from './log-lines.fixture.ts'
import { untilBeyond, untilFolded } from '../until-folded.fixture.ts'

const laterBuild = pathToFileURL(join(import.meta.dirname, 'later-build.ts')).href

test('an older processor beside a later one writes no second content of a version, and stops where the later one was', async () => {
  await using pipeline = await openPipeline({ env: process.env })
  const older = pipeline.services.processor
  const later = pipeline.another('processor', { env: { NODE_OPTIONS: `--import ${laterBuild}` } })
  const send = await pipeline.simulate('send', {
    url: pipeline.ingressUrl,
    notifications: 5_000,
    rate: 150,
    duplicates: 0.2,
    late: 0.1,
    seed: 23,
  })

  await vi.waitFor(
    async () => expect((await readSent(pipeline)).filter(isAcknowledged).length).toBeGreaterThan(400),
    { timeout: 60_000, interval: 200 },
  )
  await later.start()
  // What the older one has written of them is made anew before the later one publishes.
  const { partition } = await vi.waitFor(
    async () => {
      const [first] = await linesWith([later], 'partition.rebuilt')
      return z.object({ partition: z.number() }).parse(first)
    },
    { timeout: 60_000, interval: 200 },
  )
  const { raw } = await readRunFacts(pipeline)
  const last = raw.findLast(({ record }) => record.partition === partition)?.record.offset ?? 0n
  await untilBeyond(pipeline, { partition, offset: last + 50n })

  // Its partitions go to the older one, which meets what it does not know.
  await later.stop()
  expect(await older.ended()).toBe('exit code 1')
  expect(await readLog(older)).toContain('run the later build')

  await later.start()
  expect(await send.ended).toBe('exit code 0')
  await untilFolded(pipeline)

  const facts = await readRunFacts(pipeline)
  const { changes } = balanceOf(facts, {})
  expect({ gaps: changes.gaps, twoContents: changes.twoContents }).toEqual({ gaps: 0, twoContents: 0 })
  expect(changes.versions).toBeGreaterThan(500)
})
