import { setTimeout as delay } from 'node:timers/promises'
import { topics } from '@signalbox/contracts/topics'
import type { MeasuredProcess } from '../measure/measured-process.ts'
import { plainBodyOf } from './changes.ts'
import { sinkSeries } from './endpoints.ts'
import { startAlerts, startOther } from './measure/measured-alerts.ts'
import { type Measurement, measureDeliveries } from './measure/measurement.ts'
import { type SeriesName, seriesTitles } from './report/results.ts'
import { concurrency, obviousTopic, type Workbench } from './workbench.ts'

export type SeriesOptions = {
  /** Measured, after the warm-up. */
  alerts: number
  warmUp: number
  profileFolder: string | null
}

export type Rounds = {
  series: Partial<Record<SeriesName, Measurement[]>>
  /** What did not come out as it should. */
  problems: string[]
}

const queue = 'webhooks'
const settleLimitMs = 60_000
const settlePollMs = 100

/**
 * Measures the variants in turns, so that a machine that gets slower or faster does so to all of them. Each time the
 * backlog is there before the process starts, and its first alerts warm the process up.
 */
export async function measureRounds(
  bench: Workbench,
  options: SeriesOptions & {
    rounds: number
    variants: readonly SeriesName[]
    progress: (message: string) => void
  },
): Promise<Rounds> {
  const { rounds, variants, progress } = options
  const series: Rounds['series'] = {}
  const problems: string[] = []
  for (let round = 1; round <= rounds; round++) {
    for (const variant of variants) {
      const outcome = await measureSeries(bench, variant, options)
      const { deliveriesPerSecond, cpuMicros } = outcome.measurement
      series[variant] = [...(series[variant] ?? []), outcome.measurement]
      problems.push(...outcome.problems)
      progress(
        `round ${round}: ${seriesTitles[variant]}: ${deliveriesPerSecond.toFixed(0)}/s, ${cpuMicros.toFixed(0)} µs`,
      )
    }
  }
  return { series, problems }
}

/** Measures one variant once, on an empty Redis and empty topics, and looks whether all came as it should. */
export async function measureSeries(
  bench: Workbench,
  name: SeriesName,
  { alerts, warmUp, profileFolder }: SeriesOptions,
): Promise<{ measurement: Measurement; problems: string[] }> {
  const total = warmUp + alerts
  const sinkName = name === 'ours' ? sinkSeries.steady : name
  const problems: string[] = []
  await bench.clear()
  const start = await prepare(bench, { name, total, profileFolder })
  let measurement: Measurement
  {
    await using worker = await start()
    const delivered = async () => (await bench.sink.count(sinkName)).alerts
    measurement = await measureDeliveries(
      { worker, sink: bench.sink, pids: bench.pids, delivered },
      { warmUp, total },
    )
    if (name === 'ours') await untilSettled(total)
  }
  // Counted when the process is gone, so that what came a second time is in it.
  const { calls, alerts: different } = await bench.sink.count(sinkName)
  if (calls !== total || different !== total) {
    problems.push(`${seriesTitles[name]}: ${calls} calls for ${different} alerts instead of ${total}`)
  }
  return { measurement, problems }

  async function untilSettled(due: number): Promise<void> {
    const giveUpAt = performance.now() + settleLimitMs
    let left = await bench.owed()
    for (; left > 0 && performance.now() < giveUpAt; left = await bench.owed()) await delay(settlePollMs)
    if (left > 0) problems.push(`${seriesTitles.ours}: ${left} alerts are still owed`)
    const receipts = await bench.receipts()
    if (receipts.alerts !== due || receipts.givenUp > 0) {
      const { alerts: came, givenUp } = receipts
      problems.push(`${seriesTitles.ours}: ${came} receipts, ${givenUp} of them given up, instead of ${due}`)
    }
  }
}

/** Lays out the backlog of a variant; gives what starts its process. */
function prepare(
  bench: Workbench,
  { name, total, profileFolder }: { name: SeriesName; total: number; profileFolder: string | null },
): Promise<() => Promise<MeasuredProcess>> {
  const { sink, secret, redisUrl, kafkaBrokers } = bench
  const merchants = [...bench.merchants.steady]
  const target = { url: `${sink.url}/${name}`, secret, concurrency }
  const timestamp = new Date().toISOString()
  const changes = bench.changes.take(total, merchants)
  const plain = () => {
    const body = changes.slice(0, 1).map((change) => plainBodyOf(change, { timestamp }))
    return { ...target, alerts: total, merchants, body: body.join('') }
  }
  const preparations: Record<SeriesName, () => Promise<() => Promise<MeasuredProcess>>> = {
    async bare() {
      return () => startOther(bench, { name: 'bare', settings: plain() })
    },
    async bullmq() {
      return () => startOther(bench, { name: 'bullmq', settings: { ...plain(), redisUrl, queue } })
    },
    async obvious() {
      await bench.append(obviousTopic, changes)
      const groupId = `obvious-${crypto.randomUUID()}`
      const source = { brokers: [...kafkaBrokers], groupId, topic: obviousTopic }
      const settings = { ...target, ...source, redisUrl, queue, merchants }
      return () => startOther(bench, { name: 'obvious', settings })
    },
    async ours() {
      await bench.append(topics.changes.name, changes)
      return () => startAlerts(bench, { profileFolder })
    },
  }
  return preparations[name]()
}
