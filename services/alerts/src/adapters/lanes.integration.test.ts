import { randomUUID } from 'node:crypto'
import { attemptsKey } from '@signalbox/alert-endpoints/attempt-log'
import { openRedisLink } from '@signalbox/redis-link/redis-link'
import { createLogger } from '@signalbox/runtime/log'
import { expect, onTestFinished, test } from 'vitest'
import { redisUrl } from '../infra.fixture.ts'
import { createLanes, type LaneRequest } from './lanes.ts'

const log = createLogger('alerts-test', { level: 'silent' })
const leaseMs = 20_000
const secondMs = 1_000

const failed = {
  subject: 'client/merchant/',
  version: 1,
  attempt: 1,
  at: 0,
  durationMs: 10,
  status: 500,
  error: 'server_error' as const,
  response: null,
  isReplay: false,
  nextInMs: 1,
}

/** Lanes of a Redis prefix of their own; time is what the test says. */
async function openScene() {
  const keyPrefix = `test-${randomUUID().slice(0, 8)}:`
  const link = await openRedisLink({ url: redisUrl, variable: 'QUEUE_REDIS_URL', log })
  onTestFinished(() => link[Symbol.asyncDispose]())
  const lanes = createLanes({ redis: link.redis, keyPrefix })
  const usual = {
    endpointId: 'one',
    nowMs: 0,
    cap: 4,
    leaseMs,
    ratePerSecond: null,
    isRetry: false,
    probeEveryMs: null,
  }
  const leases = new Map<string, number>()
  const enter = async (alertId: string, differs: Partial<LaneRequest> = {}) => {
    const entry = await lanes.enter({ ...usual, alertId, ...differs })
    if (entry.kind === 'go') leases.set(alertId, entry.leaseEndsMs)
    return entry
  }
  return {
    redis: link.redis,
    keyPrefix,
    enter,
    /** `go`, or why not and for how long. */
    tryOne: async (alertId: string, differs: Partial<LaneRequest> = {}) => {
      const entry = await enter(alertId, differs)
      return entry.kind === 'go' ? 'go' : `${entry.why} ${entry.waitMs}`
    },
    leave: (alertId: string, differs: Partial<Parameters<typeof lanes.leave>[0]> = {}) =>
      lanes.leave({
        endpointId: 'one',
        alertId,
        nowMs: 0,
        outcome: 'fine',
        durationMs: 10,
        openForMs: null,
        attempt: null,
        isLast: false,
        leaseEndsMs: leases.get(alertId) ?? 0,
        ...differs,
      }),
  }
}

test('an endpoint has as many calls under way as its cap, whoever makes them, and others have their own', async () => {
  const { tryOne, leave } = await openScene()
  const first = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map((id) => tryOne(id)))
  expect(first.toSorted()).toEqual(['full 0', 'full 0', 'go', 'go', 'go', 'go'])
  expect(await tryOne('g', { endpointId: 'two' })).toBe('go')
  await leave('a')
  expect(await tryOne('h')).toBe('go')
  expect(await tryOne('i')).toBe('full 0')
})

test('calls that end together count one after the other, and each is written down', async () => {
  const { redis, keyPrefix, tryOne, leave } = await openScene()
  const ids = ['a', 'b', 'c', 'd', 'e', 'f']
  await Promise.all(ids.map((id) => tryOne(id, { cap: 6 })))
  await Promise.all(
    ids.map((id) =>
      leave(id, {
        outcome: id === 'a' ? 'fine' : 'trouble',
        attempt: { ...failed, alertId: id },
        isLast: id === 'a',
      }),
    ),
  )
  expect(await tryOne('g')).toBe('open 3000')
  expect(await redis.xlen(attemptsKey(keyPrefix, 'one'))).toBe(6)
})

test('a call of a process that was killed counts no longer when its lease is over', async () => {
  const { tryOne } = await openScene()
  await tryOne('a', { cap: 1 })
  expect(await tryOne('b', { cap: 1, nowMs: leaseMs - 1 })).toBe('full 0')
  expect(await tryOne('b', { cap: 1, nowMs: leaseMs })).toBe('go')
})

test('an alert whose call is under way does not go again', async () => {
  const { tryOne, leave } = await openScene()
  await tryOne('a')
  expect(await tryOne('a', { nowMs: 100 })).toBe(`full ${leaseMs - 100}`)
  await leave('a')
  expect(await tryOne('a')).toBe('go')
})

