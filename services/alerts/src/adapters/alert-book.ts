import type { Redis } from 'ioredis'
import { createScript } from '@signalbox/redis-link/script'
import { z } from 'zod'
import { alertLifeMs, alertOfObligation, obligationOf, type OwedAlert, owedAlert } from '../owed-alert.ts'
import { type Progress, progress } from '../delivery/progress.ts'

/**
 * What is owed, how far it has come and what is settled, outside BullMQ, so that its jobs can be made anew at any time.
 * All keys of a partition of the changes share a hash tag, and a script touches one partition only. What is left of an
 * alert that is settled is its marker: that is a view of the receipts, as far as `receiptsWatermark` says.
 */
export type AlertBook = ReturnType<typeof createAlertBook>

type Body = { subject: string; version: number; variant: string; body: string }

/** Bodies of some changes, and the alerts that are made of them. */
export type Obligations = {
  partition: number
  /** The watermark that must still stand, null for none, and the one that stands then. */
  watermark: string | null
  owing: string
  /** The markers must reflect the receipts before this offset; none given: that is not looked at. */
  receiptsTo?: bigint
  nowMs: number
  /** No alert of these can have been settled before; none given: it may have been at any time. */
  changedSinceMs?: number
  bodies: readonly Body[]
  /** `isLatest`: older versions of the subject are superseded for this endpoint; see `begin`. */
  alerts: readonly (Omit<OwedAlert, 'id' | 'partition' | 'owedSinceMs'> & { isLatest?: boolean })[]
}

const hourSeconds = 60 * 60
const dayMs = 24 * hourSeconds * 1000
const bodySeconds = alertLifeMs / 1000 + hourSeconds
/** Longer than a fan-out that has lost its watermark goes back. */
const progressSeconds = 72 * hourSeconds
/** So long ago an alert may have been settled that is owed again; see above. */
const lookedBackMs = progressSeconds * 1000
/** By how much the clocks of two processes, or that of Kafka, may differ. */
const clockErrorMs = 2 * hourSeconds * 1000
/** A day's markers expire together, so the first of them has to live for a day longer than the last. */
const markerSeconds = (24 + 96) * hourSeconds

/**
 * All commands reject when Redis is away; what they were to do may have been done.
 *
 * @param fanOut whose watermark it keeps: there is one of the changes and one of the endpoints
 */
