import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import type { RegistrationChange } from '@signalbox/contracts/registration-change'
import { topics } from '@signalbox/contracts/topics'
import { quantile } from '@signalbox/testkit/load'
import { alertIdOf } from '../changes.ts'
import { sinkSeries } from '../endpoints.ts'
import type { Workbench } from '../workbench.ts'
import { startAlerts } from './measured-alerts.ts'

/** From when a change was handed to Kafka to when its alert came to a healthy endpoint. */
export type Latencies = { deliveries: number; p50Ms: number; p99Ms: number; mostMs: number }

/** A steady rate of healthy deliveries, and the same beside an endpoint that hangs. */
export type Skew = {
  without: Latencies
  beside: Latencies
  /** Calls to the hanging endpoint meanwhile. */
  hangingCalls: number
}

export type SkewOptions = {
  perSecond: number
  seconds: number
  /** Alerts that the hanging endpoint is owed; as many to healthy ones warm the process up. */
  backlog: number
  profileFolder: string | null
}

/** What falls due in the first moments of a load counts in no latency. */
const leadInSeconds = 2
const arrivalLimitMs = 60_000
const fanOutLimitMs = 120_000
const pollMs = 50

/**
 * Measures healthy deliveries of one process before and after another endpoint has got a backlog and hangs: the same
 * process, so that it is as warm and as far spread over the machine for both.
 *
 * @throws an Error when alerts do not come, or their jobs are not made
 */
export async function measureSkew(
  bench: Workbench,
  options: SkewOptions,
): Promise<{ skew: Skew; problems: string[] }> {
  const { perSecond, seconds, backlog, profileFolder } = options
  const { sink, merchants, changes } = bench
  await bench.clear()
  await bench.append(topics.changes.name, changes.take(backlog, merchants.healthy))
  await using worker = await startAlerts(bench, { profileFolder })
  await untilCame(backlog)
  await untilOwed(0)

  const without = await steadyLoad()
  await untilOwed(0)
  await bench.append(topics.changes.name, changes.take(backlog, [merchants.hanging]))
  await untilOwed(backlog)
  const callsBefore = (await sink.count(sinkSeries.hanging)).calls
  const beside = await steadyLoad()
  const { calls } = await sink.count(sinkSeries.hanging)

  // Or the process would wait for the calls under way before it stops.
  await sink.release()

  const healthy = await sink.count(sinkSeries.healthy)
  const problems = []
  if (healthy.calls !== healthy.alerts) {
    problems.push(`skew: ${healthy.calls} calls for ${healthy.alerts} alerts of healthy endpoints`)
  }
  if (calls === 0) problems.push('skew: the hanging endpoint was never called')
  return { skew: { without, beside, hangingCalls: calls - callsBefore }, problems }

  async function steadyLoad(): Promise<Latencies> {
    const before = (await sink.count(sinkSeries.healthy)).alerts
    const due = changes.take(Math.round(perSecond * (leadInSeconds + seconds)), merchants.healthy)
    const appendedAt = await appendSteadily(bench, due, { perSecond })
    await untilCame(before + due.length)
    const arrivals = await sink.arrivals(sinkSeries.healthy)
    const counted = due.slice(Math.round(perSecond * leadInSeconds))
    return latenciesOf(
      counted.map((change) => {
        const arrivedMs = arrivals.get(alertIdOf(change, change.registration.referenceMerchantId))
        const appendedMs = appendedAt.get(change)
        assert(arrivedMs !== undefined && appendedMs !== undefined, 'as many came as were appended')
        return arrivedMs - appendedMs
      }),
    )
  }

  async function untilCame(count: number): Promise<void> {
    await until(arrivalLimitMs, async () => {
      const { alerts } = await sink.count(sinkSeries.healthy)
      return alerts === count ? null : `${alerts} of ${count} alerts came to healthy endpoints`
    })
  }

  async function untilOwed(count: number): Promise<void> {
    await until(fanOutLimitMs, async () => {
      const owed = await bench.owed()
      return owed === count ? null : `${owed} alerts are owed instead of ${count}`
    })
  }

  /** Waits until there is nothing more to say. @throws what was said last when that takes too long */
  async function until(limitMs: number, unfinished: () => Promise<string | null>): Promise<void> {
    const giveUpAt = performance.now() + limitMs
    for (;;) {
      const said = await unfinished()
      if (said === null) return
      // Throws when the process has ended.
      await worker.usage()
      if (performance.now() > giveUpAt) throw new Error(`skew: after ${limitMs} ms ${said}`)
      await delay(pollMs)
    }
  }
}

/** Hands each change to Kafka when it falls due, whatever became of those before; when that was. */
async function appendSteadily(
  bench: Workbench,
  changes: readonly RegistrationChange[],
  { perSecond }: { perSecond: number },
): Promise<Map<RegistrationChange, number>> {
  const appendedAt = new Map<RegistrationChange, number>()
  const appends: Promise<void>[] = []
  const begun = performance.now()
  for (const [index, change] of changes.entries()) {
    const dueInMs = begun + (index * 1000) / perSecond - performance.now()
    if (dueInMs > 0) await delay(dueInMs)
    appendedAt.set(change, performance.timeOrigin + performance.now())
    const appending = bench.append(topics.changes.name, [change])
    // A failure is told when all have fallen due.
    appending.catch(() => undefined)
    appends.push(appending)
  }
  await Promise.all(appends)
  return appendedAt
}

export function latenciesOf(milliseconds: readonly number[]): Latencies {
  const ascending = Float64Array.from(milliseconds).toSorted()
  return {
    deliveries: ascending.length,
    p50Ms: quantile(ascending, 0.5),
    p99Ms: quantile(ascending, 0.99),
    mostMs: ascending.at(-1) ?? Number.NaN,
  }
}
