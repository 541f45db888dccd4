import { setTimeout as delay } from 'node:timers/promises'
import type { MeasuredProcess } from '../../measure/measured-process.ts'
import { readUsageOf, type Usage } from '../../measure/process-usage.ts'

/** What delivering a backlog showed, without its warm-up. */
export type Measurement = {
  deliveries: number
  seconds: number
  deliveriesPerSecond: number
  /** From when the process was ready to the last delivery, warm-up and all. */
  wholePerSecond: number
  /** CPU per delivery: of the worker with all its threads, Redis, Kafka, the sink; null: no process of this run. */
  cpuMicros: number
  redisMicros: number | null
  brokerMicros: number | null
  sinkMicros: number
  /** Of the worker: the most that was seen in each tenth of the deliveries; NaN for one that passed unseen. */
  rssMiBOfTenths: number[]
}

/** Whose usage is read, and how many alerts are delivered by now. */
export type Measured = {
  worker: Pick<MeasuredProcess, 'usage'>
  sink: { usage: () => Promise<Usage> }
  pids: { redis: readonly number[]; broker: readonly number[] }
  delivered: () => Promise<number>
}

type Sample = Record<'worker' | 'redis' | 'broker' | 'sink', Usage> & { atMs: number; delivered: number }

const sampledEveryMs = 50
const stallLimitMs = 60_000
const tenths = 10

/**
 * Watches a process deliver a backlog: from the first moment at which `warmUp` alerts are delivered to that at which
 * all are.
 *
 * @throws with the last lines of its log when the process ends; an Error when nothing is delivered for a minute
 */
export async function measureDeliveries(
  { worker, sink, pids, delivered }: Measured,
  { warmUp, total }: { warmUp: number; total: number },
): Promise<Measurement> {
  const rssMiBOfTenths = Array.from({ length: tenths }, () => Number.NaN)
  const begunMs = performance.now()
  let from: Sample | undefined
  let progress = { delivered: 0, atMs: begunMs }
  for (;;) {
    const now = await sample()
    if (now.delivered >= warmUp) from ??= now
    if (from !== undefined) {
      noteMemory(from.delivered, now)
      if (now.delivered >= total) return measurementOf({ begunMs, from, to: now })
    }
    if (now.delivered > progress.delivered) progress = now
    if (now.atMs - progress.atMs > stallLimitMs) {
      throw new Error(`After ${now.delivered} of ${total} alerts nothing was delivered for a minute`)
    }
    await delay(sampledEveryMs)
  }

  async function sample(): Promise<Sample> {
    const count = await delivered()
    const [ofWorker, redis, broker, ofSink] = await Promise.all([
      worker.usage(),
      readUsageOf(pids.redis),
      readUsageOf(pids.broker),
      sink.usage(),
    ])
    return { atMs: performance.now(), delivered: count, worker: ofWorker, redis, broker, sink: ofSink }
  }

  function noteMemory(since: number, now: Sample): void {
    const share = (now.delivered - since) / (total - since)
    const tenth = Math.min(Math.floor(share * tenths), tenths - 1)
    const known = rssMiBOfTenths[tenth] ?? Number.NaN
    rssMiBOfTenths[tenth] = Number.isNaN(known) ? now.worker.rssMiB : Math.max(known, now.worker.rssMiB)
  }

  function measurementOf({ begunMs, from, to }: { begunMs: number; from: Sample; to: Sample }): Measurement {
    const deliveries = to.delivered - from.delivered
    const seconds = (to.atMs - from.atMs) / 1000
    const micros = (of: 'worker' | 'redis' | 'broker' | 'sink') =>
      ((to[of].cpuMs - from[of].cpuMs) * 1000) / deliveries
    return {
      deliveries,
      seconds,
      deliveriesPerSecond: deliveries / seconds,
      wholePerSecond: (to.delivered * 1000) / (to.atMs - begunMs),
      cpuMicros: micros('worker'),
      redisMicros: pids.redis.length === 0 ? null : micros('redis'),
      brokerMicros: pids.broker.length === 0 ? null : micros('broker'),
      sinkMicros: micros('sink'),
      rssMiBOfTenths,
    }
  }
}

/** The most memory in the first and in the second half of the tenths. */
export function memoryHalves({ rssMiBOfTenths }: Measurement): { firstMiB: number; secondMiB: number } {
  return {
    firstMiB: most(rssMiBOfTenths.slice(0, tenths / 2)),
    secondMiB: most(rssMiBOfTenths.slice(tenths / 2)),
  }
}

function most(some: readonly number[]): number {
  return Math.max(...some.filter((mib) => !Number.isNaN(mib)))
}