export function createAlertBook({
  redis,
  keyPrefix,
  fanOut = 'changes',
  now = Date.now,
}: {
  redis: Redis
  keyPrefix: string
  fanOut?: 'changes' | 'endpoints'
  /** Epoch milliseconds. */
  now?: () => number
}) {
  const ofPartition = (partition: number) => `${keyPrefix}{c${partition}}`
  const keys = {
    watermark: (partition: number) =>
      `${ofPartition(partition)}:${fanOut === 'changes' ? 'fan-out' : 'endpoints-fan-out'}`,
    receipts: (partition: number) => `${ofPartition(partition)}:receipts`,
    owed: (partition: number) => `${ofPartition(partition)}:owed`,
    body: (partition: number, of: Omit<Body, 'body'>) =>
      `${ofPartition(partition)}:body:${of.version}:${of.variant}:${of.subject}`,
    progress: ({ partition, id }: OwedAlert) => `${ofPartition(partition)}:progress:${id}`,
    latest: (partition: number, of: Pick<OwedAlert, 'endpointId' | 'subject'>) =>
      `${ofPartition(partition)}:latest:${of.endpointId}:${of.subject}`,
    markers: (partition: number, of: { day: number; bucket: string }) =>
      `${ofPartition(partition)}:settled:${of.day}:${of.bucket}`,
    outstanding: (endpointId: string) => `${keyPrefix}{e-${endpointId}}:outstanding`,
  }
  const bucketToday = (partition: number, id: string, nowMs: number) =>
    keys.markers(partition, { day: dayOf(nowMs), bucket: bucketOf(id) })

  /** Where the markers of some alerts may stand: all their keys, and for each alert where its own begin. */
  function placesOf(partition: number, ids: readonly string[], { first, ...looked }: Looked) {
    const buckets = ids.map(bucketOf)
    const days = lookedDays(looked)
    const places = new Map<string, number>()
    for (const bucket of buckets) {
      if (!places.has(bucket)) places.set(bucket, first + places.size * days.length)
    }
    return {
      days: days.length,
      keys: [...places.keys()].flatMap((bucket) =>
        days.map((day) => keys.markers(partition, { day, bucket })),
      ),
      places: buckets.map((bucket) => places.get(bucket) ?? first),
    }
  }

  async function end(
    alert: OwedAlert,
    { marker, isCountedDown }: { marker: { key: string; seconds: number } | null; isCountedDown: boolean },
  ): Promise<void> {
    const { partition } = alert
    await Promise.all([
      endScript(redis, {
        keys: [
          keys.owed(partition),
          keys.progress(alert),
          keys.body(partition, alert),
          ...(marker === null ? [] : [marker.key]),
        ],
        args: [obligationOf(alert), fieldOf(alert.id), marker?.seconds ?? 0],
      }),
      // A run that ends the same alert again counts it twice, which the next sweep puts right.
      isCountedDown ? null : lowerScript(redis, { keys: [keys.outstanding(alert.endpointId)], args: [] }),
    ])
  }

  return {
    watermark: (partition: number) => redis.get(keys.watermark(partition)),

    /**
     * Writes down bodies, obligations and the watermark, all or none of them, so that Redis can lose its end only as a
     * whole; null when another watermark stands, or the markers are behind. Gives what is owed now: without the alerts
     * that are settled, and with those that were owed before, which keep their time.
     */
    async owe(owed: Obligations): Promise<OwedAlert[] | null> {
      const { partition, watermark, owing, receiptsTo = 0n, nowMs, changedSinceMs = 0, bodies, alerts } = owed
      const fresh = alerts.map(({ subject, version, endpointId, variant }) =>
        owedAlert({ subject, version, endpointId, variant, partition, owedSinceMs: nowMs }),
      )
      const bodyPlaces = new Map(bodies.map((body, index) => [bodyName(body), 4 + index]))
      const latest = alerts.filter(({ isLatest }) => isLatest === true)
      const latestPlaces = new Map(latest.map((alert, index) => [alert, 4 + bodies.length + index]))
      const markers = placesOf(
        partition,
        fresh.map(({ id }) => id),
        { sinceMs: changedSinceMs, nowMs, first: 4 + bodies.length + latest.length },
      )
      const answer = await oweScript(redis, {
        keys: [
          keys.watermark(partition),
          keys.receipts(partition),
          keys.owed(partition),
          ...bodies.map((body) => keys.body(partition, body)),
          ...latest.map((alert) => keys.latest(partition, alert)),
          ...markers.keys,
        ],
        args: [
          watermark ?? '',
          owing,
          String(receiptsTo),
          nowMs,
          bodySeconds,
          markers.days,
          bodies.length,
          ...bodies.map(({ body }) => body),
          ...alerts.flatMap((alert, index) => [
            obligationOf(alert),
            fieldOf(fresh[index]?.id ?? ''),
            bodyPlaces.get(bodyName(alert)) ?? 0,
            markers.places[index] ?? 0,
            latestPlaces.get(alert) ?? 0,
            alert.version,
          ]),
        ],
      })
      const since = owedSince.parse(answer)
      if (since === null) return null
      return fresh.flatMap((alert, index) => {
        const known = since[index] ?? null
        if (known === null) return []
        return [typeof known === 'number' ? alert : { ...alert, owedSinceMs: Number(known) }]
      })
    },

    /** Moves the watermark on; false when another one stands. */
    async advance(move: { partition: number; from: string | null; to: string }): Promise<boolean> {
      const moved = await advanceScript(redis, {
        keys: [keys.watermark(move.partition)],
        args: [move.from ?? '', move.to],
      })
      return moved === 1
    },

    /**
     * What a delivery has to know before it sends. `isSuperseded`: a later version is or was owed to an endpoint that
     * skips older ones.
     */
    async begin(alert: OwedAlert): Promise<{
      isSettled: boolean
      isSuperseded: boolean
      progress: Progress | null
      body: string | null
    }> {
      const { partition, id } = alert
      // Those that stood when it was owed were looked at then.
      const markers = placesOf(partition, [id], { sinceMs: alert.owedSinceMs, nowMs: now(), first: 4 })
      const answer = await beginScript(redis, {
        keys: [
          keys.progress(alert),
          keys.body(partition, alert),
          keys.latest(partition, alert),
          ...markers.keys,
        ],
        args: [fieldOf(id)],
      })
      const [settled, known, body, latest] = begun.parse(answer)
      return {
        isSettled: settled === 1,
        isSuperseded: Number(latest ?? 0) > alert.version,
        progress: known === null ? null : progress.parse(JSON.parse(known)),
        body,
      }
    },

    async keep(alert: OwedAlert, made: Progress): Promise<void> {
      await redis.set(keys.progress(alert), JSON.stringify(made), 'EX', progressSeconds)
    },

    /**
     * Marks an alert as settled, and ends its obligation. Its receipt must be in the log. `isCountedDown`: it is none of
     * its endpoint's outstanding ones any more.
     */
    settle(alert: OwedAlert, nowMs: number, { isCountedDown = false } = {}): Promise<void> {
      const key = bucketToday(alert.partition, alert.id, nowMs)
      return end(alert, { marker: { key, seconds: markerSeconds }, isCountedDown })
    },

    /** Ends the obligation of an alert that has its marker or its receipt. */
    clear: (alert: OwedAlert): Promise<void> => end(alert, { marker: null, isCountedDown: false }),

    /** The alerts of these ids that are settled. */
    async settledAmong(partition: number, ids: readonly string[]): Promise<Set<string>> {
      const { keys: buckets, places, days } = placesOf(partition, ids, { sinceMs: 0, nowMs: now(), first: 1 })
      const args = [days, ...ids.flatMap((id, index) => [fieldOf(id), places[index] ?? 1])]
      const found = z.array(z.number()).parse(await settledScript(redis, { keys: buckets, args }))
      return new Set(ids.filter((_, index) => found[index] === 1))
    },

    /**
     * Marks what some receipts say, and moves the receipts' watermark on; false when another one stands. Obligations
     * are left to the sweep.
     */
    async markSettled(of: {
      partition: number
      watermark: string | null
      next: string
      ids: readonly string[]
      nowMs: number
    }): Promise<boolean> {
      const { partition, watermark, next, ids, nowMs } = of
      const buckets = [...Map.groupBy(ids, bucketOf)]
      const day = dayOf(nowMs)
      const marked = await markScript(redis, {
        keys: [
          keys.receipts(partition),
          ...buckets.map(([bucket]) => keys.markers(partition, { day, bucket })),
        ],
        args: [
          watermark ?? '',
          next,
          markerSeconds,
          ...buckets.flatMap(([, its]) => [its.length, ...its.map(fieldOf)]),
        ],
      })
      return marked === 1
    },

    receiptsWatermark: (partition: number) => redis.get(keys.receipts(partition)),

    owedCount: (partition: number) => redis.zcard(keys.owed(partition)),

    /** A slice of what a partition owes, oldest first. */
    async owed({ partition, from, limit }: { partition: number; from: number; limit: number }) {
      const flat = await redis.zrange(keys.owed(partition), from, String(from + limit - 1), 'WITHSCORES')
      return Array.from({ length: flat.length / 2 }, (_, index) =>
        alertOfObligation(flat[2 * index] ?? '', { partition, owedSinceMs: Number(flat[2 * index + 1]) }),
      )
    },

    /**
     * Counts new alerts of endpoints among the outstanding ones, and gives how many each has then. `settle` and `clear`
     * count them down. The count only ranks, so it may be wrong for a while.
     */
    async raiseOutstanding(added: ReadonlyMap<string, number>): Promise<Map<string, number>> {
      const entries = [...added]
      const counts = await Promise.all(
        entries.map(([endpointId, count]) =>
          raiseScript(redis, { keys: [keys.outstanding(endpointId)], args: [count, bodySeconds] }),
        ),
      )
      return new Map(entries.map(([endpointId], index) => [endpointId, z.number().parse(counts[index])]))
    },

    /** Puts the count of an endpoint right, as a sweep has counted it. */
    async setOutstanding(endpointId: string, count: number): Promise<void> {
      if (count === 0) await redis.del(keys.outstanding(endpointId))
      else await redis.set(keys.outstanding(endpointId), count, 'EX', bodySeconds)
    },
  }
}

