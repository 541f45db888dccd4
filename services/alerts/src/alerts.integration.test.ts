import { queueName, queuePrefix } from '@signalbox/alert-endpoints/job-queue'
import type { Producer } from '@signalbox/kafka/producer'
import { expect, test } from 'vitest'
import { idOf, merchants, openScene, use, waiting } from './alerts-scene.fixture.ts'
import { changeOf, entryOf } from './fan-out/change.fixture.ts'
import type { FanOutPorts } from './fan-out/fan-out.ts'
import { redisUrl } from './infra.fixture.ts'
import { loseKeys } from './lose-keys.fixture.ts'
import { byFirstJob } from './owed-alert.ts'
import { openRedisProxy } from './redis-proxy.fixture.ts'

test('a change becomes one verified webhook per endpoint, with receipt and marker, and is owed no longer', async () => {
  const scene = await openScene()
  const one = await scene.addSink()
  const two = await scene.addSink()
  scene.openDelivery()
  await scene.openFanOut()
  const change = changeOf({
    entries: [
      entryOf(),
      entryOf({ productCode: 'IN_STORE_PAYMENT', status: 'REJECTED', rejectionReason: 'blurred' }),
    ],
    collectiveStatus: 'COMPLETED',
  })
  await scene.publish(change)

  await expect.poll(async () => [one.received.length, two.received.length], waiting).toEqual([1, 1])
  await expect.poll(() => scene.owed(), waiting).toBe(0)
  expect(one.received[0]).toMatchObject({
    id: idOf(change),
    body: {
      type: 'registration.changed',
      timestamp: '2026-01-02T00:00:00.000Z',
      data: {
        registration: change.registration,
        version: 2,
        collective: 'COMPLETED',
        events: [
          { type: 'entry.approved' },
          { type: 'entry.rejected', rejectionReason: 'blurred' },
          { type: 'collective.completed' },
        ],
      },
    },
  })
  expect(two.received[0]?.text).toBe(one.received[0]?.text)
  const ids = [idOf(change), idOf(change, 'endpoint-1')]
  expect(await scene.settledAmong(ids)).toEqual(new Set(ids))
  const receipts = await scene.receipts()
  expect(receipts.map((receipt) => receipt.alertId).toSorted()).toEqual(ids.toSorted())
  expect(receipts).toMatchObject([
    { outcome: 'delivered', reason: null, attempts: 1, lastStatus: 204, registration: change.registration },
    { outcome: 'delivered' },
  ])
  expect(await scene.metrics.text()).toMatch(/alerts_settled_total\{outcome="delivered",.*\} 2/)
})

test('an endpoint’s own header arrives in clear, and lies nowhere in clear on the way', async () => {
  const scene = await openScene()
  const sink = await scene.addSink(undefined, { headers: { 'x-own': 'k-very-own-value' } })
  scene.openDelivery()
  await scene.openFanOut()
  await scene.publish(changeOf())
  await expect.poll(() => sink.received.map(({ own }) => own), waiting).toEqual(['k-very-own-value'])
  await expect.poll(() => scene.owed(), waiting).toBe(0)
  const held = (await scene.everythingHeld()).join('\n')
  expect(held).toContain('x-own')
  expect(held).not.toContain('k-very-own-value')
})

test('a change that tells nothing alerts nobody', async () => {
  const scene = await openScene()
  const sink = await scene.addSink()
  scene.openDelivery()
  await scene.openFanOut()
  await scene.publish(changeOf({ entries: [entryOf({ status: 'PENDING' })] }), changeOf({ version: 3 }))
  await expect.poll(() => sink.received.length, waiting).toBe(1)
  await scene.untilFannedOut(2)
  expect(sink.received.map(({ body }) => body.data)).toMatchObject([{ version: 3 }])
})

test('the same change again, before or after its delivery, alerts nobody again', async () => {
  const scene = await openScene()
  const sink = await scene.addSink()
  scene.openDelivery()
  await scene.openFanOut()
  await scene.publish(changeOf(), changeOf())
  await expect.poll(() => scene.receipts(), waiting).toHaveLength(1)
  await scene.publish(changeOf())
  await scene.untilFannedOut(3)
  await expect.poll(() => scene.owed(), waiting).toBe(0)
  expect(sink.received).toHaveLength(1)
  expect(await scene.receipts()).toHaveLength(1)
})