test('a call whose lease has ended takes nothing from a later run of its alert', async () => {
  const { enter, tryOne, leave } = await openScene()
  const entry = await enter('a')
  expect(entry).toEqual({ kind: 'go', leaseEndsMs: leaseMs })
  expect(await tryOne('a', { nowMs: leaseMs })).toBe('go')
  await leave('a', { nowMs: leaseMs, leaseEndsMs: leaseMs })
  expect(await tryOne('a', { nowMs: leaseMs + 1 })).toBe(`full ${leaseMs - 1}`)
  await leave('a', { nowMs: leaseMs + 1 })
  expect(await tryOne('a', { nowMs: leaseMs + 1 })).toBe('go')
})

test('a lease lasts as long as it was asked for, whatever others ask for', async () => {
  const { tryOne, redis, keyPrefix } = await openScene()
  await tryOne('a', { leaseMs: 40_000 })
  await tryOne('b', { leaseMs: 1 })
  expect(await redis.pttl(`${keyPrefix}{e-one}:leases`)).toBeGreaterThan(40_000)
})

test('retries take at most half of the cap, and one where the cap is one', async () => {
  const { tryOne, leave } = await openScene()
  const retry = { isRetry: true }
  expect([await tryOne('a', retry), await tryOne('b', retry), await tryOne('c', retry)]).toEqual([
    'go',
    'go',
    'full 0',
  ])
  expect([await tryOne('d'), await tryOne('e'), await tryOne('f')]).toEqual(['go', 'go', 'full 0'])
  await leave('a')
  expect(await tryOne('c', retry)).toBe('go')
  expect(await tryOne('x', { ...retry, endpointId: 'two', cap: 1 })).toBe('go')
})

test('the fifth failure opens the breaker, for longer each time and at most a minute, and one call probes it', async () => {
  const { tryOne, leave } = await openScene()
  const openedFor: string[] = []
  let nowMs = 0
  for (let failure = 1; failure <= 12; failure += 1) {
    expect(await tryOne(`a${failure}`, { nowMs })).toBe('go')
    await leave(`a${failure}`, { nowMs, outcome: 'trouble' })
    const next = await tryOne('b', { nowMs })
    if (next === 'go') {
      await leave('b', { nowMs, outcome: 'neutral' })
      continue
    }
    openedFor.push(next)
    nowMs += Number(next.split(' ')[1])
  }
  expect(openedFor.map((text) => text.replace('open ', ''))).toEqual(
    [3, 6, 12, 24, 48, 60, 60, 60].map((seconds) => String(seconds * secondMs)),
  )
  expect(await tryOne('probe', { nowMs })).toBe('go')
  expect(await tryOne('other', { nowMs })).toBe('full 0')
  await leave('probe', { nowMs })
  expect([await tryOne('other', { nowMs }), await tryOne('third', { nowMs })]).toEqual(['go', 'go'])
})

test('calls that were under way when the breaker opened do not keep it open for longer', async () => {
  const { tryOne, leave } = await openScene()
  const ids = Array.from({ length: 12 }, (_, index) => `a${index}`)
  for (const id of ids) expect(await tryOne(id, { cap: 12 })).toBe('go')
  for (const id of ids) await leave(id, { outcome: 'trouble' })
  expect(await tryOne('b')).toBe('open 3000')
})

test('what says nothing about the endpoint neither opens nor closes its breaker', async () => {
  const { tryOne, leave } = await openScene()
  for (const id of ['a', 'b', 'c', 'd']) {
    await tryOne(id)
    await leave(id, { outcome: 'trouble' })
  }
  await tryOne('e')
  await leave('e', { outcome: 'neutral' })
  expect(await tryOne('f')).toBe('go')
  await leave('f', { outcome: 'trouble' })
  expect(await tryOne('g')).toBe('open 3000')
})

test('an endpoint that asks for a pause gets it, also when a call of before ends well', async () => {
  const { tryOne, leave } = await openScene()
  await tryOne('a')
  await tryOne('b')
  await leave('a', { outcome: 'trouble', openForMs: 30 * secondMs })
  await leave('b')
  expect(await tryOne('c', { nowMs: secondMs })).toBe('open 29000')
  expect(await tryOne('c', { nowMs: 30 * secondMs })).toBe('go')
})