type Looked = {
  /** They were settled then at the earliest. */
  sinceMs: number
  nowMs: number
  /** Which of the script's KEYS is the first of them. */
  first: number
}

const dayOf = (nowMs: number) => Math.floor(nowMs / dayMs)

/** The days in which alerts may have been settled, the likeliest first. */
function lookedDays({ sinceMs, nowMs }: Omit<Looked, 'first'>): number[] {
  const last = dayOf(Math.max(sinceMs, nowMs) + clockErrorMs)
  const first = dayOf(Math.max(sinceMs, nowMs - lookedBackMs) - clockErrorMs)
  return Array.from({ length: last - first + 1 }, (_, index) => last - index)
}

/** An id is `a-` and a hash. */
const fieldOf = (id: string) => id.slice(2)

/** One of 256: the first byte of the hash that an id is made of. */
function bucketOf(id: string): string {
  return Buffer.from(id.slice(2, 6), 'base64url').toString('hex').slice(0, 2)
}

const bodyName = ({ subject, version, variant }: Omit<Body, 'body'>) => `${version}:${variant}:${subject}`

/** As a script gives it: null when an alert is settled, 1 when it is owed from now on, else since when. */
const owedSince = z.array(z.union([z.string(), z.literal(1), z.null()])).nullable()

const begun = z.tuple([z.number(), z.string().nullable(), z.string().nullable(), z.string().nullable()])

