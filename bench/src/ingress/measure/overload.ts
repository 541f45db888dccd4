import {
  countAnswered,
  countOutcomes,
  latenciesMs,
  type LoadRecord,
  type Outcome,
  partOfLoad,
  quantile,
} from '@signalbox/testkit/load'

/** One span of an overload series, ms after the start of the load. */
export type OverloadStep = {
  factor: number
  fromMs: number
  untilMs: number
  perSecond: number
  quietUntilMs: number
}

export type OverloadPlan = {
  capacityPerSecond: number
  quietPerSecond: number
  /** Before the first step. */
  quietUntilMs: number
  steps: readonly OverloadStep[]
}

/** What the ingress had used at a moment of the load. */
export type UsageSample = { atMs: number; cpuMs: number; rssMiB: number }

export type OverloadResult = {
  factor: number
  plannedPerSecond: number
  /** What the generator managed to send: it has a share of the same machine. */
  sentPerSecond: number
  goodputPerSecond: number
  /** Of the capacity. */
  goodputShare: number
  /** Since they were sent, connecting included; waiting for a connection of the generator's is not. */
  acceptedP50Ms: number
  acceptedP99Ms: number
  /** Since they fell due: as a sender sees it whose own queue counts too. */
  acceptedSinceDueP99Ms: number
  refusalP99Ms: number
  answers: Record<Outcome, number>
  /** CPU of the ingress per answer, whatever it was. */
  cpuMicros: number
  /** Most that was held more than before the step, and what of it was left after the quiet load. */
  rssGrowthMiB: number
  rssLeftMiB: number
  /** From the end of the step to the beginning of the first half second that is quiet again; null: none was. */
  quietAfterMs: number | null
}

const overloadFactors = [2, 5, 10] as const

/** Quiet load is well below what the ingress can do. */
const quietShare = 0.2
const windowMs = 500
const windowStepMs = 50
/** So many times the p99 before the series is still called quiet. */
const quietFactor = 2

/** Each step is followed by quiet load. */
export function planOverload(options: {
  capacityPerSecond: number
  overloadMs: number
  quietMs: number
}): OverloadPlan {
  const { capacityPerSecond, overloadMs, quietMs } = options
  const steps = overloadFactors.map((factor, n) => {
    const fromMs = quietMs + n * (overloadMs + quietMs)
    const untilMs = fromMs + overloadMs
    return { factor, fromMs, untilMs, perSecond: factor * capacityPerSecond, quietUntilMs: untilMs + quietMs }
  })
  return { capacityPerSecond, quietPerSecond: quietShare * capacityPerSecond, quietUntilMs: quietMs, steps }
}

/** The rates of the whole series, for one generator: so the quiet load begins when the overload ends. */
export function ratesOf(plan: OverloadPlan) {
  const quiet = (fromMs: number) => ({ fromMs, perSecond: plan.quietPerSecond })
  const steps = plan.steps.flatMap(({ fromMs, untilMs, perSecond }) => [
    { fromMs, perSecond },
    quiet(untilMs),
  ])
  return [quiet(0), ...steps] as const
}

/** What each step of the series came to. */
export function readOverload(
  plan: OverloadPlan,
  { record, samples }: { record: LoadRecord; samples: readonly UsageSample[] },
): OverloadResult[] {
  // The first half of the quiet load before is the generator's own warm-up.
  const before = partOfLoad(record, { fromMs: plan.quietUntilMs / 2, untilMs: plan.quietUntilMs })
  const quietP99Ms = quantile(latenciesMs(before, ['S']), 0.99)
  return plan.steps.map((step) => {
    const { factor, fromMs, untilMs, perSecond, quietUntilMs } = step
    const part = partOfLoad(record, step)
    const seconds = (untilMs - fromMs) / 1000
    const answers = countOutcomes(part)
    const accepted = latenciesMs(part, ['S'], { since: 'sent' })
    const goodputPerSecond = countAnswered(record, ['S'], step) / seconds
    const answered = countAnswered(record, ['S', 'F', 'U'], step)
    const usedMs = usageAt(samples, untilMs).cpuMs - usageAt(samples, fromMs).cpuMs
    const rssBefore = usageAt(samples, fromMs).rssMiB
    const during = samples.filter(({ atMs }) => atMs >= fromMs && atMs <= quietUntilMs)
    return {
      factor,
      plannedPerSecond: perSecond,
      sentPerSecond: record.sentMs.filter((atMs) => atMs >= fromMs && atMs < untilMs).length / seconds,
      goodputPerSecond,
      goodputShare: goodputPerSecond / plan.capacityPerSecond,
      acceptedP50Ms: quantile(accepted, 0.5),
      acceptedP99Ms: quantile(accepted, 0.99),
      acceptedSinceDueP99Ms: quantile(latenciesMs(part, ['S']), 0.99),
      refusalP99Ms: quantile(latenciesMs(part, ['U'], { since: 'sent' }), 0.99),
      answers,
      cpuMicros: (usedMs * 1000) / answered,
      rssGrowthMiB: Math.max(0, ...during.map(({ rssMiB }) => rssMiB - rssBefore)),
      rssLeftMiB: usageAt(samples, quietUntilMs).rssMiB - rssBefore,
      quietAfterMs: quietAfter(record, { ...step, limitMs: quietFactor * quietP99Ms }),
    }
  })
}

/** The first window after the step in which all were acknowledged, with a p99 within the limit. */
function quietAfter(
  record: LoadRecord,
  { untilMs, quietUntilMs, limitMs }: { untilMs: number; quietUntilMs: number; limitMs: number },
): number | null {
  const quiet = partOfLoad(record, { fromMs: untilMs, untilMs: quietUntilMs })
  for (let fromMs = untilMs; fromMs + windowMs <= quietUntilMs; fromMs += windowStepMs) {
    const part = partOfLoad(quiet, { fromMs, untilMs: fromMs + windowMs })
    const acknowledged = latenciesMs(part, ['S'])
    const isQuiet = acknowledged.length === part.outcome.length && quantile(acknowledged, 0.99) <= limitMs
    if (isQuiet) return fromMs - untilMs
  }
  return null
}

/** The last sample up to that moment, else the first. */
function usageAt(samples: readonly UsageSample[], atMs: number): UsageSample {
  const sample = samples.findLast((candidate) => candidate.atMs <= atMs) ?? samples[0]
  return sample ?? { atMs, cpuMs: 0, rssMiB: 0 }
}