test('a rate lets a second’s worth go at once and gives each of the others a slot of its own', async () => {
  const { tryOne } = await openScene()
  const rate = { ratePerSecond: 4, cap: 100 }
  const answers: string[] = []
  for (let n = 0; n < 8; n += 1) answers.push(await tryOne(`a${n}`, rate))
  expect(answers).toEqual(['go', 'go', 'go', 'go', 'rate 250', 'rate 500', 'rate 750', 'rate 1000'])
  expect(await tryOne('a5', { ...rate, nowMs: 400 })).toBe('rate 100')
  expect(await tryOne('a5', { ...rate, nowMs: 500 })).toBe('go')
  expect(await tryOne('new', { ...rate, nowMs: 500 })).toBe('rate 750')
  // A slot that nobody came for is given up.
  expect(await tryOne('a4', { ...rate, nowMs: 250 + 60_001 })).toBe('go')
})

test('slots are given for a minute ahead, so that what they take is bounded', async () => {
  const { tryOne, redis, keyPrefix } = await openScene()
  const rate = { ratePerSecond: 1, cap: 100 }
  const answers: string[] = []
  for (let n = 0; n < 70; n += 1) answers.push(await tryOne(`a${n}`, rate))
  expect(answers.slice(60, 63)).toEqual(['rate 60000', 'full 60000', 'full 60000'])
  expect(await redis.zcard(`${keyPrefix}{e-one}:slots`)).toBe(60)
})

test('an endpoint that is only probed gets one call in its time, and all again after a success', async () => {
  const { tryOne, leave } = await openScene()
  const probing = { probeEveryMs: 60 * secondMs }
  expect(await tryOne('a', probing)).toBe('go')
  await leave('a', { outcome: 'trouble' })
  expect(await tryOne('b', { ...probing, nowMs: secondMs })).toBe('probing 59000')
  expect(await tryOne('b', { ...probing, nowMs: 60 * secondMs })).toBe('go')
  await leave('b', { nowMs: 60 * secondMs })
  expect(await tryOne('c', { nowMs: 60 * secondMs })).toBe('go')
})

test('who has to wait hears how long calls take and how many wait', async () => {
  const { enter, leave, redis, keyPrefix } = await openScene()
  await redis.set(`${keyPrefix}{e-one}:outstanding`, 70)
  await enter('a')
  await leave('a', { durationMs: 1_000 })
  await enter('b')
  await leave('b', { durationMs: 2_000 })
  await enter('c', { cap: 1 })
  expect(await enter('d', { cap: 1 })).toEqual({
    kind: 'wait',
    why: 'full',
    waitMs: 0,
    serviceMs: 1_200,
    outstanding: 70,
  })
})

test('calls that all took long at once change little of what calls take, and many in turn all of it', async () => {
  const { enter, leave } = await openScene()
  const serviceMs = async () => {
    await enter('b', { cap: 1 })
    const entry = await enter('c', { cap: 1 })
    await leave('b', { outcome: 'neutral' })
    return entry.kind === 'wait' ? entry.serviceMs : null
  }
  await leave('a', { nowMs: 10_000, durationMs: 5 })
  expect(await serviceMs()).toBe(5)
  for (let call = 0; call < 25; call++) await leave('a', { nowMs: 30_000, durationMs: 13_000 })
  expect(await serviceMs()).toBe(24)
  for (let turn = 1; turn <= 20; turn++) {
    await leave('a', { nowMs: 30_000 + turn * 13_000, durationMs: 13_000 })
  }
  expect(await serviceMs()).toBeGreaterThan(12_000)
})

test('all that a lane leaves behind ends by itself', async () => {
  const { tryOne, leave, redis, keyPrefix } = await openScene()
  const rate = { ratePerSecond: 1, probeEveryMs: 1_000, isRetry: true }
  await tryOne('a', rate)
  await leave('a', { outcome: 'trouble' })
  await tryOne('b', { ...rate, nowMs: 1_000 })
  await tryOne('c', { ratePerSecond: 1 })
  const keys = await redis.keys(`${keyPrefix}*`)
  expect(keys.length).toBeGreaterThan(2)
  const lives = await Promise.all(keys.map((key) => redis.pttl(key)))
  expect(Math.min(...lives)).toBeGreaterThan(0)
})
