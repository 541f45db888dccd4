import type { Redis } from 'ioredis'
import { createGather } from '@signalbox/runtime/gather'
import { createScript } from '@signalbox/redis-link/script'
import { z } from 'zod'
import {
  alertLifeMs,
  alertOfObligation,
  obligationOf,
  type OwedAlert,
  type OwedInBatch,
  owedAlert,
} from '../owed-alert.ts'
import { type Progress, progress } from '../delivery/progress.ts'
import type { Settlement } from '../delivery/settlements.ts'

/**
 * What is owed, how far it has come and what is settled, outside BullMQ, so that its jobs can be made anew at any time.
 * All keys of a partition of the changes share a hash tag, and a script touches one partition only. What is left of an
 * alert that is settled is its marker: that is a view of the receipts, as far as `receiptsWatermark` says.
 */
export type AlertBook = ReturnType<typeof createAlertBook>

type Body = { subject: string; version: number; variant: string; body: string }

type ObligedAlert = Omit<OwedAlert, 'id' | 'partition' | 'owedSinceMs'> & {
  /** Older versions of the subject are superseded for this endpoint; see `begin`. */
  isLatest?: boolean
  /** The job that it is to have together with others. */
  batchId?: string | null
}

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
  alerts: readonly ObligedAlert[]
}

/** Looked at by one script, which must not hold up others for long. */
const mostBegun = 50

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

  /** Read one by one, because what cannot be read concerns one alert. */
  const begin = createGather<Beginning, z.infer<typeof begun>[number]>({
    keyOf: ({ alert, skipsSuperseded }) => `${alert.partition} ${skipsSuperseded}`,
    most: mostBegun,
    async call(beginnings) {
      const skipsSuperseded = beginnings.some((of) => of.skipsSuperseded)
      const alerts = beginnings.map(({ alert }) => alert)
      // Those that stood when an alert was owed were looked at then.
      const sinceMs = Math.min(...alerts.map(({ owedSinceMs }) => owedSinceMs))
      const days = lookedDays({ sinceMs, nowMs: now() })
      const answer = await beginScript(redis, {
        keys: alerts.flatMap((alert) => {
          const { partition, id } = alert
          const bucket = bucketOf(id)
          return [
            keys.progress(alert),
            keys.body(partition, alert),
            ...days.map((day) => keys.markers(partition, { day, bucket })),
            ...(skipsSuperseded ? [keys.latest(partition, alert)] : []),
          ]
        }),
        args: [days.length, skipsSuperseded ? 1 : 0, ...alerts.map(({ id }) => fieldOf(id))],
      })
      return begun.parse(answer)
    },
  })

  async function raise([endpointId, count]: [string, number]): Promise<[string, number]> {
    const key = keys.outstanding(endpointId)
    const [outstanding] = await Promise.all([redis.incrby(key, count), redis.expire(key, bodySeconds)])
    return [endpointId, outstanding]
  }

  /** Ends obligations; `markedAtMs`: with a marker each. */
  async function end(
    partition: number,
    settlements: readonly Settlement[],
    { markedAtMs }: { markedAtMs: number | null },
  ): Promise<void> {
    const uncounted = settlements.filter(({ isCountedDown }) => !isCountedDown)
    await Promise.all([
      endScript(redis, {
        keys: [
          keys.owed(partition),
          ...settlements.flatMap(({ alert }) => [
            keys.progress(alert),
            keys.body(partition, alert),
            ...(markedAtMs === null ? [] : [bucketToday(partition, alert.id, markedAtMs)]),
          ]),
        ],
        args: [
          markedAtMs === null ? 0 : markerSeconds,
          ...settlements.flatMap(({ alert }) => [obligationOf(alert), fieldOf(alert.id)]),
        ],
      }),
      // It only ranks: one that ends twice, or is not counted at all, is put right by the next sweep.
      ...uncounted.map(({ alert }) =>
        lowerScript(redis, { keys: [keys.outstanding(alert.endpointId)], args: [] }).catch(() => undefined),
      ),
    ])
  }

  return {
    watermark: (partition: number) => redis.get(keys.watermark(partition)),

    /**
     * Writes down bodies, obligations and the watermark, all or none of them, so that Redis can lose its end only as a
     * whole; null when another watermark stands, or the markers are behind. Gives what is owed now: without the alerts
     * that are settled, and with those that were owed before, which keep their time and their batch.
     */
    async owe(owed: Obligations): Promise<OwedInBatch[] | null> {
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
            [
              bodyPlaces.get(bodyName(alert)) ?? 0,
              markers.places[index] ?? 0,
              latestPlaces.get(alert) ?? 0,
              alert.version,
            ].join(' '),
            alert.batchId ?? '',
          ]),
        ],
      })
      const since = owedSince.parse(answer)
      if (since === null) return null
      return fresh.flatMap((alert, index) => {
        const known = since[index] ?? null
        if (known === null) return []
        if (known === 1) return [{ alert, batchId: alerts[index]?.batchId ?? null }]
        const [sinceMs, batchId] = known
        return [{ alert: { ...alert, owedSinceMs: Number(sinceMs) }, batchId }]
      })
    },

    /** The batches of owed alerts of a partition, in their order. */
    batchesOf: (partition: number, alerts: readonly OwedAlert[]): Promise<(string | null)[]> =>
      Promise.all(
        alerts.map((alert) => redis.hget(keys.body(partition, alert), `${batchField}${alert.endpointId}`)),
      ),

    /** Moves the watermark on; false when another one stands. */
    async advance(move: { partition: number; from: string | null; to: string }): Promise<boolean> {
      const moved = await advanceScript(redis, {
        keys: [keys.watermark(move.partition)],
        args: [move.from ?? '', move.to],
      })
      return moved === 1
    },

    /**
     * What a delivery has to know before it sends. `isSuperseded`: a later version is or was owed to the endpoint, when
     * that `skipsSuperseded`.
     */
    async begin(alert: OwedAlert, { skipsSuperseded }: { skipsSuperseded: boolean }): Promise<Begun> {
      const [settled, known, body, latest] = await begin({ alert, skipsSuperseded })
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

    /** Marks alerts of a partition as settled, and ends their obligations. Their receipts must be in the log. */
    settle: (partition: number, settlements: readonly Settlement[], nowMs: number): Promise<void> =>
      end(partition, settlements, { markedAtMs: nowMs }),

    /** Ends the obligation of an alert that has its marker or its receipt. */
    clear: (alert: OwedAlert): Promise<void> =>
      end(alert.partition, [{ alert, isCountedDown: false }], { markedAtMs: null }),

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
      return new Map(await Promise.all([...added].map(raise)))
    },

    /** Puts the count of an endpoint right, as a sweep has counted it. */
    async setOutstanding(endpointId: string, count: number): Promise<void> {
      if (count === 0) await redis.del(keys.outstanding(endpointId))
      else await redis.set(keys.outstanding(endpointId), count, 'EX', bodySeconds)
    },
  }
}

