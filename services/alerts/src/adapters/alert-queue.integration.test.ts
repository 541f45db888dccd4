import { openRedisLink } from '@signalbox/redis-link/redis-link'
import { randomUUID } from 'node:crypto'
import { createLogger } from '@signalbox/runtime/log'
import { UnrecoverableError, Worker } from 'bullmq'
import { expect, onTestFinished, test } from 'vitest'
import { redisUrl } from '../infra.fixture.ts'
import { owedAlert } from '../owed-alert.ts'
import { queueName, queuePrefix } from '@signalbox/alert-endpoints/job-queue'
import { dataOfBatch, openAlertQueue, readJob } from './alert-queue.ts'

const log = createLogger('alerts-test', { level: 'silent' })
const first = { priorityOf: () => 1 }
const waiting = { timeout: 20_000, interval: 20 }

async function openScene() {
  const keyPrefix = `test-${randomUUID().slice(0, 8)}:`
  const link = await openRedisLink({ url: redisUrl, variable: 'QUEUE_REDIS_URL', log })
  onTestFinished(() => link[Symbol.asyncDispose]())
  const queue = openAlertQueue({ redis: link.redis, keyPrefix, log })
  onTestFinished(() => queue[Symbol.asyncDispose]())
  const runs: string[] = []
  const openWorker = (run: (id: string, runs: number) => void) => {
    const worker = new Worker<unknown, null>(
      queueName,
      async (job) => {
        const found = readJob(job.data)
        runs.push(
          ...(found?.kind === 'batch' ? found.alerts : [found?.alert]).map((alert) => alert?.id ?? 'unknown'),
        )
        run(job.id ?? '', runs.length)
        return null
      },
      {
        connection: { url: redisUrl, maxRetriesPerRequest: null },
        prefix: queuePrefix(keyPrefix),
        settings: { backoffStrategy: () => 100 },
      },
    )
    worker.on('error', () => {})
    onTestFinished(() => worker.close())
  }
  return { queue, runs, openWorker, redis: link.redis, keyPrefix }
}

const alerts = (count: number) =>
  Array.from({ length: count }, (_, index) =>
    owedAlert({
      subject: `client/merchant-${index}/`,
      variant: '',
      version: 1,
      endpointId: 'one',
      partition: 0,
      owedSinceMs: 1,
    }),
  )

test('more alerts than go into one call are added, each once, however often', async () => {
  const { queue, runs, openWorker } = await openScene()
  const many = alerts(600)
  await queue.add(many.slice(0, 300), first)
  await queue.add(many, first)
  openWorker(() => {})
  await expect.poll(() => runs.length, waiting).toBe(600)
  await queue.add(many, first)
  expect(runs.toSorted()).toEqual(many.map(({ id }) => id).toSorted())
})

test('a job is absent, live, completed or failed; one that failed can run again', async () => {
  const { queue, runs, openWorker } = await openScene()
  const [good, bad] = alerts(2)
  if (good === undefined || bad === undefined) throw new Error('two alerts')
  expect(await queue.stateOf(good.id)).toBe('absent')
  await queue.add([good, bad], first)
  expect(await queue.stateOf(good.id)).toBe('live')

  openWorker((id) => {
    if (id === bad.id && runs.filter((run) => run === bad.id).length === 1) throw new UnrecoverableError('no')
  })
  await expect.poll(() => queue.stateOf(good.id), waiting).toBe('completed')
  await expect.poll(() => queue.stateOf(bad.id), waiting).toBe('failed')
  await queue.revive(bad.id)
  await expect.poll(() => queue.stateOf(bad.id), waiting).toBe('completed')
})

test('a job whose list was deleted is torn, and goes unless a worker has it', async () => {
  const { queue, runs, openWorker, redis, keyPrefix } = await openScene()
  const [alert] = alerts(1)
  if (alert === undefined) throw new Error('one alert')
  const keysOfQueue = `${queuePrefix(keyPrefix)}:${queueName}`
  await queue.add([alert], first)
  expect(await queue.discard(alert.id)).toBe(false)
  expect(await queue.stateOf(alert.id)).toBe('live')

  await redis.del(`${keysOfQueue}:prioritized`)
  expect(await queue.stateOf(alert.id)).toBe('torn')
  await redis.set(`${keysOfQueue}:${alert.id}:lock`, 'of a worker')
  expect(await queue.discard(alert.id)).toBe(false)
  await redis.del(`${keysOfQueue}:${alert.id}:lock`)
  expect(await queue.discard(alert.id)).toBe(true)
  expect(await queue.stateOf(alert.id)).toBe('absent')

  await queue.add([alert], first)
  openWorker(() => {})
  await expect.poll(() => runs, waiting).toEqual([alert.id])
})