/**
 * KEYS: watermark, receipts' watermark, owed, then those of the bodies, of the latest versions and of the markers.
 * ARGV: watermark expected ('' for none) and the next, how far the receipts' must be, now, life of a body in seconds, how
 * many days of markers, how many bodies, the bodies; then for each alert obligation, field of its marker, the places in
 * KEYS of its body, of the first day of its markers and of the latest version (0 for none), and its version.
 * Gives what became of each, see owedSince, or false.
 */
const oweScript = createScript(`
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return false end
local receipts = tonumber(string.match(redis.call('GET', KEYS[2]) or '', '(%d+)$') or '0')
if receipts < tonumber(ARGV[3]) then return false end
local days, bodies = tonumber(ARGV[6]), tonumber(ARGV[7])
local since = {}
for i = 8 + bodies, #ARGV, 6 do
  local isSettled = false
  local first = tonumber(ARGV[i + 3])
  for place = first, first + days - 1 do
    if redis.call('HEXISTS', KEYS[place], ARGV[i + 1]) == 1 then isSettled = true break end
  end
  if isSettled then since[#since + 1] = false
  else
    local place = tonumber(ARGV[i + 2])
    if redis.call('ZADD', KEYS[3], 'NX', ARGV[4], ARGV[i]) == 1 then
      if redis.call('HINCRBY', KEYS[place], 'n', 1) == 1 then
        redis.call('HSET', KEYS[place], 'body', ARGV[4 + place])
      end
      redis.call('EXPIRE', KEYS[place], ARGV[5])
      since[#since + 1] = 1
    else
      redis.call('HSETNX', KEYS[place], 'body', ARGV[4 + place])
      since[#since + 1] = redis.call('ZSCORE', KEYS[3], ARGV[i])
    end
  end
  local latest = KEYS[tonumber(ARGV[i + 4])]
  if latest and tonumber(ARGV[i + 5]) > tonumber(redis.call('GET', latest) or '0') then
    redis.call('SET', latest, ARGV[i + 5], 'EX', ARGV[5])
  end
end
redis.call('SET', KEYS[1], ARGV[2])
return since`)

