import { randomUUID } from 'node:crypto'
import { openRedisLink } from '@signalbox/redis-link/redis-link'
import { createLogger } from '@signalbox/runtime/log'
import { expect, inject, onTestFinished, test } from 'vitest'
import { type Attempt, createAttemptLog } from './attempt-log.ts'
import { createHealthStore, fineHealth } from './endpoint-health.ts'

const log = createLogger('alert-endpoints-test', { level: 'silent' })

async function openScene() {
  const keyPrefix = `test-${randomUUID().slice(0, 8)}:`
  const link = await openRedisLink({ url: inject('redisUrl'), variable: 'QUEUE_REDIS_URL', log })
  onTestFinished(() => link[Symbol.asyncDispose]())
  const store = { redis: link.redis, keyPrefix }
  return { ...store, attempts: createAttemptLog(store), health: createHealthStore(store) }
}

const attempt = (differs: Partial<Attempt> = {}): Attempt => ({
  alertId: 'a-1',
  subject: 'client/merchant/',
  version: 3,
  attempt: 1,
  at: 1_767_225_600_000,
  durationMs: 12,
  status: 503,
  class: '5xx',
  error: 'server_error',
  response: 'later',
  isReplay: false,
  nextInMs: 5_000,
  ...differs,
})

test('attempts are listed as they were, the latest first, in pages', async () => {
  const { attempts } = await openScene()
  const made = [
    attempt(),
    attempt({ attempt: 2, status: null, class: 'none', error: 'timeout', response: null }),
    attempt({ attempt: 3, status: 204, class: '2xx', error: null, nextInMs: null, isReplay: true }),
  ]
  for (const one of made) await attempts.add('one', one)
  const first = await attempts.list('one', { limit: 2 })
  expect(first.attempts).toEqual([made[2], made[1]])
  expect(await attempts.list('one', { limit: 2, before: first.next ?? '' })).toEqual({
    attempts: [made[0]],
    next: null,
  })
  expect(await attempts.list('two', { limit: 2 })).toEqual({ attempts: [], next: null })
})

test('the attempts of one alert are found among many others', async () => {
  const { attempts } = await openScene()
  await attempts.add('one', attempt({ alertId: 'a-wanted' }))
  for (let n = 0; n < 250; n += 1) await attempts.add('one', attempt({ alertId: 'a-other', attempt: n }))
  const found = await attempts.list('one', { alertId: 'a-wanted', limit: 10 })
  expect(found).toEqual({ attempts: [attempt({ alertId: 'a-wanted' })], next: null })
})

test('of each endpoint about a thousand are kept, for a week, and of a response its start', async () => {
  const { attempts, redis, keyPrefix } = await openScene()
  await Promise.all(Array.from({ length: 1_500 }, () => attempts.add('one', attempt())))
  await attempts.add('one', attempt({ response: 'x'.repeat(10_000) }))
  const key = `${keyPrefix}{e-one}:attempts`
  const kept = await redis.xlen(key)
  expect(kept).toBeGreaterThanOrEqual(1_000)
  expect(kept).toBeLessThan(1_200)
  expect(await redis.ttl(key)).toBeGreaterThan(7 * 24 * 3_600 - 60)
  const [latest] = (await attempts.list('one', { limit: 1 })).attempts
  expect(latest?.response).toBe('x'.repeat(4_096))
})

test('health is written only on what stands', async () => {
  const { health, redis, keyPrefix } = await openScene()
  expect(await health.read('one')).toEqual(fineHealth)
  const failing = { failingSinceMs: 5, failures: 1, lastSuccessMs: null, warnedPercent: 0 }
  expect(await health.replace('one', { from: fineHealth, to: failing })).toBe(true)
  expect(await health.replace('one', { from: fineHealth, to: failing })).toBe(false)
  expect(await health.read('one')).toEqual(failing)
  const fine = { ...fineHealth, lastSuccessMs: 9 }
  expect(await health.replace('one', { from: failing, to: fine })).toBe(true)
  expect(await health.read('one')).toEqual(fine)
  expect(await redis.ttl(`${keyPrefix}{e-one}:health`)).toBeGreaterThan(0)
})
