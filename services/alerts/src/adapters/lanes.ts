import { addAttempt, type Attempt, attemptsKey, attemptText } from '@signalbox/alert-endpoints/attempt-log'
import { createScript } from '@signalbox/redis-link/script'
import type { Redis } from 'ioredis'
import { z } from 'zod'

/** Why a call has to wait: the endpoint is in trouble, has calls enough, asks for fewer, or is only probed. */
export type WaitReason = 'open' | 'full' | 'rate' | 'probing'

export type LaneEntry =
  /** Until then no other run of the alert may go. */
  | { kind: 'go'; leaseEndsMs: number }
  | {
      kind: 'wait'
      why: WaitReason
      /** How long at least; 0 when nobody can tell. */
      waitMs: number
      /** How long calls to the endpoint take of late, and how many alerts wait for it. */
      serviceMs: number
      outstanding: number
    }

/** What a call said about the endpoint: that it is fine, that it is in trouble, or nothing. */
export type CallOutcome = 'fine' | 'trouble' | 'neutral'

/** A call that is to be made, and what the endpoint's lane allows. */
export type LaneRequest = {
  endpointId: string
  alertId: string
  nowMs: number
  /** Calls to the endpoint that may be under way at a time, in all processes. */
  cap: number
  /** After which a call of a process that was killed counts no longer: longer than a call takes. */
  leaseMs: number
  ratePerSecond: number | null
  /** Retries take at most half of the cap, so that new alerts get through. */
  isRetry: boolean
  /** The endpoint is only probed, this often; null: it is in use. */
  probeEveryMs: number | null
}

/** The end of a call. */
export type LaneExit = {
  endpointId: string
  alertId: string
  nowMs: number
  outcome: CallOutcome
  durationMs: number
  /** The endpoint has asked for no call for so long. */
  openForMs: number | null
  /** For the attempt log; null when no call was made. */
  attempt: Omit<Attempt, 'class'> | null
  /** Nothing more is to be sent of the alert. */
  isLast: boolean
  /** Of the lease that the call had: a later one is another run's, and stays. */
  leaseEndsMs: number
}

/**
 * What bounds the calls to each endpoint, for all processes together: leases that expire, a rate, a half-open breaker.
 * All commands reject when Redis is away; what they were to do may be done.
 */
export type Lanes = ReturnType<typeof createLanes>

/** Failures in a row after which the breaker opens. */
const failuresToOpen = 5
const firstOpenMs = 3_000
const longestOpenMs = 60_000
/**
 * A call took long when it took more than four times what those before did. It counts as sixteen times longer at most, and
 * only when it began after the end of the last one that was counted so.
 */
const longer = 4
const mostTimesLonger = 16
/** No call that took less took long. */
const neverLongMs = 100
/** How far ahead calls get a slot of the rate, and how long a slot stays theirs. */
const slotsAheadMs = 60_000
const laneMs = 48 * 60 * 60 * 1_000

const entry = z.union([
  z.tuple([z.literal('go')]),
  z.tuple([
    z.enum(['open', 'full', 'rate', 'probing']),
    z.coerce.number(),
    z.coerce.number(),
    z.coerce.number(),
  ]),
])

export function createLanes({ redis, keyPrefix }: { redis: Redis; keyPrefix: string }) {
  const tagOf = (endpointId: string) => `${keyPrefix}{e-${endpointId}}`
  const keysOf = (endpointId: string) => [
    `${tagOf(endpointId)}:leases`,
    `${tagOf(endpointId)}:retries`,
    `${tagOf(endpointId)}:lane`,
  ]

  return {
    /** Asks for a call; who may go has to leave. An alert whose call is under way already may not go again. */
    async enter(of: LaneRequest): Promise<LaneEntry> {
      const { endpointId } = of
      const intervalMs = of.ratePerSecond === null ? 0 : 1_000 / of.ratePerSecond
      const answer = await enterScript(redis, {
        keys: [...keysOf(endpointId), `${tagOf(endpointId)}:slots`, `${tagOf(endpointId)}:outstanding`],
        args: [
          of.nowMs,
          of.alertId,
          of.cap,
          of.leaseMs,
          of.isRetry ? 1 : 0,
          of.probeEveryMs ?? 0,
          intervalMs,
          // Who was idle may catch up a second's worth at once.
          Math.max(0, 1_000 - intervalMs),
        ],
      })
      const [why, waitMs = 0, serviceMs = 0, outstanding = 0] = entry.parse(answer)
      return why === 'go'
        ? { kind: 'go', leaseEndsMs: of.nowMs + of.leaseMs }
        : { kind: 'wait', why, waitMs, serviceMs, outstanding }
    },

    /** Ends a call, writes it down, and takes what was its alert's last one off the backlog. */
    async leave(call: LaneExit): Promise<void> {
      const { endpointId, alertId, nowMs, outcome, attempt } = call
      await leaveScript(redis, {
        keys: [...keysOf(endpointId), attemptsKey(keyPrefix, endpointId), `${tagOf(endpointId)}:outstanding`],
        args: [
          nowMs,
          alertId,
          outcome,
          Math.round(call.durationMs),
          call.openForMs ?? 0,
          attempt === null ? '' : attemptText(attempt),
          call.isLast ? 1 : 0,
          call.leaseEndsMs,
        ],
      })
    },
  }
}

/**
 * KEYS: leases, leases of retries, lane, slots of the rate, outstanding. ARGV: now, alert, cap, lease in milliseconds,
 * whether it is a retry, pause between probes (0: none), interval of the rate (0: none), what may be caught up.
 * The lane: `f` failures in a row, `o` open until, `r` open until by the endpoint's own wish, `tat` when the next call
 * is due by the rate, `svc` what calls take, `slow` when one ended that took long, `probe` when the next probe is due.
 */
