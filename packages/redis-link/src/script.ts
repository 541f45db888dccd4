import { createHash } from 'node:crypto'
import type { Redis } from 'ioredis'

export type Script = (
  redis: Redis,
  call: { keys: readonly string[]; args: readonly (string | number)[] },
) => Promise<unknown>

/** A Lua script that is called by its digest and loads itself where Redis does not know it (any more). */
export function createScript(lua: string): Script {
  const digest = createHash('sha1').update(lua).digest('hex')
  return async function run(redis, { keys, args }) {
    try {
      return await redis.evalsha(digest, keys.length, ...keys, ...args)
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
      return redis.eval(lua, keys.length, ...keys, ...args)
    }
  }
}
