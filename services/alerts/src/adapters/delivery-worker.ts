import type { Logger } from '@signalbox/runtime/log'
import { DelayedError, type Job, UnrecoverableError, Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import type { DeliverBatch, BatchEnd } from '../delivery/deliver-batch.ts'
import type { Deliver, JobHold, Run } from '../delivery/delivery.ts'
import type { DeliverReplay } from '../delivery/replay-delivery.ts'
import { queueName, queuePrefix } from '@signalbox/alert-endpoints/job-queue'
import { endsWithin } from '../ends-within.ts'
import { dataOfBatch, readJob } from './alert-queue.ts'
import { troublePauseMs } from '../delivery/hold.ts'
import { disconnectTimeoutMs, reconnectPauseMs } from '@signalbox/redis-link/redis-link'

type AlertsJob = Job<unknown, string, 'alert'>

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
/** A batch has its job sooner after it was owed, and long before it is swept up, unless its fan-out stood still. */
const lateMs = 1_000
/** For so long a run trusts that its job is its own. Others need longer to find a flushed Redis and to begin anew. */
const trustedMs = 50
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
  redis,
  redisUrl: url,
  keyPrefix,
  concurrency,
  deliver,
  deliverBatch,
  deliverReplay,
  locks = standardLocks,
  stop,
  log,
}: {
  /** The connection that deliveries share. */
  redis: Pick<Redis, 'get'>
  redisUrl: string
  keyPrefix: string
  /** Calls that `deliver` makes at a time. */
  concurrency: number
  deliver: Deliver
  deliverBatch: DeliverBatch
  deliverReplay: DeliverReplay
  locks?: Locks
  stop: AbortSignal
  log: Logger
}): DeliveryWorker {
  async function runOf(job: AlertsJob, hold: JobHold): Promise<Run | BatchEnd> {
    const found = readJob(job.data)
    if (found === null) throw new UnrecoverableError('no build of ours wrote this job')
    const { attemptsMade, stalledCounter, priority } = job
    if (found.kind === 'batch') {
      // Own jobs of its alerts may be beside a batch that came late.
      const isLate = job.timestamp - found.owedSinceMs > lateMs
      const isDoubtful = isLate || attemptsMade > 0 || stalledCounter > 0
      return deliverBatch({ alerts: found.alerts, isDoubtful, priority }, hold)
    }
    const { alert, isRepair, isRetry, replayId } = found
    if (replayId !== null) return deliverReplay({ alert, replayId, attempt: attemptsMade + 1 }, hold)
    const isDoubtful = isRepair || stalledCounter > 0
    return deliver({ alert, isRetry: isRetry || attemptsMade > 0, isDoubtful }, hold)
  }

  const underWay = new Set<unknown>()
  let draining: Promise<void> | undefined
  const worker = new AlertWorker(
    queueName,
    async (job, token, signal) => {
      const isOurs = lockOf(job, { token, redis, key: worker.toKey(`${job.id}:lock`) })
      const running = runOf(job, { signal: signal ?? stop, isOurs }).catch((error: unknown) => {
        if (error instanceof UnrecoverableError) throw error
        log.warn({ jobId: job.id, err: error }, 'alert.run_failed')
        throw new ComesAgain('trouble of ours', troublePauseMs(Math.random()))
      })
      underWay.add(running)
      try {
        return await endRun(await running, { job, token, isOurs })
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
          error instanceof ComesAgain ? error.delayMs : troublePauseMs(Math.random()),
      },
    },
  )
  worker.on('error', (error) => log.warn({ problem: error.message }, 'worker.trouble'))
  worker.on('stalled', (jobId) => log.warn({ jobId }, 'alert.stalled'))

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

/**
 * Looks at the lock of a job when that was last done a while ago; those who ask meanwhile share the answer. BullMQ renews it
 * by itself, so it is only read, on the connection that deliveries share: that takes neither a script nor a call of its own.
 */
function lockOf(
  job: AlertsJob,
  { token, redis, key }: { token: string | undefined; redis: Pick<Redis, 'get'>; key: string },
): JobHold['isOurs'] {
  let knownAtMs = job.processedOn ?? 0
  let looking: Promise<boolean> | null = null

  async function look(): Promise<boolean> {
    const askedAtMs = Date.now()
    const isOurs = (await redis.get(key)) === token
    if (isOurs) knownAtMs = askedAtMs
    return isOurs
  }

  return async function isOurs() {
    if (Math.abs(Date.now() - knownAtMs) < trustedMs) return true
    looking ??= look().finally(() => {
      looking = null
    })
    return looking
  }
}

/** Tells BullMQ by value or by error, which is how it takes it, what becomes of a job. */
async function endRun(
  run: Run | BatchEnd,
  { job, token, isOurs }: { job: AlertsJob; token: string | undefined } & Pick<JobHold, 'isOurs'>,
): Promise<string> {
  switch (run.kind) {
    case 'ended':
    case 'known_settled':
    case 'replayed':
      break
    case 'settled':
      // Failed jobs are kept for longer, as the dead letters.
      if (run.outcome.kind === 'given_up') throw new UnrecoverableError(run.outcome.reason)
      break
    case 'again':
      throw new ComesAgain(run.why, run.delayMs)
    case 'crowded':
      if ('left' in run && (await isOurs())) await job.updateData(dataOfBatch(run.left))
      await putOff(run.delayMs)
      break
    case 'held':
      await putOff(run.delayMs)
  }
  return run.kind

  async function putOff(delayMs: number): Promise<never> {
    // Costs no attempt, because none was made.
    await job.moveToDelayed(Date.now() + delayMs, token)
    throw new DelayedError()
  }
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