test('a fan-out that starts over because its watermark is lost alerts nobody again', async () => {
  const scene = await openScene()
  const sink = await scene.addSink()
  scene.openDelivery()
  await scene.openFanOut()
  await scene.publish(...merchants(5))
  await scene.untilFannedOut(5)
  await expect.poll(() => scene.owed(), waiting).toBe(0)

  for (const partition of [0, 1]) await scene.link.redis.del(`${scene.keyPrefix}{c${partition}}:fan-out`)
  // Each partition notices with its next record that Redis is not as it left it.
  await scene.publish(...merchants(5).map((change) => ({ ...change, version: 3 })))
  await scene.untilFannedOut(10)
  await expect.poll(() => scene.owed(), waiting).toBe(0)
  expect(sink.received).toHaveLength(10)
  expect(new Set(sink.received.map(({ id }) => id)).size).toBe(10)
})

test('an endpoint that fails twice gets the same webhook again, and all attempts are counted', async () => {
  const scene = await openScene()
  const sink = await scene.addSink((response, n) => response.writeHead(n < 3 ? 500 : 200).end())
  scene.openDelivery()
  await scene.openFanOut()
  await scene.publish(changeOf())
  await expect
    .poll(() => scene.receipts(), waiting)
    .toMatchObject([{ outcome: 'delivered', attempts: 3, lastStatus: 200 }])
  expect(sink.received).toHaveLength(3)
  expect(new Set(sink.received.map(({ id, text }) => `${id} ${text}`)).size).toBe(1)
})

test('an endpoint that answers 410 is not called again; the alert has its receipt and is a dead letter', async () => {
  const scene = await openScene()
  const sink = await scene.addSink((response) => response.writeHead(410).end())
  scene.openDelivery()
  await scene.openFanOut()
  await scene.publish(changeOf())
  await expect
    .poll(() => scene.receipts(), waiting)
    .toMatchObject([
      { outcome: 'given_up', reason: 'refused', attempts: 1, lastStatus: 410, lastError: 'gone' },
    ])
  await expect.poll(() => scene.queue.stateOf(idOf(changeOf())), waiting).toBe('failed')
  await expect.poll(() => scene.owed(), waiting).toBe(0)
  expect(sink.received).toHaveLength(1)
})

test('an alert is given up when its schedule is used up', async () => {
  const scene = await openScene()
  const sink = await scene.addSink((response) => response.writeHead(503).end())
  scene.openDelivery()
  await scene.openFanOut()
  await scene.publish(changeOf())
  await expect
    .poll(() => scene.receipts(), waiting)
    .toMatchObject([
      { outcome: 'given_up', reason: 'attempts_used_up', attempts: 4, lastError: 'server_error' },
    ])
  expect(sink.received).toHaveLength(4)
})

test('Retry-After is honoured', async () => {
  const scene = await openScene()
  const sink = await scene.addSink((response, n) => {
    if (n === 1) response.writeHead(429, { 'retry-after': '2' }).end()
    else response.writeHead(200).end()
  })
  scene.openDelivery()
  await scene.openFanOut()
  await scene.publish(changeOf())
  await expect.poll(() => sink.received.length, waiting).toBe(2)
  const [first, second] = sink.received
  expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(1_990)
  expect(second?.id).toBe(first?.id)
})

test('what a fan-out owed but did not queue when it died is delivered by the sweeper', async () => {
  const scene = await openScene()
  const sink = await scene.addSink()
  const dying = await scene.openFanOut({ queue: diesAfter(1, scene.queue) })
  await scene.publish(...merchants(60))
  await expect.poll(() => scene.owed(), waiting).toBeGreaterThan(0)
  await dying[Symbol.asyncDispose]()
  const owed = await scene.owed()

  scene.openDelivery()
  await expect.poll(() => scene.owed(), waiting).toBe(0)
  expect(new Set(sink.received.map(({ id }) => id)).size).toBe(owed)
  expect(sink.received).toHaveLength(owed)
})

test('a fan-out goes on from where the one before it died, and nothing is lost or sent twice', async () => {
  const scene = await openScene()
  const sink = await scene.addSink()
  const dying = await scene.openFanOut({ queue: diesAfter(1, scene.queue) })
  await scene.publish(...merchants(60))
  await expect.poll(() => scene.owed(), waiting).toBeGreaterThan(0)
  await dying[Symbol.asyncDispose]()

  scene.openDelivery({ settings: { sweep: { everyMs: 60_000, olderThanMs: 60_000 } } })
  await scene.openFanOut()
  await expect.poll(() => sink.received.length, waiting).toBe(60)
  await expect.poll(() => scene.owed(), waiting).toBe(0)
  expect(new Set(sink.received.map(({ id }) => id)).size).toBe(60)
})