type Beginning = { alert: OwedAlert; skipsSuperseded: boolean }

/** What is known of an alert before it is sent. */
export type Begun = {
  isSettled: boolean
  isSuperseded: boolean
  progress: Progress | null
  body: string | null
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

const base64url = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** The place of an alert's marker, one of 256: the first byte of the hash that its id is made of. */
export function bucketOf(id: string): string {
  const [high, low] = [base64url.indexOf(id.charAt(2)), base64url.indexOf(id.charAt(3))]
  return (high * 4 + (low >> 4)).toString(16).padStart(2, '0')
}

const bodyName = ({ subject, version, variant }: Omit<Body, 'body'>) => `${version}:${variant}:${subject}`

/** Of the hash that holds a body: with the endpoint's id it names the field of its batch. */
const batchField = 'b:'

/** As a script gives it: null when an alert is settled, 1 when it is owed from now on, else since when, and its batch. */
const owedSince = z.compile(
  z.array(z.union([z.tuple([z.string(), z.string().nullable()]), z.literal(1), z.null()])).nullable(),
)

const begun = z.compile(
  z.array(z.tuple([z.number(), z.string().nullable(), z.string().nullable(), z.string().nullable()])),
)

/**
 * KEYS: watermark, receipts' watermark, owed, then those of the bodies, of the latest versions and of the markers.
 * ARGV: watermark expected ('' for none) and the next, how far the receipts' must be, now, life of a body in seconds, how
 * many days of markers, how many bodies, the bodies; then for each alert obligation, field of its marker, four numbers (the
 * places in KEYS of its body, of the first day of its markers and of the latest version, 0 for none, and its version), and
 * its batch ('' for none).
 * Gives what became of each, see owedSince, or false.
 */
const oweScript = createScript(`
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return false end
local receipts = tonumber(string.match(redis.call('GET', KEYS[2]) or '', '(%d+)$') or '0')
if receipts < tonumber(ARGV[3]) then return false end
local days, bodies = tonumber(ARGV[6]), tonumber(ARGV[7])
local since = {}
for i = 8 + bodies, #ARGV, 4 do
  local place, marker, latest, version = string.match(ARGV[i + 2], '^(%d+) (%d+) (%d+) (%d+)$')
  place, marker, latest = tonumber(place), tonumber(marker), KEYS[tonumber(latest)]
  local isSettled = false
  for day = marker, marker + days - 1 do
    if redis.call('HEXISTS', KEYS[day], ARGV[i + 1]) == 1 then isSettled = true break end
  end
  if isSettled then since[#since + 1] = false
  else
    local body, batch = KEYS[place], '${batchField}' .. string.match(ARGV[i], '^[^|]*')
    if redis.call('ZADD', KEYS[3], 'NX', ARGV[4], ARGV[i]) == 1 then
      if redis.call('HINCRBY', body, 'n', 1) == 1 then redis.call('HSET', body, 'body', ARGV[4 + place]) end
      if ARGV[i + 3] ~= '' then redis.call('HSET', body, batch, ARGV[i + 3]) end
      redis.call('EXPIRE', body, ARGV[5])
      since[#since + 1] = 1
    else
      redis.call('HSETNX', body, 'body', ARGV[4 + place])
      since[#since + 1] = { redis.call('ZSCORE', KEYS[3], ARGV[i]), redis.call('HGET', body, batch) }
    end
  end
  if latest and tonumber(version) > tonumber(redis.call('GET', latest) or '0') then
    redis.call('SET', latest, version, 'EX', ARGV[5])
  end
end
redis.call('SET', KEYS[1], ARGV[2])
return since`)

/** KEYS: watermark. ARGV: the one expected ('' for none) and the next. */
const advanceScript = createScript(`
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1`)

/**
 * KEYS: of each alert progress, body, the markers of each day, the latest version where older ones are skipped. ARGV: how
 * many days, whether older versions are skipped, then of each alert the field of its marker. Gives an answer for each.
 */
const beginScript = createScript(`
local days, latest = tonumber(ARGV[1]), tonumber(ARGV[2])
local answers = {}
for i = 3, #ARGV do
  local first, settled = (i - 3) * (2 + days + latest) + 1, 0
  for marker = first + 2, first + 1 + days do
    if redis.call('HEXISTS', KEYS[marker], ARGV[i]) == 1 then settled = 1 break end
  end
  answers[#answers + 1] = {
    settled, redis.call('GET', KEYS[first]), redis.call('HGET', KEYS[first + 1], 'body'),
    latest == 1 and redis.call('GET', KEYS[first + 2 + days])
  }
end
return answers`)

/**
 * KEYS: owed, then of each alert progress, body and, when there is to be one, the marker's. ARGV: life of a marker in
 * seconds (0: none is written), then of each alert its obligation and its marker's field. A body goes with the last
 * obligation that needs it. What makes room comes first: a Redis that is full refuses the first command that takes some,
 * but none after one that was done.
 */
const endScript = createScript(`
local place, life = 2, tonumber(ARGV[1])
for i = 2, #ARGV, 2 do
  redis.call('DEL', KEYS[place])
  if redis.call('ZREM', KEYS[1], ARGV[i]) == 1 then
    local needed = tonumber(redis.call('HGET', KEYS[place + 1], 'n') or '0')
    if needed > 1 then redis.call('HINCRBY', KEYS[place + 1], 'n', -1)
    else redis.call('DEL', KEYS[place + 1]) end
  end
  place = place + 2
  if life > 0 then
    local marker = KEYS[place]
    if redis.call('HSET', marker, ARGV[i + 1], '') == 1 and redis.call('HLEN', marker) == 1 then
      redis.call('EXPIRE', marker, life)
    end
    place = place + 1
  end
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

/** KEYS: count. */
const lowerScript = createScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if redis.call('DECR', KEYS[1]) <= 0 then redis.call('DEL', KEYS[1]) end
return 1`)
