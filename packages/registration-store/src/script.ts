import { createScript } from '@signalbox/redis-link/script'

/**
 * KEYS: watermark, books, then the hash of each registration. ARGV: the most bytes to load, then the field of each.
 * Gives the watermark, the offset counted so far, and each registration; null for what is not there. Ends behind the
 * registration with which those bytes are reached.
 */
export const loadScript = createScript(`
local found = { redis.call('GET', KEYS[1]), redis.call('HGET', KEYS[2], 'countedThrough') }
local bytes, most = 0, tonumber(ARGV[1])
for i = 3, #KEYS do
  local text = redis.call('HGET', KEYS[i], ARGV[i - 1])
  found[i] = text
  if text then bytes = bytes + #text end
  if bytes >= most then break end
end
return found`)

/** Whatever a script is to write, it first compares the watermark; a script is not rolled back. */
const compareWatermark = `
local watermark = redis.call('GET', KEYS[1]) or ''
if watermark ~= ARGV[1] then return { 'FENCED', watermark } end`

/**
 * KEYS: watermark, books, the sorted sets of attention, then the hash of each registration to write, then of each to
 * remove. ARGV: the watermark expected ('' for none) and the next one; first and last offset to count ('' for none) and
 * five times an outcome and its count; how many sorted sets, how many registrations to write and to remove; then field
 * and value of each to write, the field of each to remove, and for each move of attention the place of its sorted set,
 * its member and the score ('' to remove it).
 * Gives OK, or FENCED and the watermark that stands. Everything is checked before the first write.
 */
export const saveScript = createScript(`
local lists, written, removed = tonumber(ARGV[15]), tonumber(ARGV[16]), tonumber(ARGV[17])
local moves = 17 + 2 * written + removed
if #KEYS ~= 2 + lists + written + removed or #ARGV < moves or (#ARGV - moves) % 3 ~= 0 then
  return redis.error_reply('ERR wrong number of arguments')
end
for i = 6, 14, 2 do
  if not string.match(ARGV[i], '^%d+$') then return redis.error_reply('ERR a count is not a number') end
end
for i = moves + 1, #ARGV, 3 do
  local list = tonumber(ARGV[i])
  local score = ARGV[i + 2]
  if not (list and list >= 1 and list <= lists and (score == '' or string.match(score, '^-?%d+$'))) then
    return redis.error_reply('ERR a move of attention is not one')
  end
end
${compareWatermark}
for i = 1, written do
  redis.call('HSET', KEYS[2 + lists + i], ARGV[16 + 2 * i], ARGV[17 + 2 * i])
end
for i = 1, removed do
  redis.call('HDEL', KEYS[2 + lists + written + i], ARGV[17 + 2 * written + i])
end
for i = moves + 1, #ARGV, 3 do
  local list = KEYS[2 + tonumber(ARGV[i])]
  if ARGV[i + 2] == '' then redis.call('ZREM', list, ARGV[i + 1]) else redis.call('ZADD', list, ARGV[i + 2], ARGV[i + 1]) end
end
if ARGV[3] ~= '' then
  redis.call('HSETNX', KEYS[2], 'countedFrom', ARGV[3])
  redis.call('HSET', KEYS[2], 'countedThrough', ARGV[4])
  for i = 5, 13, 2 do redis.call('HINCRBY', KEYS[2], ARGV[i], ARGV[i + 1]) end
end
if ARGV[2] ~= '' then redis.call('SET', KEYS[1], ARGV[2]) else redis.call('DEL', KEYS[1]) end
return { 'OK', ARGV[2] }`)

/**
 * KEYS: watermark, then what to drop. ARGV: the watermark expected ('' for none) and the next one ('' for none).
 * Gives OK, or FENCED and the watermark that stands.
 */
export const replaceScript = createScript(`${compareWatermark}
for i = 2, #KEYS do redis.call('UNLINK', KEYS[i]) end
if ARGV[2] ~= '' then redis.call('SET', KEYS[1], ARGV[2]) else redis.call('DEL', KEYS[1]) end
return { 'OK', ARGV[2] }`)
