import assert from 'node:assert/strict'
import {
  addAttempt,
  type Attempt,
  attemptsKey,
  attemptText,
  keepAttempts,
} from '@signalbox/alert-endpoints/attempt-log'
import { createGather } from '@signalbox/runtime/gather'
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

/** Asked by one script. */
const mostAtOnce = 100

const entries = z.compile(
  z.array(
    z.union([
      z.tuple([z.literal('go')]),
      z.tuple([
        z.enum(['open', 'full', 'rate', 'probing']),
        z.coerce.number(),
        z.coerce.number(),
        z.coerce.number(),
      ]),
    ]),
  ),
)

export function createLanes({ redis, keyPrefix }: { redis: Redis; keyPrefix: string }) {
  const tagOf = (endpointId: string) => `${keyPrefix}{e-${endpointId}}`
  const keysOf = (endpointId: string) => [
    `${tagOf(endpointId)}:leases`,
    `${tagOf(endpointId)}:retries`,
    `${tagOf(endpointId)}:lane`,
  ]

  const enter = createGather<LaneRequest, LaneEntry>({
    // Those that differ in nothing but their alerts.
    keyOf: ({ endpointId, cap, leaseMs, ratePerSecond, isRetry, probeEveryMs }) =>
      [endpointId, cap, leaseMs, ratePerSecond, isRetry, probeEveryMs].join(' '),
    most: mostAtOnce,
    async call(requests) {
      const [of] = requests
      assert(of !== undefined, 'a script is called for somebody')
      const { endpointId, nowMs, leaseMs } = of
      const intervalMs = of.ratePerSecond === null ? 0 : 1_000 / of.ratePerSecond
      const answer = await enterScript(redis, {
        keys: [...keysOf(endpointId), `${tagOf(endpointId)}:slots`, `${tagOf(endpointId)}:outstanding`],
        args: [
          nowMs,
          of.cap,
          leaseMs,
          of.isRetry ? 1 : 0,
          of.probeEveryMs ?? 0,
          intervalMs,
          // Who was idle may catch up a second's worth at once.
          Math.max(0, 1_000 - intervalMs),
          ...requests.map(({ alertId }) => alertId),
        ],
      })
      return entries
        .parse(answer)
        .map(([why, waitMs = 0, serviceMs = 0, outstanding = 0]) =>
          why === 'go'
            ? { kind: 'go', leaseEndsMs: nowMs + leaseMs }
            : { kind: 'wait', why, waitMs, serviceMs, outstanding },
        )
    },
  })

  const leave = createGather<LaneExit, void>({
    keyOf: ({ endpointId }) => endpointId,
    most: mostAtOnce,
    async call(exits) {
      const [of] = exits
      assert(of !== undefined, 'a script is called for somebody')
      const { endpointId } = of
      await leaveScript(redis, {
        keys: [...keysOf(endpointId), attemptsKey(keyPrefix, endpointId), `${tagOf(endpointId)}:outstanding`],
        args: exits.flatMap(exitArgs),
      })
      return exits.map(() => undefined)
    },
  })

  return {
    /** Asks for a call; who may go has to leave. An alert whose call is under way already may not go again. */
    enter,
    /** Ends a call, writes it down, and takes what was its alert's last one off the backlog. */
    leave,
  }
}

/** Few arguments, because each has its cost. */
function exitArgs(of: LaneExit): string[] {
  const durationMs = Math.round(of.durationMs)
  const facts = [of.nowMs, of.leaseEndsMs, of.isLast ? 1 : 0, of.outcome, durationMs, of.openForMs ?? 0]
  return [of.alertId, facts.join(' '), of.attempt === null ? '' : attemptText(of.attempt)]
}

/**
 * KEYS: leases, leases of retries, lane, slots of the rate, outstanding. ARGV: now, cap, lease in milliseconds, whether
 * they are retries, pause between probes (0: none), interval of the rate (0: none), what may be caught up, then the
 * alerts. Gives an answer for each.
 * The lane: `f` failures in a row, `o` open until, `r` open until by the endpoint's own wish, `tat` when the next call
 * is due by the rate, `svc` what calls take, `slow` when one ended that took long, `probe` when the next probe is due.
 */
