import { randomUUID } from 'node:crypto'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { expect, inject, onTestFinished, test } from 'vitest'
import { createReplayBodies } from './replay-bodies.ts'
import { openReplayQueue } from './replay-queue.ts'

function openScene() {
  const keyPrefix = `test-${randomUUID().slice(0, 8)}:`
  const redis = new Redis(inject('redisUrl'))
  onTestFinished(async () => void (await redis.quit()))
  const queue = openReplayQueue({ redis, keyPrefix, onTrouble: () => undefined })
  onTestFinished(() => queue[Symbol.asyncDispose]())
  const jobs = new Queue('alerts', { connection: redis, prefix: `${keyPrefix}{bq0}` })
  onTestFinished(() => jobs.close())
  return { queue, jobs, redis, keyPrefix }
}

const jobOf = (index: number) => ({
  jobId: `r-${String(index).padStart(22, '0')}`,
  delayMs: index * 60_000,
  data: {
    subject: 'client/M/',
    version: index,
    endpointId: 'one',
    variant: '',
    partition: 1,
    owedSinceMs: 1,
    replayId: 'again',
  },
})

test('jobs of a replay wait their turn behind all others in the queue of the alerts, each once', async () => {
  const { queue, jobs } = openScene()
  const many = Array.from({ length: 300 }, (_, index) => jobOf(index))
  await queue.add(many)
  await queue.add(many)
  expect(await jobs.getJobCounts('prioritized', 'delayed', 'waiting')).toEqual({
    prioritized: 1,
    delayed: 299,
    waiting: 0,
  })
  const last = await jobs.getJob(jobOf(299).jobId)
  expect([last?.delay, last?.priority, last?.data]).toEqual([299 * 60_000, 2_097_151, jobOf(299).data])
})

test('a body of a replay is found by its alert and replay alone, and expires', async () => {
  const { redis, keyPrefix } = openScene()
  const bodies = createReplayBodies({ redis, keyPrefix })
  const { data } = jobOf(1)
  await bodies.keep('again', [{ ...data, body: 'text' }])
  expect(await bodies.of(data, 'again')).toBe('text')
  expect(await bodies.of(data, 'another')).toBeNull()
  expect(await bodies.of({ ...data, variant: 'x' }, 'again')).toBeNull()
  const [key = ''] = await redis.keys(`${keyPrefix}*:replay:*`)
  expect(await redis.ttl(key)).toBeGreaterThan(26 * 3_600)
})