const enterScript = createScript(`
local now, alert, cap, leaseMs = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local isRetry, probeEvery = ARGV[5] == '1', tonumber(ARGV[6])
local interval, ahead = tonumber(ARGV[7]), tonumber(ARGV[8])
local lane = redis.call('HMGET', KEYS[3], 'f', 'o', 'r', 'tat', 'svc', 'probe')
local function wait(why, ms)
  return { why, math.ceil(ms), lane[5] or '0', redis.call('GET', KEYS[5]) or '0' }
end

local open = math.max(tonumber(lane[2] or 0), tonumber(lane[3] or 0))
if open > now then return wait('open', open - now) end
local probe = tonumber(lane[6] or 0)
if probeEvery > 0 and probe > now then return wait('probing', probe - now) end

local lease = tonumber(redis.call('ZSCORE', KEYS[1], alert) or 0)
if lease > now then return wait('full', lease - now) end
if probeEvery > 0 or tonumber(lane[1] or 0) >= ${failuresToOpen} then cap = 1 end
if redis.call('ZCARD', KEYS[1]) >= cap then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
  if redis.call('ZCARD', KEYS[1]) >= cap then return wait('full', 0) end
end
if isRetry then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
  if redis.call('ZCARD', KEYS[2]) >= math.max(1, math.floor(cap / 2)) then return wait('full', 0) end
end

if interval > 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now - ${slotsAheadMs})
  local slot = tonumber(redis.call('ZSCORE', KEYS[4], alert) or -1)
  if slot > now then return wait('rate', slot - now) end
  if slot < 0 then
    local due = math.max(tonumber(lane[4] or 0), now)
    local wished = due - ahead
    if wished - now > ${slotsAheadMs} then return wait('full', ${slotsAheadMs}) end
    redis.call('HSET', KEYS[3], 'tat', string.format('%.3f', due + interval))
    redis.call('PEXPIRE', KEYS[3], ${laneMs})
    if wished > now then
      redis.call('ZADD', KEYS[4], wished, alert)
      redis.call('PEXPIRE', KEYS[4], ${3 * slotsAheadMs})
      return wait('rate', wished - now)
    end
  else
    redis.call('ZREM', KEYS[4], alert)
  end
end

redis.call('ZADD', KEYS[1], now + leaseMs, alert)
redis.call('PEXPIRE', KEYS[1], ${laneMs})
if isRetry then
  redis.call('ZADD', KEYS[2], now + leaseMs, alert)
  redis.call('PEXPIRE', KEYS[2], ${laneMs})
end
if probeEvery > 0 then
  redis.call('HSET', KEYS[3], 'probe', now + probeEvery)
  redis.call('PEXPIRE', KEYS[3], ${laneMs})
end
return { 'go' }`)

/**
 * KEYS: leases, leases of retries, lane, attempts, outstanding. ARGV: now, alert, outcome, duration, for how long the
 * endpoint wants no call (0: it said nothing), the attempt ('': none), whether it was the alert's last, and when the
 * call's lease ends.
 */
const leaveScript = createScript(`
if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[2]) or 0) == tonumber(ARGV[8]) then
  redis.call('ZREM', KEYS[1], ARGV[2])
  redis.call('ZREM', KEYS[2], ARGV[2])
end
if ARGV[6] ~= '' then ${addAttempt({ key: 'KEYS[4]', text: 'ARGV[6]' })} end
if ARGV[7] == '1' and redis.call('DECR', KEYS[5]) <= 0 then redis.call('DEL', KEYS[5]) end
if ARGV[3] == 'neutral' then return end
local now, duration, wish = tonumber(ARGV[1]), tonumber(ARGV[4]), tonumber(ARGV[5])
local lane = redis.call('HMGET', KEYS[3], 'svc', 'f', 'o', 'probe', 'slow')
local known = tonumber(lane[1] or duration)
local changed = {}
-- Calls that took much longer, all at the same time, may say more of a process that stood still than of the endpoint.
if duration > math.max(${longer} * known, ${neverLongMs}) then
  if lane[5] and now - duration < tonumber(lane[5]) then duration = known
  else
    duration = math.min(duration, math.max(${mostTimesLonger} * known, ${neverLongMs}))
    changed = { 'slow', now }
  end
end
local service = math.floor(0.8 * known + 0.2 * duration + 0.5)
if not lane[1] or service ~= known then changed[#changed + 1] = 'svc' changed[#changed + 1] = service end
if ARGV[3] == 'fine' then
  if lane[2] or lane[3] or lane[4] then redis.call('HDEL', KEYS[3], 'f', 'o', 'probe') end
else
  -- Calls that were under way when it opened say no more than the one that opened it.
  local isOpen = tonumber(lane[3] or '0') > now
  local failures = isOpen and 0 or tonumber(lane[2] or '0') + 1
  if not isOpen then changed[#changed + 1] = 'f' changed[#changed + 1] = failures end
  if failures >= ${failuresToOpen} then
    local open = math.min(${firstOpenMs} * 2 ^ math.min(failures - ${failuresToOpen}, 10), ${longestOpenMs})
    changed[#changed + 1] = 'o' changed[#changed + 1] = now + open
  end
end
if wish > 0 then changed[#changed + 1] = 'r' changed[#changed + 1] = now + wish end
if #changed > 0 then
  redis.call('HSET', KEYS[3], unpack(changed))
  redis.call('PEXPIRE', KEYS[3], ${laneMs})
end`)