/** Adds so many jobs and then is gone, as a process that is killed in the middle of it. */
function diesAfter(jobs: number, queue: FanOutPorts['queue']): FanOutPorts['queue'] {
  return {
    ...queue,
    async addFirst(owed, options) {
      await queue.addFirst([...byFirstJob(owed).values()].slice(0, jobs).flat(), options)
      throw new Error('killed')
    },
  }
}

test('after a 2xx a receipt that Kafka does not confirm is written again and the webhook is not', async () => {
  const scene = await openScene()
  const sink = await scene.addSink()
  let refused = 0
  const failing: Pick<Producer, 'publish'> = {
    async publish(records, options) {
      if (refused < 2) {
        refused += 1
        throw new Error('Kafka has not confirmed it')
      }
      return scene.producer.publish(records, options)
    },
  }
  scene.openDelivery({ producer: failing })
  await scene.openFanOut()
  await scene.publish(changeOf())
  await expect.poll(() => scene.receipts(), waiting).toMatchObject([{ outcome: 'delivered', attempts: 1 }])
  expect(refused).toBe(2)
  expect(sink.received).toHaveLength(1)
})

test.each([
  ['that are lost', '*'],
  ['that stand in no list, because somebody has deleted that,', '*:delayed'],
  ['that are gone from under their list', '*:alerts:a-*'],
])('jobs %s are made anew, and nothing is lost or sent twice', async (_, lost) => {
  const scene = await openScene()
  const sink = await scene.addSink((response, n) => response.writeHead(n <= 4 ? 503 : 200).end())
  scene.openDelivery({ settings: { backoffMs: [1_500, 1_500, 1_500] } })
  await scene.openFanOut()
  await scene.publish(...merchants(4))
  const { redis } = scene.link
  // By then each attempt is written down.
  await expect.poll(() => redis.keys(`${scene.keyPrefix}*:progress:*`), waiting).toHaveLength(4)
  const delayed = `${queuePrefix(scene.keyPrefix)}:${queueName}:delayed`
  await expect.poll(() => redis.zcard(delayed), waiting).toBe(4)
  await loseKeys(redis, `${queuePrefix(scene.keyPrefix)}${lost}`)

  await expect.poll(() => scene.receipts(), waiting).toHaveLength(4)
  expect(sink.received).toHaveLength(8)
  expect(new Set((await scene.receipts()).map(({ attempts }) => attempts))).toEqual(new Set([2]))
})

test('a stop lets calls under way finish, takes no more, and leaves the rest to the next process', async () => {
  const scene = await openScene()
  const gate = Promise.withResolvers<void>()
  const sink = await scene.addSink((response) => void gate.promise.then(() => response.writeHead(204).end()))
  const stop = new AbortController()
  const delivery = scene.openDelivery({ settings: { concurrency: 16 }, stop: stop.signal })
  await scene.openFanOut()
  await scene.publish(...merchants(12))
  await expect.poll(() => sink.received.length, waiting).toBe(4)
  await scene.untilFannedOut(12)

  stop.abort()
  expect(delivery.state()).toEqual({ ok: false, detail: 'stops' })
  gate.resolve()
  await delivery[Symbol.asyncDispose]()
  expect(sink.received).toHaveLength(4)
  expect(await scene.receipts()).toHaveLength(4)

  scene.openDelivery()
  await expect.poll(() => sink.received.length, waiting).toBe(12)
  await expect.poll(() => scene.owed(), waiting).toBe(0)
  expect(new Set(sink.received.map(({ id }) => id)).size).toBe(12)
})

test('while Redis is away nothing is lost, and what a merchant has taken is not sent again', async () => {
  const proxy = use(await openRedisProxy(redisUrl))
  const scene = await openScene({ url: proxy.url })
  const gate = Promise.withResolvers<void>()
  const sink = await scene.addSink((response) => void gate.promise.then(() => response.writeHead(204).end()))
  scene.openDelivery({ settings: { concurrency: 20, endpointConcurrency: 5 } })
  await scene.openFanOut()
  await scene.publish(...merchants(10))
  await expect.poll(() => sink.received.length, waiting).toBe(5)

  proxy.cut()
  gate.resolve()
  await scene.publish(...merchants(10).map((change) => ({ ...change, version: 3 })))
  await expect.poll(async () => (await scene.link.ping()).ok, waiting).toBe(false)
  proxy.mend()

  await expect.poll(() => new Set(sink.received.map(({ id }) => id)).size, waiting).toBe(20)
  await expect.poll(() => scene.owed(), waiting).toBe(0)
  expect(sink.received).toHaveLength(20)
  expect(await scene.receipts()).toHaveLength(20)
})
