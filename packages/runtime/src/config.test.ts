import { expect, test } from 'vitest'
import { z } from 'zod'
import { flag, parseEnvironment, port, runtimeEnv } from './config.ts'

const schema = z.object({
  ...runtimeEnv({ opsPort: 9101 }),
  KAFKA_BROKERS: z.string().describe('comma-separated host:port'),
  INGRESS_PORT: port(8080),
  SECURE: flag(),
})
const good = { KAFKA_BROKERS: '127.0.0.1:9092' }

const problemOf = (env: Record<string, string>) => {
  try {
    parseEnvironment('ingress', schema, env)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  return 'accepted'
}

test('defaults fill what is not set, and an empty variable counts as not set', () => {
  expect(parseEnvironment('ingress', schema, { ...good, INGRESS_PORT: '', HOME: '/root' })).toEqual({
    KAFKA_BROKERS: '127.0.0.1:9092',
    INGRESS_PORT: 8080,
    SECURE: false,
    LOG_LEVEL: 'info',
    LISTEN_HOST: '0.0.0.0',
    OPS_PORT: 9101,
  })
})

test('a missing variable is named with what it is for', () => {
  expect(problemOf({})).toContain('KAFKA_BROKERS is missing: set it. It is: comma-separated host:port.')
})

test('a wrong value is named with what is wrong, and never shown', () => {
  const problem = problemOf({ ...good, INGRESS_PORT: 'hunter2' })
  expect(problem).toContain('INGRESS_PORT is set to something that does not fit')
  expect(problem).not.toContain('hunter2')
})

test.each([
  ['KAFKA_BROKER', 'KAFKA_BROKERS'],
  ['KAFKA_BROKRES', 'KAFKA_BROKERS'],
  ['INGRES_PORT', 'INGRESS_PORT'],
  ['LOGLEVEL', 'LOG_LEVEL'],
])('%s is taken for a slip of %s', (slip, meant) => {
  expect(problemOf({ ...good, [slip]: 'x' })).toContain(
    `${slip} is not a variable of this service: did you mean ${meant}?`,
  )
})

test('variables of other programs are left alone', () => {
  expect(
    problemOf({ ...good, PATH: '/bin', KUBERNETES_PORT: '1', APP_PORT: '3000', REDIS_URL: 'redis://x' }),
  ).toBe('accepted')
})

test('all problems are told at once', () => {
  expect(problemOf({ INGRESS_PORT: '-1', LOG_LEVEL: 'loud' }).split('\n')).toHaveLength(4)
})
