import { partitionOf } from '@signalbox/kafka/partition'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import { alertLifeMs, alertOfObligation, obligationOf, type OwedAlert, owedAlert } from '../owed-alert.ts'
import { type Progress, progress } from '../delivery/progress.ts'

/**
 * What is owed, how far it has come and what is settled, outside BullMQ, so that its jobs can be made anew at any
 * time. Keys of a partition of the changes share a hash tag; a marker has the tag of its receipt's partition.
 */
export type AlertBook = ReturnType<typeof createAlertBook>

/** Bodies of one change, and the alerts that are made of them. */
export type Obligations = {
  partition: number
  /** The watermark that must still stand, null for none, and the one that stands then. */
  watermark: string | null
  owing: string
  nowMs: number
  bodies: readonly { registrationKey: string; version: number; body: string }[]
  alerts: readonly Omit<OwedAlert, 'id' | 'partition' | 'owedSinceMs'>[]
}

const hourSeconds = 60 * 60
const bodySeconds = alertLifeMs / 1000 + hourSeconds
/** Longer than an alert lives and a fan-out may lag behind. */
const settledSeconds = 72 * hourSeconds

/** All commands reject when Redis is away; what they were to do may have been done. */
export function createAlertBook({
  redis,
  keyPrefix,
  partitions,
}: {
  redis: Redis
  keyPrefix: string
  /** Of the changes topic and of the receipts topic. */
  partitions: number
}) {
  const ofChanges = (partition: number) => `${keyPrefix}{c${partition}}`
  const keys = {
    watermark: (partition: number) => `${ofChanges(partition)}:fan-out`,
    owed: (partition: number) => `${ofChanges(partition)}:owed`,
    body: (partition: number, of: { registrationKey: string; version: number }) =>
      `${ofChanges(partition)}:body:${of.version}:${of.registrationKey}`,
    progress: ({ partition, id }: OwedAlert) => `${ofChanges(partition)}:progress:${id}`,
    settled: (id: string) => `${keyPrefix}{r${partitionOf(id, partitions)}}:settled:${id}`,
  }

  return {
    watermark: (partition: number) => redis.get(keys.watermark(partition)),

    /** The alerts of these ids that are settled. */
    async settledAmong(ids: readonly string[]): Promise<Set<string>> {
      const found = await Promise.all(ids.map((id) => redis.exists(keys.settled(id))))
      return new Set(ids.filter((_, index) => found[index] === 1))
    },

    /**
     * Writes down bodies, obligations and the watermark, all or none of them, so that Redis can lose its end only as a
     * whole; null when another watermark stands. An alert that is owed already keeps its time.
     */
    async owe({
      partition,
      watermark,
      owing,
      nowMs,
      bodies,
      alerts,
    }: Obligations): Promise<OwedAlert[] | null> {
      const fresh = alerts.map((alert) => owedAlert({ ...alert, partition, owedSinceMs: nowMs }))
      const answer = await redis.eval(
        oweScript,
        2 + bodies.length,
        keys.watermark(partition),
        keys.owed(partition),
        ...bodies.map((body) => keys.body(partition, body)),
        watermark ?? '',
        owing,
        String(nowMs),
        String(bodySeconds),
        ...bodies.map(({ body }) => body),
        ...fresh.map(obligationOf),
      )
      const since = z.array(z.coerce.number()).nullable().parse(answer)
      return since === null
        ? null
        : fresh.map((alert, index) => ({ ...alert, owedSinceMs: since[index] ?? alert.owedSinceMs }))
    },

    /** Moves the watermark on; false when another one stands. */
    async advance(move: { partition: number; from: string | null; to: string }): Promise<boolean> {
      const key = keys.watermark(move.partition)
      return (await redis.eval(advanceScript, 1, key, move.from ?? '', move.to)) === 1
    },

    /** What a delivery has to know before it sends. */
    async read(
      alert: OwedAlert,
    ): Promise<{ isSettled: boolean; progress: Progress | null; body: string | null }> {
      const [settled, known, body] = await Promise.all([
        redis.exists(keys.settled(alert.id)),
        redis.get(keys.progress(alert)),
        redis.get(keys.body(alert.partition, alert)),
      ])
      return {
        isSettled: settled === 1,
        progress: known === null ? null : progress.parse(JSON.parse(known)),
        body,
      }
    },

    async keep(alert: OwedAlert, made: Progress): Promise<void> {
      await redis.set(keys.progress(alert), JSON.stringify(made), 'EX', settledSeconds)
    },

    async markSettled(alert: OwedAlert): Promise<void> {
      await redis.set(keys.settled(alert.id), '', 'EX', settledSeconds)
    },

    /** Ends the obligation of a settled alert. */
    async clear(alert: OwedAlert): Promise<void> {
      await redis
        .multi()
        .zrem(keys.owed(alert.partition), obligationOf(alert))
        .del(keys.progress(alert))
        .exec()
    },

    owedCount: (partition: number) => redis.zcard(keys.owed(partition)),

    /** A slice of what a partition owes, oldest first. */
    async owed({ partition, from, limit }: { partition: number; from: number; limit: number }) {
      const flat = await redis.zrange(keys.owed(partition), from, String(from + limit - 1), 'WITHSCORES')
      return Array.from({ length: flat.length / 2 }, (_, index) =>
        alertOfObligation(flat[2 * index] ?? '', { partition, owedSinceMs: Number(flat[2 * index + 1]) }),
      )
    },
  }
}

/**
 * KEYS: watermark, owed, then a key per body. ARGV: watermark expected ('' for none) and the next, now in milliseconds,
 * life of a body in seconds, the bodies, the obligations. Gives since when each is owed, or false.
 */
const oweScript = `
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return false end
local bodies = #KEYS - 2
for i = 1, bodies do redis.call('SET', KEYS[2 + i], ARGV[4 + i], 'EX', ARGV[4]) end
local since = {}
for i = 5 + bodies, #ARGV do
  redis.call('ZADD', KEYS[2], 'NX', ARGV[3], ARGV[i])
  since[#since + 1] = redis.call('ZSCORE', KEYS[2], ARGV[i])
end
redis.call('SET', KEYS[1], ARGV[2])
return since`

/** KEYS: watermark. ARGV: the one expected ('' for none) and the next. */
const advanceScript = `
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1`
