import { expect, test } from 'vitest'
import { readConfig } from './config.ts'

const env = { KAFKA_BROKERS: 'k1:9092,k2:9092', REDIS_URL: 'redis://r:6379' }

test('Kafka and Redis are all that has to be configured', () => {
  expect(readConfig(env)).toMatchObject({
    kafka: { brokers: ['k1:9092', 'k2:9092'], partitions: 12 },
    redis: { url: 'redis://r:6379', keyPrefix: 'sb:' },
    ops: { port: 9102 },
    logLevel: 'info',
  })
})

test('what is missing is named with its meaning', () => {
  expect(() => readConfig({ KAFKA_BROKERS: 'k1:9092' })).toThrow(
    /REDIS_URL is missing.*view of registrations/,
  )
})
