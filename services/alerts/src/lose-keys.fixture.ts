import type { Redis } from 'ioredis'

/** Deletes what this pattern matches at one moment, as a Redis loses it: nothing is written in between. */
export async function loseKeys(redis: Redis, pattern: string): Promise<void> {
  const script = `for _, key in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('DEL', key) end`
  await redis.eval(script, 0, pattern)
}
