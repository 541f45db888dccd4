import type { Logger } from '@signalbox/runtime/log'
import { DelayedError, type Job, UnrecoverableError, Worker } from 'bullmq'
import type { Deliver, Run } from '../delivery/delivery.ts'
import type { DeliverReplay } from '../delivery/replay-delivery.ts'
import { queueName, queuePrefix } from '@signalbox/alert-endpoints/job-queue'
import { endsWithin } from '../ends-within.ts'
import { alertOfJob } from './alert-queue.ts'
import { disconnectTimeoutMs, reconnectPauseMs } from '@signalbox/redis-link/redis-link'

export type DeliveryWorker = AsyncDisposable & {
  /** Whether jobs are being taken, for the readiness of the process. */
  state: () => { ok: boolean; detail: string }
}

/** How BullMQ tells that a process died with a job: its lock was not renewed. */
export type Locks = { durationMs: number; stalledEveryMs: number; mostStalls: number }

const standardLocks: Locks = { durationMs: 30_000, stalledEveryMs: 15_000, mostStalls: 20 }
const hourSeconds = 60 * 60
/** As long as a call takes at most; then what is under way is cancelled. */
const drainMs = 15_000
/** Jobs under way for each call: most of their time they wait for Redis and Kafka, before a call and after it. */
const jobsPerCall = 2
/** What it takes to write down what came of a run. */
const writeBackMs = 1_000
/** Longer than the worker's longest blocking read. */
const socketTimeoutMs = 30_000

/** Ends a run of a job so that it comes again after `delayMs`. */
class ComesAgain extends Error {
  override name = 'ComesAgain'
  readonly delayMs: number
  constructor(why: string, delayMs: number) {
    super(why)
    this.delayMs = delayMs
  }
}

class AlertWorker extends Worker<unknown, string, 'alert'> {
  /** Ends the timers that a close which waits for Redis would leave, and with them hold up the process. */
  async abandon(): Promise<void> {
    await this.pause(true)
    await this.lockManager.close()
  }
}

/**
 * Opens a BullMQ worker that delivers alerts. When `stop` aborts, or on closing, it takes no more jobs; calls
 * under way may finish, and what is not done in time is cancelled and goes back to the queue.
 */
export function openDeliveryWorker({
  redis: { url, keyPrefix },
  concurrency,
  deliver,
  deliverReplay,
  locks = standardLocks,
  stop,
  log,
}: {
  redis: { url: string; keyPrefix: string }
  /** Calls that `deliver` makes at a time. */
  concurrency: number
  deliver: Deliver
  deliverReplay: DeliverReplay
  locks?: Locks
  stop: AbortSignal
  log: Logger
}): DeliveryWorker {
  async function runOf(job: Job<unknown, string, 'alert'>, signal: AbortSignal): Promise<Run> {
    const found = alertOfJob(job.data)
    if (found === null) throw new UnrecoverableError('no build of ours wrote this job')
    const { alert, isRepair, replayId } = found
    if (replayId !== null) {
      return deliverReplay({ alert, replayId, attempt: job.attemptsMade + 1 }, { signal })
    }
    const isDoubtful = isRepair || job.stalledCounter > 0
    return deliver({ alert, isRetry: job.attemptsMade > 0, isDoubtful }, { signal })
  }

  const underWay = new Set<unknown>()
  let draining: Promise<void> | undefined
  const worker = new AlertWorker(
    queueName,
    async (job, token, signal) => {
      const running = runOf(job, signal ?? stop).catch((error: unknown) => {
        if (error instanceof UnrecoverableError) throw error
        log.warn({ alertId: job.id, err: error }, 'alert.run_failed')
        throw new ComesAgain('trouble of ours', troublePauseMs())
      })
      underWay.add(running)
      try {
        return await endRun(await running, { job, token })
      } finally {
        underWay.delete(running)
      }
    },
    {
      connection: {
        url,
        maxRetriesPerRequest: null,
        enableAutoPipelining: true,
        // A Redis that is away would otherwise keep a process that stops.
        retryStrategy: (times) => (draining === undefined ? reconnectPauseMs(times) : null),
        socketTimeout: socketTimeoutMs,
        disconnectTimeout: disconnectTimeoutMs,
      },
      prefix: queuePrefix(keyPrefix),
      concurrency: jobsPerCall * concurrency,
      lockDuration: locks.durationMs,
      stalledInterval: locks.stalledEveryMs,
      // A stall is a crash of ours and says nothing about the alert. Past this limit its job fails unsent, and the sweeper
      // lets it run again.
      maxStalledCount: locks.mostStalls,
      drainDelay: 2,
      removeOnComplete: { age: 2 * hourSeconds },
      removeOnFail: { age: 7 * 24 * hourSeconds },
      settings: {
        backoffStrategy: (_attempts, _type, error) =>
          error instanceof ComesAgain ? error.delayMs : troublePauseMs(),
      },
    },
  )
  worker.on('error', (error) => log.warn({ problem: error.message }, 'worker.trouble'))
  worker.on('stalled', (alertId) => log.warn({ alertId }, 'alert.stalled'))

  const drain = () => {
    draining ??= closeInTime(worker, { underWay, log })
    return draining
  }
  stop.addEventListener('abort', () => void drain(), { once: true })

  return {
    state: () =>
      worker.isRunning() && draining === undefined
        ? { ok: true, detail: 'delivers' }
        : { ok: false, detail: draining === undefined ? 'takes no jobs' : 'stops' },
    [Symbol.asyncDispose]: drain,
  }
}

/** Tells BullMQ by value or by error, which is how it takes it, what becomes of a job. */
async function endRun(
  run: Run,
  { job, token }: { job: Job<unknown, string, 'alert'>; token: string | undefined },
): Promise<string> {
  switch (run.kind) {
    case 'known_settled':
    case 'replayed':
      break
    case 'settled':
      // Failed jobs are kept for longer, as the dead letters.
      if (run.outcome.kind === 'given_up') throw new UnrecoverableError(run.outcome.reason)
      break
    case 'again':
      throw new ComesAgain(run.why, run.delayMs)
    case 'held':
      // Costs no attempt, because none was made.
      await job.moveToDelayed(Date.now() + run.delayMs, token)
      throw new DelayedError()
  }
  return run.kind
}

/**
 * A worker's close waits for ever for jobs that hang and for a Redis that is away, so it is only waited for while
 * deliveries are under way, and a little longer.
 */
async function closeInTime(
  worker: AlertWorker,
  { underWay, log }: { underWay: ReadonlySet<unknown>; log: Logger },
): Promise<void> {
  const closed = worker.close()
  const cancelAtMs = performance.now() + drainMs
  do {
    if (await endsWithin(closed, writeBackMs)) return
  } while (underWay.size > 0 && performance.now() < cancelAtMs)
  worker.cancelAllJobs('stopping')
  if (await endsWithin(closed, writeBackMs)) return
  log.warn({ underWay: underWay.size }, 'worker.closed_late')
  await worker.abandon()
  await endsWithin(worker.disconnect(), writeBackMs)
}

/** After trouble of ours, which is no fault of the endpoint's: 2 to 5 s. */
function troublePauseMs(): number {
  return Math.round(2_000 + 3_000 * Math.random())
}
