import {
  countAnswered,
  countOutcomes,
  latenciesMs,
  type LoadPlan,
  type Outcome,
  partOfLoad,
  quantile,
  startLoad,
} from '@signalbox/testkit/load'
import type { MeasuredIngress } from './measured-ingress.ts'
import { readUsageOf } from '../../measure/process-usage.ts'

/** What one load showed. Latencies count from when a request fell due: in an open loop, waiting is in them. */
export type Measurement = {
  answers: Record<Outcome, number>
  /** Acknowledged per second, within the time of the load. */
  acksPerSecond: number
  p50Ms: number
  p99Ms: number
  p999Ms: number
  /** CPU per answered request: of the ingress with all its threads and replicas, of Kafka, of the generator. */
  cpuMicros: number
  /** Null when Kafka is no process of this run. */
  brokerMicros: number | null
  generatorMicros: number
  /** Of the ingress, at the end of the load. */
  rssMiB: number
}

/** The generator's own first steps are slow, so that what falls due in them counts in no latency and no rate. */
const leadInMs = 500

/** Runs one load of `durationMs`, after a short lead-in, against an ingress and measures what it costs. */
export async function measureLoad(
  { ingress, brokerPids }: { ingress: MeasuredIngress; brokerPids: readonly number[] },
  plan: Omit<LoadPlan, 'port'>,
): Promise<Measurement> {
  const usage = async () => ({
    ingress: await ingress.usage(),
    broker: await readUsageOf(brokerPids),
  })
  const before = await usage()
  const span = { fromMs: leadInMs, untilMs: leadInMs + plan.durationMs }
  await using load = startLoad({ ...plan, port: ingress.port, durationMs: span.untilMs })
  const record = await load.finished
  const after = await usage()
  const answers = countOutcomes(record)
  // What is refused costs less, and would make an acknowledgement look cheaper than it is.
  const answered = answers.S
  const latencies = latenciesMs(partOfLoad(record, span), ['S'])
  const micros = (ms: number) => (answered === 0 ? Number.NaN : (ms * 1000) / answered)
  return {
    answers,
    acksPerSecond: (countAnswered(record, ['S'], span) / plan.durationMs) * 1000,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    p999Ms: quantile(latencies, 0.999),
    cpuMicros: micros(after.ingress.cpuMs - before.ingress.cpuMs),
    brokerMicros: brokerPids.length === 0 ? null : micros(after.broker.cpuMs - before.broker.cpuMs),
    generatorMicros: micros(record.cpuMs),
    rssMiB: after.ingress.rssMiB,
  }
}
