import { readdir, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { registrationKey } from '@signalbox/contracts/keys'
import { requireFaults } from '@signalbox/embedded/infra'
import { Redis } from 'ioredis'
import { expect, test, vi } from 'vitest'
import { isAcknowledged } from '../balance.ts'
import { queryMerchant } from '../final-states.ts'
import { expectedVersions, finalContents, publishedVersions } from '../oracle-comparison.ts'
import { openPipeline, type Pipeline } from '../pipeline.ts'
import { readRunFacts, readSent } from '../run-facts.ts'
import { linesWith } from './log-lines.fixture.ts'
import { untilFolded } from '../until-folded.fixture.ts'

const notifications = 6_000
const ratePerSecond = 150

test('whatever happens to the view, it ends as the log says, and nobody is alerted twice', async () => {
  await using pipeline = await openPipeline({ env: process.env, separateQueueRedis: true })
  const second = pipeline.another('processor')
  await second.start()
  const { processor } = pipeline.services

  const send = await pipeline.simulate('send', {
    url: pipeline.ingressUrl,
    notifications,
    rate: ratePerSecond,
    duplicates: 0.2,
    late: 0.1,
    seed: 17,
  })
  const acknowledged = async () => (await readSent(pipeline)).filter(isAcknowledged).length
  const untilAcknowledged = (count: number) =>
    vi.waitFor(async () => expect(await acknowledged()).toBeGreaterThan(count), {
      timeout: 90_000,
      interval: 200,
    })

  await untilAcknowledged(800)
  await flush(pipeline)
  const rebuilt = async () => {
    const lines = await linesWith([processor, second], 'partition.rebuild')
    return new Set(lines.filter(({ because }) => because === 'view_lost').map(({ partition }) => partition))
  }
  await vi.waitFor(async () => expect((await rebuilt()).size).toBe(pipeline.kafka.partitions), {
    timeout: 30_000,
  })

  await untilAcknowledged(2_000)
  await cutTail(pipeline, { share: 0.3 })

  await untilAcknowledged(3_000)
  await processor.pause()
  const takenOver = async () =>
    (await linesWith([second], 'kafka.partitions_assigned')).some(
      ({ partitions }) => Array.isArray(partitions) && partitions.length === pipeline.kafka.partitions,
    )
  await vi.waitFor(async () => expect(await takenOver()).toBe(true), { timeout: 60_000, interval: 200 })
  processor.resume()

  expect(await send.ended).toBe('exit code 0')
  await untilFolded(pipeline)
  const alertsBefore = (await readRunFacts(pipeline)).receipts.length

  const replay = await pipeline.signalbox('replay', '--from', 'start')
  expect(replay.output).toContain('are folded again')
  expect(replay.ended).toBe('exit code 0')
  await untilFolded(pipeline)
  const facts = await vi.waitFor(
    async () => {
      const found = await readRunFacts(pipeline)
      expect(found.receipts.length).toBeGreaterThanOrEqual(alertsBefore)
      const owed = new Set(found.receipts.map(({ alertId }) => alertId))
      const delivered = found.deliveries.filter(({ verified }) => verified)
      expect(new Set(delivered.map(({ webhookId }) => webhookId)).size).toBe(owed.size)
      return found
    },
    { timeout: 60_000, interval: 500 },
  )

  const balance = await pipeline.signalbox('balance')
  expect(balance.output).toContain('Balanced: no difference.')
  expect(balance.ended).toBe('exit code 0')

  const expected = expectedVersions(facts)
  expect(publishedVersions(facts)).toEqual(expected)
  const merchants = new Map(
    facts.changes.map(({ registration }) => [
      registrationKey({ ...registration, referenceStoreId: null }),
      registration,
    ]),
  )
  const shown = await Promise.all(
    [...merchants.values()].map((merchant) => queryMerchant(pipeline, merchant)),
  )
  expect(new Map(shown.flatMap((states) => [...states]))).toEqual(finalContents(expected))

  const sends = Map.groupBy(
    facts.deliveries.filter(({ verified, answered }) => verified && answered < 300),
    ({ webhookId }) => webhookId,
  )
  expect([...sends.values()].filter(({ length }) => length > 1)).toEqual([])
  expect(sends.size).toBeGreaterThan(100)
})

async function flush({ redis }: Pipeline): Promise<void> {
  const client = new Redis(redis.url)
  await client.flushall()
  client.disconnect()
}

/** Kills Redis, cuts the end off its append-only file and starts it again, as after a power failure. */
async function cutTail({ redis, infra }: Pipeline, { share }: { share: number }): Promise<void> {
  const [node] = requireFaults(infra).redis
  const client = new Redis(redis.url)
  const [, folder = ''] = (await client.config('GET', 'dir')).map(String)
  const before = await client.info('server')
  client.disconnect()
  await node?.kill()
  const log = join(folder, 'appendonlydir')
  const file = (await readdir(log)).find((name) => name.endsWith('.incr.aof')) ?? ''
  const { size } = await stat(join(log, file))
  expect(size).toBeGreaterThan(100_000)
  await truncate(join(log, file), Math.floor(size * (1 - share)))
  await node?.start()
  const again = new Redis(redis.url)
  expect(await again.info('server')).not.toBe(before)
  expect(await again.dbsize()).toBeGreaterThan(0)
  again.disconnect()
}
