import { expect, test } from 'vitest'
import { readConfig } from './config.ts'

const good = {
  KAFKA_BROKERS: '127.0.0.1:9092',
  REDIS_URL: 'redis://127.0.0.1:6379',
  ENDPOINT_KEYS_FILE: 'endpoint-keys.json',
}

test('little has to be set, and the schedule then lasts for a day', () => {
  const config = readConfig(good)
  expect(config).toMatchObject({
    redisUrl: 'redis://127.0.0.1:6379',
    keyPrefix: 'sb:',
    ops: { port: 9103 },
    endpointsFile: undefined,
    signingKeysFile: undefined,
    network: { allowHttp: false, allowedNetworks: [], ports: [443, 8443] },
    mail: null,
    delivery: {
      concurrency: 100,
      timeoutMs: 15_000,
      endpointConcurrency: 4,
      failureBudgetMs: 5 * 24 * 60 * 60 * 1000,
      probeEveryMs: 60 * 60 * 1000,
    },
  })
  const sumMs = config.delivery.backoffMs.reduce((sum, ms) => sum + ms, 0)
  expect(sumMs).toBeGreaterThanOrEqual(24 * 60 * 60 * 1000)
})

test('the queue may have a Redis of its own', () => {
  expect(readConfig({ ...good, QUEUE_REDIS_URL: 'rediss://queue:6380' }).redisUrl).toBe('rediss://queue:6380')
  const { REDIS_URL: _, ...alone } = good
  expect(readConfig({ ...alone, QUEUE_REDIS_URL: 'redis://queue:6380' }).redisUrl).toBe('redis://queue:6380')
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
  ['ALERT_ENDPOINT_CONCURRENCY', '0'],
  ['ALERT_PROBE_EVERY_MS', '10'],
  ['ALERT_FAILURE_BUDGET_MS', '5d'],
  ['ENDPOINT_KEYS_FILE', ''],
])('%s=%s is refused by name', (name, value) => {
  expect(() => readConfig({ ...good, [name]: value })).toThrow(name)
})

test('production refuses what would let alerts into a private network', () => {
  const production = { ...good, SIGNALBOX_ENVIRONMENT: 'production' }
  expect(readConfig(production).network.allowedNetworks).toEqual([])
  expect(() => readConfig({ ...production, ALERT_ALLOWED_NETWORKS: '10.0.0.0/8' })).toThrow(
    'ALERT_ALLOWED_NETWORKS',
  )
  expect(() => readConfig({ ...production, ALERT_ALLOW_INSECURE_ENDPOINTS: 'true' })).toThrow(
    'ALERT_ALLOW_INSECURE',
  )
})
