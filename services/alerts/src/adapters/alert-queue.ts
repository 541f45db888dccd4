import assert from 'node:assert/strict'
import type { Logger } from '@signalbox/runtime/log'
import { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import { type OwedAlert, owedAlert } from '../owed-alert.ts'

/** What BullMQ knows of an alert's job. */
export type JobState = 'live' | 'absent' | 'failed' | 'completed'

export type AddOptions = {
  /** How many were outstanding for the endpoint with it: a low number runs first. */
  priorityOf: (alert: OwedAlert) => number
  /** Jobs that were lost are made anew, so what became of the ones before is not known. */
  isRepair?: boolean
}

export type AlertQueue = AsyncDisposable & {
  /** Adds a job per alert; one that is there already stays as it is. May be cut short: then all come again. */
  add(alerts: readonly OwedAlert[], options: AddOptions): Promise<void>
  stateOf(alertId: string): Promise<JobState>
  /** Lets a failed job run again. */
  revive(alertId: string): Promise<void>
}

export const queueName = 'alerts'

/** The hash tag keeps all keys of the queue in one slot of a Redis Cluster. */
export const queuePrefix = (keyPrefix: string) => `${keyPrefix}{bq0}`

/** A job points to its alert and holds neither body nor secret. Its id is the alert's. */
const jobData = z.object({
  subject: z.string(),
  version: z.number().int(),
  endpointId: z.string(),
  variant: z.string(),
  partition: z.number().int(),
  owedSinceMs: z.number(),
  /** Another job of the alert was lost. */
  isRepair: z.literal(true).optional(),
  /** The run of a replay that sends it once more. */
  replayId: z.string().optional(),
})

export type JobAlert = { alert: OwedAlert; isRepair: boolean; replayId: string | null }

/** The alert that a job is about; null when no build of ours wrote it. */
export function alertOfJob(data: unknown): JobAlert | null {
  const parsed = jobData.safeParse(data)
  if (!parsed.success) return null
  const { isRepair = false, replayId = null, ...alert } = parsed.data
  return { alert: owedAlert(alert), isRepair, replayId }
}

const maxJobsPerCall = 250
/** BullMQ runs jobs without a priority before all others, so each has one. */
const leastPriority = 1
const mostPriority = 2_097_151

/** Opens the queue on a connection that the caller keeps. */
export function openAlertQueue({
  redis,
  keyPrefix,
  log,
}: {
  redis: Redis
  keyPrefix: string
  log: Logger
}): AlertQueue {
  const queue = new Queue<unknown, unknown, 'alert'>(queueName, {
    connection: redis,
    prefix: queuePrefix(keyPrefix),
    skipWaitingForReady: true,
    streams: { events: { maxLen: 1000 } },
    defaultJobOptions: {
      // The schedule and the deadline end an alert; running out of these would leave one without a receipt.
      attempts: 1_000_000,
      backoff: { type: 'custom' },
      stackTraceLimit: 0,
    },
  })
  queue.on('error', (error) => log.warn({ problem: error.message }, 'queue.trouble'))

  return {
    async add(alerts, { priorityOf, isRepair = false }) {
      for (let start = 0; start < alerts.length; start += maxJobsPerCall) {
        const slice = alerts.slice(start, start + maxJobsPerCall)
        const jobs = await queue.addBulk(
          slice.map((alert) => {
            const { id, ...data } = alert
            const priority = Math.min(Math.max(priorityOf(alert), leastPriority), mostPriority)
            return {
              name: 'alert' as const,
              data: isRepair ? { ...data, isRepair } : data,
              opts: { jobId: id, priority },
            }
          }),
        )
        // BullMQ gives back a number in place of an id for what it did not add.
        for (const [index, job] of jobs.entries()) {
          assert(typeof job.id === 'string' && job.id === slice[index]?.id, 'BullMQ has added every job')
        }
      }
    },
    async stateOf(alertId) {
      const state = await queue.getJobState(alertId)
      switch (state) {
        case 'unknown':
          return 'absent'
        case 'failed':
        case 'completed':
          return state
        default:
          return 'live'
      }
    },
    async revive(alertId) {
      const job = await queue.getJob(alertId)
      await job?.retry('failed', { resetAttemptsMade: true })
    },
    [Symbol.asyncDispose]: () => queue.close(),
  }
}
