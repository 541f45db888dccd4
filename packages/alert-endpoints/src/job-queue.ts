import assert from 'node:assert/strict'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Queue } from 'bullmq'
import type { Redis } from 'ioredis'

/** The one queue of all alerts and replays. */
export const queueName = 'alerts'

/** The hash tag keeps all keys of the queue in one slot of a Redis Cluster. */
export const queuePrefix = (keyPrefix: string) => `${keyPrefix}{bq0}`

/** The first to run. BullMQ runs jobs without a priority before all others, so each has one. */
export const firstPriority = 1
/** The last to run. */
export const lastPriority = 2_097_151

export type NewJob = { jobId: string; data: object; priority: number; delayMs?: number }

export type JobQueue = AsyncDisposable & {
  /** Adds jobs; one that is there already stays as it is. May be cut short: then all come again. */
  add(jobs: readonly NewJob[]): Promise<void>
  /** How many jobs wait for a worker that are not of the last priority. */
  countWaiting(): Promise<number>
  bull: Queue<unknown, unknown, 'alert'>
}

/** BullMQ adds what it is given as one transaction, which holds up all deliveries. */
const maxJobsPerCall = 100
/** BullMQ's score of a job is its priority and, in the lower half, its number. */
const beforeLastPriority = `(${lastPriority * 2 ** 32}`

/** Opens the queue on a connection that the caller keeps. */
export function openJobQueue({
  redis,
  keyPrefix,
  onTrouble,
}: {
  redis: Redis
  keyPrefix: string
  onTrouble: (problem: string) => void
}): JobQueue {
  const prefix = queuePrefix(keyPrefix)
  const bull = new Queue<unknown, unknown, 'alert'>(queueName, {
    connection: redis,
    prefix,
    skipWaitingForReady: true,
    streams: { events: { maxLen: 1000 } },
    // The schedule and the deadline end an alert; running out of these would leave one without a receipt.
    defaultJobOptions: { attempts: 1_000_000, backoff: { type: 'custom' }, stackTraceLimit: 0 },
  })
  bull.on('error', (error) => onTrouble(error.message))

  return {
    bull,
    async add(jobs) {
      for (let start = 0; start < jobs.length; start += maxJobsPerCall) {
        if (start > 0) await nextTurn()
        const slice = jobs.slice(start, start + maxJobsPerCall)
        const added = await bull.addBulk(
          slice.map(({ jobId, data, priority, delayMs = 0 }) => ({
            name: 'alert' as const,
            data,
            opts: { jobId, priority, delay: delayMs },
          })),
        )
        // BullMQ gives back a number in place of an id for what it did not add.
        for (const [index, job] of added.entries()) {
          assert(typeof job.id === 'string' && job.id === slice[index]?.jobId, 'BullMQ has added every job')
        }
      }
    },
    countWaiting: () => redis.zcount(`${prefix}:${queueName}:prioritized`, '-inf', beforeLastPriority),
    [Symbol.asyncDispose]: () => bull.close(),
  }
}
