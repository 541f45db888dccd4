import type { LoadPlan } from '@signalbox/testkit/load'
import { type MeasuredIngress, startIngress } from './measure/measured-ingress.ts'
import { type Measurement, measureLoad } from './measure/measurement.ts'
import { closedConnections, type LoadShape, type Series } from './report/results.ts'
import { loadTitle, titleOf } from './report/table.ts'
import { type VariantName, variants } from './variants/variants.ts'
import type { Workbench } from './workbench.ts'

export type RoundOptions = {
  rounds: number
  closedMs: number
  /** 0 leaves the open loops out. */
  openMs: number
  warmUpMs: number
  variants: readonly VariantName[]
  /** More than one are measured beside a single one, both with as many connections as several need. */
  replicas: number
  progress: (message: string) => void
}

const connectionsForReplicas = 256
const openConnections = 256
const openRates = [500, 2_000]
/** A rate so near to what an implementation can do at most says nothing but that. */
const headroom = 1.2

type Turn = { variant: VariantName; replicas: number; connections: number; isOpenToo: boolean }

/**
 * Measures all variants in turns, so that a machine that gets slower or faster does so to all of them. Their processes
 * live through all rounds: what is measured is a process that has run for a while, as one in production has.
 */
export async function measureRounds(bench: Workbench, options: RoundOptions): Promise<Series[]> {
  const all: Series[] = []
  await using processes = new AsyncDisposableStack()
  const turns: { turn: Turn; ingress: MeasuredIngress }[] = []
  for (const turn of turnsOf(options)) {
    const { variant, replicas, connections } = turn
    options.progress(`warming up ${titleOf({ variant, replicas })}`)
    const ingress = processes.use(await startIngress(bench.surroundings, { name: variant, replicas }))
    await measure({ ...turn, ingress }, { kind: 'closed', connections }, options.warmUpMs)
    turns.push({ turn, ingress })
  }
  for (let round = 1; round <= options.rounds; round++) {
    for (const { turn, ingress } of turns) await takeTurn({ ...turn, ingress }, round)
  }
  return all.toSorted((one, other) => order(one) - order(other))

  async function takeTurn(turn: Turn & { ingress: MeasuredIngress }, round: number): Promise<void> {
    const { variant, replicas, connections, isOpenToo } = turn
    const { acksPerSecond } = await note({ kind: 'closed', connections }, options.closedMs)
    if (!isOpenToo || options.openMs === 0) return
    for (const perSecond of openRates.filter((rate) => rate * headroom < acksPerSecond)) {
      await note({ kind: 'open', perSecond, connections: openConnections }, options.openMs)
    }

    async function note(load: LoadShape, durationMs: number): Promise<Measurement> {
      const measurement = await measure(turn, load, durationMs)
      const series = { variant, replicas, load }
      const { acksPerSecond, p99Ms } = measurement
      options.progress(
        `round ${round}: ${titleOf(series)}, ${loadTitle(load)}: ` +
          `${acksPerSecond.toFixed(0)}/s, p99 ${p99Ms.toFixed(1)} ms`,
      )
      const known = all.find((other) => isSame(other, series))
      if (known === undefined) all.push({ ...series, rounds: [measurement] })
      else known.rounds.push(measurement)
      return measurement
    }
  }

  function measure(
    { variant, ingress }: { variant: VariantName; ingress: MeasuredIngress },
    pace: LoadShape,
    durationMs: number,
  ): Promise<Measurement> {
    const { brokerPids } = bench
    return measureLoad({ ingress, brokerPids }, { ...loadOf(bench, variant), pace, durationMs })
  }
}

/** What every load on a variant has in common. */
export function loadOf(
  bench: Workbench,
  variant: VariantName,
): Omit<LoadPlan, 'port' | 'pace' | 'durationMs'> {
  return {
    requestsFile: bench.requests.file,
    uri: bench.client.uri,
    answerKey: bench.answerKey,
    plainAnswers: !variants[variant].isIngress,
  }
}

function turnsOf(options: RoundOptions): Turn[] {
  const turns = options.variants.map((variant) => ({
    variant,
    replicas: 1,
    connections: closedConnections,
    isOpenToo: variants[variant].isIngress,
  }))
  const several = { variant: 'ours', connections: connectionsForReplicas, isOpenToo: false } as const
  return options.replicas === 1
    ? turns
    : [...turns, { ...several, replicas: 1 }, { ...several, replicas: options.replicas }]
}

function isSame(one: Omit<Series, 'rounds'>, other: Omit<Series, 'rounds'>): boolean {
  return (
    one.variant === other.variant &&
    one.replicas === other.replicas &&
    JSON.stringify(one.load) === JSON.stringify(other.load)
  )
}

/** All closed loops first. */
function order({ load, replicas }: Series): number {
  return load.kind === 'open' ? load.perSecond : replicas - 100
}
