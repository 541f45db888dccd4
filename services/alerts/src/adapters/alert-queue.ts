import { firstPriority, lastPriority, openJobQueue } from '@signalbox/alert-endpoints/job-queue'
import type { Logger } from '@signalbox/runtime/log'
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
  /** How many new alerts wait for a worker. Replays wait behind them, and hold nobody back. */
  countWaiting(): Promise<number>
  /** Lets a failed job run again. */
  revive(alertId: string): Promise<void>
}

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
  const queue = openJobQueue({
    redis,
    keyPrefix,
    onTrouble: (problem) => log.warn({ problem }, 'queue.trouble'),
  })
  const { bull } = queue

  return {
    countWaiting: () => queue.countWaiting(),
    add: (alerts, { priorityOf, isRepair = false }) =>
      queue.add(
        alerts.map((alert) => {
          const { id: jobId, ...data } = alert
          const priority = Math.min(Math.max(priorityOf(alert), firstPriority), lastPriority)
          return { jobId, data: isRepair ? { ...data, isRepair } : data, priority }
        }),
      ),
    async stateOf(alertId) {
      const state = await bull.getJobState(alertId)
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
      const job = await bull.getJob(alertId)
      await job?.retry('failed', { resetAttemptsMade: true })
    },
    [Symbol.asyncDispose]: () => queue[Symbol.asyncDispose](),
  }
}
