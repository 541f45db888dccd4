import { createHash } from 'node:crypto'
import type { Redis } from 'ioredis'

type Script = (redis: Redis, call: { keys: readonly string[]; args: readonly string[] }) => Promise<unknown>

/** A Lua script that is called by its digest and loads itself where Redis does not know it (any more). */
function createScript(lua: string): Script {
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

/**
 * KEYS: watermark, books, then the hash of each registration. ARGV: the field of each registration.
 * Gives the watermark, the offset counted so far, and each registration; null for what is not there.
 */
export const loadScript = createScript(`
local found = { redis.call('GET', KEYS[1]), redis.call('HGET', KEYS[2], 'countedThrough') }
for i = 3, #KEYS do found[i] = redis.call('HGET', KEYS[i], ARGV[i - 2]) end
return found`)

/**
 * KEYS: watermark, books, then the hash of each registration.
 * ARGV: the watermark expected ('' for none) and the next one; first and last offset to count ('' for none) and five
 * times an outcome and its count; then field and value of each registration.
 * Gives OK, or FENCED and the watermark that stands. A script is not rolled back, so everything is checked before the
 * first write.
 */
export const saveScript = createScript(`
if #ARGV ~= 14 + 2 * (#KEYS - 2) then return redis.error_reply('ERR wrong number of arguments') end
for i = 6, 14, 2 do
  if not string.match(ARGV[i], '^%d+$') then return redis.error_reply('ERR a count is not a number') end
end
local watermark = redis.call('GET', KEYS[1]) or ''
if watermark ~= ARGV[1] then return { 'FENCED', watermark } end
for i = 3, #KEYS do redis.call('HSET', KEYS[i], ARGV[2 * i + 9], ARGV[2 * i + 10]) end
if ARGV[3] ~= '' then
  redis.call('HSETNX', KEYS[2], 'countedFrom', ARGV[3])
  redis.call('HSET', KEYS[2], 'countedThrough', ARGV[4])
  for i = 5, 13, 2 do redis.call('HINCRBY', KEYS[2], ARGV[i], ARGV[i + 1]) end
end
redis.call('SET', KEYS[1], ARGV[2])
return { 'OK', ARGV[2] }`)
