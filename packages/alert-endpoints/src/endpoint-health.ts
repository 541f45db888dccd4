import { createScript } from '@signalbox/redis-link/script'
import type { Redis } from 'ioredis'
import { z } from 'zod'

/** How an endpoint has fared. All times are epoch milliseconds. */
export type Health = {
  /** When the first attempt failed after the last one that succeeded; null: none has. */
  failingSinceMs: number | null
  /** Attempts that failed since then. */
  failures: number
  lastSuccessMs: number | null
  /** How much of the failure budget operators were warned of; 100: it was all used up. */
  warnedPercent: number
}

export type HealthAct = { kind: 'warn'; percent: 50 | 75 | 90 } | { kind: 'disable' } | { kind: 'recover' }

export const fineHealth: Health = {
  failingSinceMs: null,
  failures: 0,
  lastSuccessMs: null,
  warnedPercent: 0,
}

/** Fewer may all belong to one alert of one bad minute. */
const leastFailures = 10
const warnings = [90, 75, 50] as const

/**
 * What an attempt's end does to an endpoint's health, and what is to be done about it: a warning for each threshold of
 * the budget, once; the end when it is used up; the recovery of one that was disabled for failing.
 */
export function healthAfter(
  health: Health,
  attempt: {
    isSuccess: boolean
    nowMs: number
    /** How long an endpoint may fail without one success. */
    budgetMs: number
    /** The endpoint is disabled because it failed; this attempt was a probe. */
    isDisabled: boolean
    /** When it began, or began again, to be used: what had failed before does not count. */
    usedSinceMs: number
  },
): { health: Health; act: HealthAct | null } {
  const { nowMs, isDisabled } = attempt
  if (attempt.isSuccess) {
    return { health: { ...fineHealth, lastSuccessMs: nowMs }, act: isDisabled ? { kind: 'recover' } : null }
  }
  const isOld = health.failingSinceMs !== null && health.failingSinceMs < attempt.usedSinceMs
  const known = isOld ? { ...fineHealth, lastSuccessMs: health.lastSuccessMs } : health
  const failingSinceMs = known.failingSinceMs ?? nowMs
  const next = { ...known, failingSinceMs, failures: known.failures + 1 }
  if (isDisabled || next.failures < leastFailures) return { health: next, act: null }
  const percent = (100 * (nowMs - failingSinceMs)) / attempt.budgetMs
  // Asked for with each failure until the endpoint is disabled.
  if (percent >= 100) return { health: { ...next, warnedPercent: 100 }, act: { kind: 'disable' } }
  const reached = warnings.find((threshold) => percent >= threshold)
  if (reached === undefined || reached <= next.warnedPercent) return { health: next, act: null }
  return { health: { ...next, warnedPercent: reached }, act: { kind: 'warn', percent: reached } }
}

export type HealthStore = {
  /** How an endpoint fares; one that nothing is known of is fine. Rejects when Redis is away. */
  read(endpointId: string): Promise<Health>
  /** Writes what comes after a health; false when another one stands by now. */
  replace(endpointId: string, change: { from: Health; to: Health }): Promise<boolean>
}

/** Outlives the alerts of an endpoint that is probed, and any failure budget. */
const healthSeconds = 60 * 24 * 60 * 60
const fields = ['failingSinceMs', 'failures', 'lastSuccessMs', 'warnedPercent'] as const
const stored = z.tuple([
  z.coerce.number().nullable(),
  z.coerce.number(),
  z.coerce.number().nullable(),
  z.coerce.number(),
])

/** The health of endpoints in the queue Redis. */
export function createHealthStore({ redis, keyPrefix }: { redis: Redis; keyPrefix: string }): HealthStore {
  const keyOf = (endpointId: string) => `${keyPrefix}{e-${endpointId}}:health`
  return {
    async read(endpointId) {
      const texts = await redis.hmget(keyOf(endpointId), ...fields)
      const found = stored.parse(texts.map((text, index) => text ?? (isCount(index) ? 0 : null)))
      const [failingSinceMs, failures, lastSuccessMs, warnedPercent] = found
      return { failingSinceMs, failures, lastSuccessMs, warnedPercent }
    },
    async replace(endpointId, { from, to }) {
      const args = [healthSeconds, ...fields.flatMap((name) => [name, textOf(from[name]), textOf(to[name])])]
      return (await replaceScript(redis, { keys: [keyOf(endpointId)], args })) === 1
    },
  }
}

const isCount = (index: number) => index === 1 || index === 3

/** What stands for nothing is not stored. */
const textOf = (value: number | null) => (value === null || value === 0 ? '' : String(value))

/** KEYS: the health. ARGV: its life in seconds, then of each field its name, the value expected and the next. */
const replaceScript = createScript(`
for i = 2, #ARGV, 3 do
  if (redis.call('HGET', KEYS[1], ARGV[i]) or '') ~= ARGV[i + 1] then return 0 end
end
for i = 2, #ARGV, 3 do
  if ARGV[i + 2] == '' then redis.call('HDEL', KEYS[1], ARGV[i])
  else redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2]) end
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 1`)
