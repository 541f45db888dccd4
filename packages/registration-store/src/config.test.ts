import { expect, test } from 'vitest'
import { z } from 'zod'
import { redisEnv } from './config.ts'

const schema = z.object(redisEnv)

test('the prefix of the keys has a default', () => {
  expect(schema.parse({ REDIS_URL: 'redis://127.0.0.1:6379' })).toEqual({
    REDIS_URL: 'redis://127.0.0.1:6379',
    REDIS_KEY_PREFIX: 'sb:',
  })
})

test.each([
  [{ REDIS_URL: '127.0.0.1:6379' }, 'redis://host:port'],
  [{ REDIS_URL: 'http://127.0.0.1:6379' }, 'redis://host:port'],
  // Braces in front of the hash tag would take its place.
  [{ REDIS_URL: 'rediss://redis:6379/1', REDIS_KEY_PREFIX: '{a}' }, 'letters, digits'],
])('%j is refused', (env, problem) => {
  expect(schema.safeParse(env).error?.message).toContain(problem)
})
