import assert from 'node:assert/strict'
import { firstPriority, lastPriority, type NewJob, openJobQueue } from '@signalbox/alert-endpoints/job-queue'
import type { Logger } from '@signalbox/runtime/log'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import { byFirstJob, type OwedAlert, type OwedInBatch, owedAlert } from '../owed-alert.ts'

/** What BullMQ knows of an alert's job; `torn`: it is there and in no list, because keys of the queue were deleted. */
export type JobState = 'live' | 'absent' | 'failed' | 'completed' | 'torn'

export type AddOptions = {
  /** How many were outstanding for the endpoint with it: a low number runs first. */
  priorityOf: (alert: OwedAlert) => number
  /** Jobs that were lost are made anew, so what became of the ones before is not known. */
  isRepair?: boolean
}

/** How an alert leaves the batch that it was in. */
export type LeaveOptions = {
  priority: number
  /** A call was made. */
  isRetry: boolean
  /** What became of its run is not known. */
  isRepair: boolean
  delayMs: number
}

export type AlertQueue = AsyncDisposable & {
  /** Adds a job per alert; one that is there already stays as it is. May be cut short: then all come again. */
  add(alerts: readonly OwedAlert[], options: AddOptions): Promise<void>
  /** The same, but those of a batch have one job together. */
  addFirst(owed: readonly OwedInBatch[], options: AddOptions): Promise<void>
  /** Gives an alert of a batch a job of its own. */
  addAlone(alert: OwedAlert, options: LeaveOptions): Promise<void>
  /** @param jobId an alert's id, or a batch's */
  stateOf(jobId: string): Promise<JobState>
  /** How many jobs of new alerts wait for a worker. Replays wait behind them, and hold nobody back. */
  countWaiting(): Promise<number>
  /** Lets a failed job run again; one that cannot be read any more goes, so that it can be added anew. */
  revive(alertId: string): Promise<void>
  /**
   * Deletes what is left of an alert's torn job, which would stand in the way of a new one. False: a worker still has it, or
   * it is not torn any more.
   */
  discard(alertId: string): Promise<boolean>
}

/** A job points to its alert and holds neither body nor secret. Its id is the alert's. */
const alertData = z.object({
  subject: z.string(),
  version: z.number().int(),
  endpointId: z.string(),
  variant: z.string(),
  partition: z.number().int(),
  owedSinceMs: z.number(),
  /** Another job of the alert was lost. */
  isRepair: z.literal(true).optional(),
  /** A call was made for it in the batch that it was in. */
  isRetry: z.literal(true).optional(),
  /** The run of a replay that sends it once more. */
  replayId: z.string().optional(),
})

/** That of a batch points to alerts of one endpoint that were owed together. */
const batchData = alertData.pick({ endpointId: true, partition: true, owedSinceMs: true }).extend({
  batch: z.array(z.tuple([alertData.shape.subject, alertData.shape.version, alertData.shape.variant])).min(1),
})

const jobData = z.compile(z.union([batchData, alertData]))

export type AlertJob =
  | { kind: 'alert'; alert: OwedAlert; isRepair: boolean; isRetry: boolean; replayId: string | null }
  | { kind: 'batch'; alerts: readonly OwedAlert[]; owedSinceMs: number }

/** What a job is about; null when no build of ours wrote it. */
export function readJob(data: unknown): AlertJob | null {
  const read = jobData.safeParse(data)
  if (!read.success) return null
  if ('batch' in read.data) {
    const { batch, ...where } = read.data
    const alerts = batch.map(([subject, version, variant]) =>
      owedAlert({ ...where, subject, version, variant }),
    )
    return { kind: 'batch', alerts, owedSinceMs: where.owedSinceMs }
  }
  const { isRepair = false, isRetry = false, replayId = null, ...alert } = read.data
  return { kind: 'alert', alert: owedAlert(alert), isRepair, isRetry, replayId }
}

/** What the job of a batch holds, of those that are left of it. @throws AssertionError when none is */
export function dataOfBatch(alerts: readonly OwedAlert[]): z.infer<typeof batchData> {
  const [first] = alerts
  assert(first !== undefined, 'a batch has alerts')
  const { endpointId, partition, owedSinceMs } = first
  return {
    endpointId,
    partition,
    owedSinceMs,
    batch: alerts.map(({ subject, version, variant }) => [subject, version, variant]),
  }
}

const clamped = (priority: number) => Math.min(Math.max(priority, firstPriority), lastPriority)

/** An alert's own job; of the flags it holds those that are set. */
function ownJob(
  alert: OwedAlert,
  { isRepair, isRetry }: { isRepair: boolean; isRetry: boolean },
): Pick<NewJob, 'jobId' | 'data'> {
  const { id: jobId, ...pointer } = alert
  return { jobId, data: { ...pointer, ...(isRepair ? { isRepair } : {}), ...(isRetry ? { isRetry } : {}) } }
}

function jobOf(alert: OwedAlert, { priorityOf, isRepair = false }: AddOptions): NewJob {
  return { ...ownJob(alert, { isRepair, isRetry: false }), priority: clamped(priorityOf(alert)) }
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

  /** Of a job that is there nothing but the sweep of another process takes it out of that state. */
  async function isTorn(jobId: string): Promise<boolean> {
    return (await bull.getJob(jobId)) !== undefined && (await bull.getJobState(jobId)) === 'unknown'
  }

  return {
    countWaiting: () => queue.countWaiting(),
    add: (alerts, options) => queue.add(alerts.map((alert) => jobOf(alert, options))),
    addFirst: (owed, options) =>
      queue.add(
        [...byFirstJob(owed)].flatMap(([jobId, its]) => {
          const alerts = its.map(({ alert }) => alert)
          if (its.some(({ batchId }) => batchId === null)) return alerts.map((alert) => jobOf(alert, options))
          const priority = clamped(Math.min(...alerts.map(options.priorityOf)))
          return [{ jobId, data: dataOfBatch(alerts), priority }]
        }),
      ),
    addAlone: (alert, { priority, delayMs, ...flags }) =>
      queue.add([{ ...ownJob(alert, flags), priority, delayMs }]),
    async stateOf(jobId) {
      const state = await bull.getJobState(jobId)
      switch (state) {
        case 'unknown':
          return (await isTorn(jobId)) ? 'torn' : 'absent'
        case 'failed':
        case 'completed':
          return state
        default:
          return 'live'
      }
    },
    async revive(alertId) {
      const job = await bull.getJob(alertId)
      // Somebody has deleted the job and not its place in a list: BullMQ has run it without its data.
      if (job !== undefined && readJob(job.data) === null) await bull.remove(alertId)
      else await job?.retry('failed', { resetAttemptsMade: true })
    },
    discard: async (alertId) => (await isTorn(alertId)) && (await bull.remove(alertId)) === 1,
    [Symbol.asyncDispose]: () => queue[Symbol.asyncDispose](),
  }
}
