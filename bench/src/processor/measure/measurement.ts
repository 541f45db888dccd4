import { setTimeout as delay } from 'node:timers/promises'
import type { MeasuredProcess } from '../../measure/measured-process.ts'
import { readUsageOf, type Usage } from '../../measure/process-usage.ts'

/** What working through a backlog showed, without its warm-up. */
export type Measurement = {
  records: number
  seconds: number
  recordsPerSecond: number
  /** CPU per record: of the worker with all its threads, of Redis, of Kafka; null: no process of this run. */
  cpuMicros: number
  redisMicros: number | null
  brokerMicros: number | null
  /** Of the worker, at the end. */
  rssMiB: number
}

/** The servers whose usage is read beside the worker's. */
export type ServerPids = { redis: readonly number[]; broker: readonly number[] }

type Sample = { atMs: number; settled: number; worker: Usage; redis: Usage; broker: Usage }

const sampledEveryMs = 50
const stallLimitMs = 60_000

/**
 * Watches a process work through a backlog: from the first moment at which `warmUp` records are settled to that at
 * which all are.
 *
 * @param settled how many records of the backlog are settled by now
 * @throws with the last lines of its log when the process ends; an Error when nothing is settled for a minute
 */
export async function measureBacklog(options: {
  worker: MeasuredProcess
  pids: ServerPids
  settled: () => Promise<number>
  warmUp: number
  total: number
}): Promise<Measurement> {
  const { worker, pids, settled, warmUp, total } = options
  let from: Sample | undefined
  let progress = { settled: 0, atMs: performance.now() }
  for (;;) {
    const now = await sample()
    if (now.settled >= warmUp) from ??= now
    if (from !== undefined && now.settled >= total) return measurementOf(from, now, pids)
    if (now.settled > progress.settled) progress = now
    if (now.atMs - progress.atMs > stallLimitMs) {
      throw new Error(`After ${now.settled} of ${total} records nothing was settled for a minute`)
    }
    await delay(sampledEveryMs)
  }

  async function sample(): Promise<Sample> {
    const count = await settled()
    const [own, redis, broker] = await Promise.all([
      worker.usage(),
      readUsageOf(pids.redis),
      readUsageOf(pids.broker),
    ])
    return { atMs: performance.now(), settled: count, worker: own, redis, broker }
  }
}

function measurementOf(from: Sample, to: Sample, pids: ServerPids): Measurement {
  const records = to.settled - from.settled
  const seconds = (to.atMs - from.atMs) / 1000
  const micros = (of: 'worker' | 'redis' | 'broker') => ((to[of].cpuMs - from[of].cpuMs) * 1000) / records
  return {
    records,
    seconds,
    recordsPerSecond: records / seconds,
    cpuMicros: micros('worker'),
    redisMicros: pids.redis.length === 0 ? null : micros('redis'),
    brokerMicros: pids.broker.length === 0 ? null : micros('broker'),
    rssMiB: to.worker.rssMiB,
  }
}