test('a job holds pointers and neither body nor secret', async () => {
  const { queue, redis, keyPrefix } = await openScene()
  const [alert] = alerts(1)
  if (alert === undefined) throw new Error('one alert')
  await queue.add([alert], first)
  const job = await redis.hgetall(`${queuePrefix(keyPrefix)}:${queueName}:${alert.id}`)
  const kind = { kind: 'alert', isRepair: false, isRetry: false, replayId: null }
  expect(readJob(JSON.parse(job['data'] ?? ''))).toEqual({ ...kind, alert })
  expect(Object.keys(JSON.parse(job['data'] ?? '')).toSorted()).toEqual([
    'endpointId',
    'owedSinceMs',
    'partition',
    'subject',
    'variant',
    'version',
  ])
})

test('alerts of a batch have one job, with the rank of the first of them; the others have one each', async () => {
  const { queue, runs, openWorker, redis, keyPrefix } = await openScene()
  const [alone, ...others] = alerts(4)
  if (alone === undefined) throw new Error('four')
  const owed = [...others.map((alert) => ({ alert, batchId: 'b-1' })), { alert: alone, batchId: null }]
  const ranks = new Map(others.map(({ id }, index) => [id, 7 + index]))
  for (let time = 1; time <= 2; time++) {
    await queue.addFirst(owed, { priorityOf: ({ id }) => ranks.get(id) ?? 9 })
  }
  const job = await redis.hgetall(`${queuePrefix(keyPrefix)}:${queueName}:b-1`)
  expect(job).toMatchObject({ priority: '7' })
  expect(readJob(JSON.parse(job['data'] ?? ''))).toEqual({ kind: 'batch', alerts: others, owedSinceMs: 1 })
  expect(await Promise.all(['b-1', alone.id].map((id) => queue.stateOf(id)))).toEqual(['live', 'live'])
  openWorker(() => {})
  await expect.poll(() => runs.length, waiting).toBe(4)
  expect(runs).toEqual([...others, alone].map(({ id }) => id))
})

test('an alert that leaves its batch has a job that waits, and says whether a call was made', async () => {
  const { queue, redis, keyPrefix } = await openScene()
  const [called, early] = alerts(2)
  if (called === undefined || early === undefined) throw new Error('two')
  await queue.addAlone(called, { priority: 5, isRetry: true, isRepair: false, delayMs: 60_000 })
  await queue.addAlone(early, { priority: 5, isRetry: false, isRepair: true, delayMs: 60_000 })
  const read = async ({ id }: { id: string }) => {
    const job = await redis.hgetall(`${queuePrefix(keyPrefix)}:${queueName}:${id}`)
    return { priority: job['priority'], delay: job['delay'], job: readJob(JSON.parse(job['data'] ?? '')) }
  }
  const waits = { priority: '5', delay: '60000' }
  expect(await read(called)).toMatchObject({
    ...waits,
    job: { alert: called, isRetry: true, isRepair: false },
  })
  expect(await read(early)).toMatchObject({ ...waits, job: { alert: early, isRetry: false, isRepair: true } })
})

test('the job of a batch holds what is left of it', () => {
  const [, ...left] = alerts(3)
  expect(readJob({ ...dataOfBatch(left), batch: [] })).toBeNull()
  expect(readJob(dataOfBatch(left))).toEqual({ kind: 'batch', alerts: left, owedSinceMs: 1 })
  expect(() => dataOfBatch([])).toThrow('a batch has alerts')
})

test('what no build of ours wrote is no alert', () => {
  expect(readJob({ version: 1 })).toBeNull()
})

test('the short backlog of one endpoint goes before the long one of another', async () => {
  const { queue, runs, openWorker } = await openScene()
  const [a1, a2, a3, b1] = alerts(4)
  if (a1 === undefined || a2 === undefined || a3 === undefined || b1 === undefined) throw new Error('four')
  const ranks = new Map([
    [a1.id, 1],
    [a2.id, 2],
    [a3.id, 5_000_000],
    [b1.id, 0],
  ])
  await queue.add([a3, a2, a1], { priorityOf: ({ id }) => ranks.get(id) ?? 1 })
  await queue.add([b1], { priorityOf: ({ id }) => ranks.get(id) ?? 1 })
  openWorker(() => {})
  await expect.poll(() => runs.length, waiting).toBe(4)
  expect(runs).toEqual([a1.id, b1.id, a2.id, a3.id])
})

test('a job that was made anew says so', async () => {
  const { queue, redis, keyPrefix } = await openScene()
  const [alert] = alerts(1)
  if (alert === undefined) throw new Error('one alert')
  await queue.add([alert], { ...first, isRepair: true })
  const job = await redis.hgetall(`${queuePrefix(keyPrefix)}:${queueName}:${alert.id}`)
  expect(readJob(JSON.parse(job['data'] ?? ''))).toMatchObject({ isRepair: true })
})
