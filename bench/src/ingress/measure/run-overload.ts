import { setInterval as every } from 'node:timers/promises'
import { type LoadPlan, startLoad } from '@signalbox/testkit/load'
import type { MeasuredIngress } from './measured-ingress.ts'
import {
  type OverloadPlan,
  type OverloadResult,
  ratesOf,
  readOverload,
  type UsageSample,
} from './overload.ts'

const sampledEveryMs = 200

/** Runs the whole series against one ingress. */
export async function runOverload(
  ingress: MeasuredIngress,
  options: {
    plan: OverloadPlan
    connections: number
    load: Omit<LoadPlan, 'port' | 'pace' | 'durationMs'>
  },
): Promise<OverloadResult[]> {
  const { plan, connections } = options
  const durationMs = plan.steps.at(-1)?.quietUntilMs ?? plan.quietUntilMs
  await using load = startLoad({
    ...options.load,
    port: ingress.port,
    pace: { kind: 'open', connections, perSecond: [...ratesOf(plan)] },
    durationMs,
  })
  const ended = new AbortController()
  const [record, samples] = await Promise.all([
    load.finished.finally(() => ended.abort()),
    sampleUsage(ingress, ended.signal),
  ])
  // Only the generator knows when it began.
  const sinceStart = samples.map((sample) => ({ ...sample, atMs: sample.atMs - record.startedAt }))
  return readOverload(plan, { record, samples: sinceStart })
}

/** With the time of day as `atMs`. */
async function sampleUsage(ingress: MeasuredIngress, ended: AbortSignal): Promise<UsageSample[]> {
  const samples: UsageSample[] = []
  for await (const _ of every(sampledEveryMs)) {
    if (ended.aborted) break
    samples.push({ atMs: Date.now(), ...(await ingress.usage()) })
  }
  return samples
}
