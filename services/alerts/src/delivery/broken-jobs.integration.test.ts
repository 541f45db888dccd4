import { queueName, queuePrefix } from '@signalbox/alert-endpoints/job-queue'
import { openEmbeddedRedis } from '@signalbox/embedded/redis'
import { expect, test } from 'vitest'
import { idOf, merchants, openScene, use, waiting } from '../alerts-scene.fixture.ts'
import { changeOf } from '../fan-out/change.fixture.ts'
import { loseKeys } from '../lose-keys.fixture.ts'
import { openDyingWorker } from './dying-worker.fixture.ts'

test.each([
  ['goes to another worker', 20],
  ['fails unsent past the limit of stalls, and is let run again', 0],
])('a job whose worker died %s; the receipts are looked at first', async (_, mostStalls) => {
  const scene = await openScene()
  const sink = await scene.addSink()
  await scene.openFanOut()
  await scene.publish(changeOf())
  await scene.untilFannedOut(1)
  await openDyingWorker(scene, idOf(changeOf()))

  scene.openDelivery({ settings: { locks: { durationMs: 30_000, stalledEveryMs: 300, mostStalls } } })
  await expect.poll(() => scene.owed(), waiting).toBe(0)
  expect(sink.received).toHaveLength(1)
  expect(await scene.receipts()).toMatchObject([{ outcome: 'delivered', attempts: 1 }])
  expect(scene.waitedFor).toHaveLength(1)
})

test('a job that was lost is made anew, and before it sends the receipts are looked at', async () => {
  const scene = await openScene()
  const sink = await scene.addSink()
  await scene.openFanOut()
  await scene.publish(changeOf())
  await scene.untilFannedOut(1)
  await loseKeys(scene.link.redis, `${scene.keyPrefix}{bq0}*`)

  scene.openDelivery()
  await expect.poll(() => scene.owed(), waiting).toBe(0)
  expect(sink.received).toHaveLength(1)
  expect(scene.waitedFor).toHaveLength(1)
})

test('a second run of a job whose call is under way sends nothing, and finds it settled later', async () => {
  const scene = await openScene()
  const gate = Promise.withResolvers<void>()
  const sink = await scene.addSink((response) => void gate.promise.then(() => response.writeHead(204).end()))
  await scene.openFanOut()
  const settings = {
    timeoutMs: 3_000,
    locks: { durationMs: 30_000, stalledEveryMs: 200, mostStalls: 20 },
  }
  scene.openDelivery({ settings })
  scene.openDelivery({ settings })
  await scene.publish(changeOf())
  await expect.poll(() => sink.received.length, waiting).toBe(1)

  // As after an event loop that stood still for longer than a lock lives.
  const { redis } = scene.link
  const jobKey = `${queuePrefix(scene.keyPrefix)}:${queueName}`
  const id = idOf(changeOf())
  await redis.del(`${jobKey}:${id}:lock`)
  await expect.poll(async () => redis.zscore(`${jobKey}:delayed`, id), waiting).not.toBeNull()
  gate.resolve()
  await expect.poll(() => scene.owed(), waiting).toBe(0)
  await expect.poll(() => scene.queue.stateOf(id), waiting).toBe('completed')
  expect(sink.received).toHaveLength(1)
  expect(await scene.receipts()).toHaveLength(1)
})

test('a call whose job has lost its lock goes on to its end', async () => {
  const scene = await openScene()
  const { redis } = scene.link
  const lock = `${queuePrefix(scene.keyPrefix)}:${queueName}:${idOf(changeOf())}:lock`
  // The answer takes as long as four renewals of the lock.
  const locks = { durationMs: 1_000, stalledEveryMs: 30_000, mostStalls: 20 }
  const sink = await scene.addSink((response) => {
    void redis.del(lock)
    setTimeout(() => response.writeHead(204).end(), 2 * locks.durationMs)
  })
  await scene.openFanOut()
  scene.openDelivery({ settings: { timeoutMs: 5_000, locks } })
  await scene.publish(changeOf())
  await scene.untilFannedOut(1)
  await expect.poll(() => scene.owed(), waiting).toBe(0)
  expect(sink.received).toHaveLength(1)
  expect(await scene.receipts()).toMatchObject([{ outcome: 'delivered', attempts: 1 }])
})

test('a Redis without memory delays alerts, and when it has some again each is sent once', async () => {
  const own = use(await openEmbeddedRedis())
  const scene = await openScene({ url: own.url })
  const sink = await scene.addSink()
  const { redis } = scene.link
  scene.openDelivery({ settings: { endpointConcurrency: 20 } })
  await scene.openFanOut()
  await scene.publish(changeOf())
  await expect.poll(() => sink.received.length, waiting).toBe(1)

  const used = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1])
  await redis.config('SET', 'maxmemory', String(used + 150_000))
  await scene.publish(...merchants(600))
  const refused = async () =>
    Number(/errorstat_OOM:count=(\d+)/.exec(await redis.info('errorstats'))?.[1] ?? 0)
  await expect.poll(refused, waiting).toBeGreaterThan(5)
  await redis.config('SET', 'maxmemory', '0')

  await scene.untilFannedOut(601)
  await expect.poll(() => scene.owed(), waiting).toBe(0)
  expect(new Set(sink.received.map(({ id }) => id)).size).toBe(601)
  expect(sink.received).toHaveLength(601)
})
