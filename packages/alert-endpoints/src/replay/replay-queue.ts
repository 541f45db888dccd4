import assert from 'node:assert/strict'
import { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import type { ReplayJob } from './replay.ts'

/** The queue of the alerts service, whose workers take these jobs too. */
const queueName = 'alerts'
const maxJobsPerCall = 250
/** Behind all that is new. */
const lastPriority = 2_097_151

export type ReplayQueue = AsyncDisposable & { add(jobs: readonly ReplayJob[]): Promise<void> }

/** Opens the queue of the alerts for replays, on a connection that the caller keeps. */
export function openReplayQueue({
  redis,
  keyPrefix,
  onTrouble,
}: {
  redis: Redis
  keyPrefix: string
  onTrouble: (problem: string) => void
}): ReplayQueue {
  const queue = new Queue<unknown, unknown, 'alert'>(queueName, {
    connection: redis,
    prefix: `${keyPrefix}{bq0}`,
    skipWaitingForReady: true,
    streams: { events: { maxLen: 1000 } },
    // As for alerts: their schedule and their deadline end them.
    defaultJobOptions: { attempts: 1_000_000, backoff: { type: 'custom' }, stackTraceLimit: 0 },
  })
  queue.on('error', (error) => onTrouble(error.message))
  return {
    async add(jobs) {
      for (let start = 0; start < jobs.length; start += maxJobsPerCall) {
        const slice = jobs.slice(start, start + maxJobsPerCall)
        const added = await queue.addBulk(
          slice.map(({ jobId, delayMs, data }) => ({
            name: 'alert' as const,
            data,
            opts: { jobId, delay: delayMs, priority: lastPriority },
          })),
        )
        for (const [index, job] of added.entries()) {
          assert(typeof job.id === 'string' && job.id === slice[index]?.jobId, 'BullMQ has added every job')
        }
      }
    },
    [Symbol.asyncDispose]: () => queue.close(),
  }
}