const enterScript = createScript(`
local now, most, leaseMs = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local isRetry, probeEvery = ARGV[4] == '1', tonumber(ARGV[5])
local interval, ahead = tonumber(ARGV[6]), tonumber(ARGV[7])
local lane = redis.call('HMGET', KEYS[3], 'f', 'o', 'r', 'tat', 'svc', 'probe')
-- At most too high, and counted anew before anybody is refused.
local leases, isEntered = redis.call('ZCARD', KEYS[1]), false

local function ask(alert)
  local function wait(why, ms)
    return { why, math.ceil(ms), lane[5] or '0', redis.call('GET', KEYS[5]) or '0' }
  end

  local open = math.max(tonumber(lane[2] or 0), tonumber(lane[3] or 0))
  if open > now then return wait('open', open - now) end
  local probe = tonumber(lane[6] or 0)
  if probeEvery > 0 and probe > now then return wait('probing', probe - now) end

  local lease = tonumber(redis.call('ZSCORE', KEYS[1], alert) or 0)
  if lease > now then return wait('full', lease - now) end
  local cap = (probeEvery > 0 or tonumber(lane[1] or 0) >= ${failuresToOpen}) and 1 or most
  if leases >= cap then
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
    leases = redis.call('ZCARD', KEYS[1])
    if leases >= cap then return wait('full', 0) end
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
      lane[4] = string.format('%.3f', due + interval)
      redis.call('HSET', KEYS[3], 'tat', lane[4])
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
  leases, isEntered = leases + 1, true
  if isRetry then
    redis.call('ZADD', KEYS[2], now + leaseMs, alert)
    redis.call('PEXPIRE', KEYS[2], ${laneMs})
  end
  if probeEvery > 0 then
    lane[6] = now + probeEvery
    redis.call('HSET', KEYS[3], 'probe', lane[6])
    redis.call('PEXPIRE', KEYS[3], ${laneMs})
  end
  return { 'go' }
end

local answers = {}
for i = 8, #ARGV do answers[i - 7] = ask(ARGV[i]) end
if isEntered then redis.call('PEXPIRE', KEYS[1], ${laneMs}) end
return answers`)

/**
 * KEYS: leases, leases of retries, lane, attempts, outstanding. ARGV, of each call: the alert; when it ended, when its lease
 * ends, whether it was the alert's last, outcome, duration, for how long the endpoint wants no call (0: it said nothing);
 * the attempt ('': none). What gives room comes first: a Redis that is full refuses the first command that takes some, but
 * none after one that was done.
 */
const leaveScript = createScript(`
local calls, alerts, leases, ended = {}, {}, {}, {}
for i = 1, #ARGV, 3 do
  local now, lease, isLast, outcome, duration, wish =
    string.match(ARGV[i + 1], '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+)$')
  calls[#calls + 1] = { tonumber(now), outcome, tonumber(duration), tonumber(wish), isLast, ARGV[i + 2] }
  alerts[#alerts + 1], leases[#leases + 1] = ARGV[i], tonumber(lease)
end
for place, lease in ipairs(redis.call('ZMSCORE', KEYS[1], unpack(alerts))) do
  if tonumber(lease or 0) == leases[place] then ended[#ended + 1] = alerts[place] end
end
if #ended > 0 then
  redis.call('ZREM', KEYS[1], unpack(ended))
  redis.call('ZREM', KEYS[2], unpack(ended))
end

local names, known, lane = { 'svc', 'f', 'o', 'r', 'probe', 'slow' }, {}, {}
for place, value in ipairs(redis.call('HMGET', KEYS[3], unpack(names))) do
  known[names[place]] = tonumber(value)
  lane[names[place]] = tonumber(value)
end

local function learn(now, outcome, duration, wish)
  local service = lane.svc or duration
  -- Calls that took much longer, all at the same time, may say more of a process that stood still than of the endpoint.
  if duration > math.max(${longer} * service, ${neverLongMs}) then
    if lane.slow and now - duration < lane.slow then duration = service
    else
      duration = math.min(duration, math.max(${mostTimesLonger} * service, ${neverLongMs}))
      lane.slow = now
    end
  end
  lane.svc = math.floor(0.8 * service + 0.2 * duration + 0.5)
  if outcome == 'fine' then
    lane.f, lane.o, lane.probe = nil, nil, nil
  elseif (lane.o or 0) <= now then
    -- Calls that were under way when it opened say no more than the one that opened it.
    lane.f = (lane.f or 0) + 1
    if lane.f >= ${failuresToOpen} then
      lane.o = now + math.min(${firstOpenMs} * 2 ^ math.min(lane.f - ${failuresToOpen}, 10), ${longestOpenMs})
    end
  end
  if wish > 0 then lane.r = now + wish end
end

local attempts, last = 0, 0
for _, call in ipairs(calls) do
  local now, outcome, duration, wish, isLast, attempt = unpack(call)
  if attempt ~= '' then
    ${addAttempt({ key: 'KEYS[4]', text: 'attempt' })}
    attempts = attempts + 1
  end
  if isLast == '1' then last = last + 1 end
  if outcome ~= 'neutral' then learn(now, outcome, duration, wish) end
end
if attempts > 0 then ${keepAttempts({ key: 'KEYS[4]' })} end
if last > 0 and redis.call('DECRBY', KEYS[5], last) <= 0 then redis.call('DEL', KEYS[5]) end

local changed = {}
for _, name in ipairs(names) do
  if lane[name] == nil and known[name] then redis.call('HDEL', KEYS[3], name) end
  if lane[name] ~= known[name] and lane[name] then
    changed[#changed + 1] = name
    changed[#changed + 1] = lane[name]
  end
end
if #changed > 0 then
  redis.call('HSET', KEYS[3], unpack(changed))
  redis.call('PEXPIRE', KEYS[3], ${laneMs})
end`)