/** KEYS: watermark. ARGV: the one expected ('' for none) and the next. */
const advanceScript = createScript(`
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1`)

/** KEYS: progress, body, latest version, the markers of each day. ARGV: field of the marker. */
const beginScript = createScript(`
local settled = 0
for i = 4, #KEYS do
  if redis.call('HEXISTS', KEYS[i], ARGV[1]) == 1 then settled = 1 break end
end
return { settled, redis.call('GET', KEYS[1]), redis.call('HGET', KEYS[2], 'body'), redis.call('GET', KEYS[3]) }`)

/**
 * KEYS: owed, progress, body and, when there is to be one, the marker's. ARGV: obligation, the marker's field and its
 * life in seconds. A body goes with the last obligation that needs it. What makes room comes first: a Redis that is full
 * refuses the first command that takes some, but none after one that was done.
 */
const endScript = createScript(`
redis.call('DEL', KEYS[2])
if redis.call('ZREM', KEYS[1], ARGV[1]) == 1 and redis.call('EXISTS', KEYS[3]) == 1 then
  if tonumber(redis.call('HGET', KEYS[3], 'n') or '0') <= 1 then redis.call('DEL', KEYS[3])
  else redis.call('HINCRBY', KEYS[3], 'n', -1) end
end
if KEYS[4] and redis.call('HSET', KEYS[4], ARGV[2], '') == 1 and redis.call('HLEN', KEYS[4]) == 1 then
  redis.call('EXPIRE', KEYS[4], ARGV[3])
end
return 1`)

/** KEYS: markers. ARGV: how many days, then for each alert its field and the place in KEYS of the first day. */
const settledScript = createScript(`
local found, days = {}, tonumber(ARGV[1])
for i = 2, #ARGV, 2 do
  local first, settled = tonumber(ARGV[i + 1]), 0
  for place = first, first + days - 1 do
    if redis.call('HEXISTS', KEYS[place], ARGV[i]) == 1 then settled = 1 break end
  end
  found[#found + 1] = settled
end
return found`)

/**
 * KEYS: the receipts' watermark, then those of the markers. ARGV: watermark expected ('' for none) and the next, life of
 * the markers of a day in seconds, then for each of their keys how many fields there are, and the fields.
 */
const markScript = createScript(`
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
local at = 4
for i = 2, #KEYS do
  local count = tonumber(ARGV[at])
  local fields = {}
  for j = 1, count do fields[2 * j - 1] = ARGV[at + j] fields[2 * j] = '' end
  local added = redis.call('HSET', KEYS[i], unpack(fields))
  if added > 0 and redis.call('HLEN', KEYS[i]) == added then redis.call('EXPIRE', KEYS[i], ARGV[3]) end
  at = at + count + 1
end
redis.call('SET', KEYS[1], ARGV[2])
return 1`)

/** KEYS: count. ARGV: how many more, its life in seconds. */
const raiseScript = createScript(`
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return count`)

/** KEYS: count. */
const lowerScript = createScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if redis.call('DECR', KEYS[1]) <= 0 then redis.call('DEL', KEYS[1]) end
return 1`)
