import { expect, test } from 'vitest'
import { readConfig } from './config.ts'

const good = {
  KAFKA_BROKERS: '127.0.0.1:9092',
  REDIS_URL: 'redis://127.0.0.1:6379',
  ENDPOINTS_FILE: 'endpoints.json',
}

test('little has to be set, and the schedule then lasts for a day', () => {
  const config = readConfig(good)
  expect(config).toMatchObject({
    redis: { url: 'redis://127.0.0.1:6379', keyPrefix: 'sb:' },
    ops: { port: 9103 },
    endpoints: { allowInsecure: false },
    delivery: { concurrency: 100, timeoutMs: 15_000 },
  })
  const sumMs = config.delivery.backoffMs.reduce((sum, ms) => sum + ms, 0)
  expect(sumMs).toBeGreaterThanOrEqual(24 * 60 * 60 * 1000)
})

test('the queue may have a Redis of its own', () => {
  expect(readConfig({ ...good, QUEUE_REDIS_URL: 'rediss://queue:6380' }).redis.url).toBe(
    'rediss://queue:6380',
  )
  const { REDIS_URL: _, ...alone } = good
  expect(readConfig({ ...alone, QUEUE_REDIS_URL: 'redis://queue:6380' }).redis.url).toBe('redis://queue:6380')
  expect(() => readConfig(alone)).toThrow(/neither QUEUE_REDIS_URL nor REDIS_URL/)
})

test('a schedule is a list of milliseconds', () => {
  expect(readConfig({ ...good, ALERT_BACKOFF_MS: '200, 400' }).delivery.backoffMs).toEqual([200, 400])
})

test.each([
  ['ALERT_BACKOFF_MS', '5s'],
  ['ALERT_BACKOFF_MS', '1000,'],
  ['ALERT_BACKOFF_MS', '10'],
  ['ALERT_TIMEOUT_MS', '15001'],
  ['ALERT_CONCURRENCY', '0'],
  ['REDIS_KEY_PREFIX', '{x}'],
  ['REDIS_URL', 'http://127.0.0.1'],
  ['ALERT_ALLOW_INSECURE_ENDPOINTS', 'yes'],
])('%s=%s is refused by name', (name, value) => {
  expect(() => readConfig({ ...good, [name]: value })).toThrow(name)
})
