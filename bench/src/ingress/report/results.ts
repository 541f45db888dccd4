import { type Spread, spreadOf } from '../../report/statistics.ts'
import type { Measurement } from '../measure/measurement.ts'
import type { OverloadResult } from '../measure/overload.ts'
import { type VariantName, variants } from '../variants/variants.ts'

export type LoadShape =
  | { kind: 'closed'; connections: number }
  | { kind: 'open'; perSecond: number; connections: number }

/** The same load on the same variant, once per round. */
export type Series = {
  variant: VariantName
  replicas: number
  load: LoadShape
  rounds: Measurement[]
}

export const closedConnections = 64

/** The figures that are compared from one run to the next; null where this run has not measured them. */
export type Headline = {
  ratioToObvious: number | null
  ratioToFastify: number | null
  cpuRatioToFastify: number | null
  cpuMicrosPerAck: number | null
  acksPerSecond: number | null
  p99Ms500: number | null
  p99Ms2000: number | null
}

/** Ratios are medians of the ratios within each round: the machine's speed drifts from one round to the next. */
export function headlineOf(all: readonly Series[]): Headline {
  const closed = (variant: VariantName) =>
    all.find(
      (series) =>
        series.variant === variant &&
        series.load.kind === 'closed' &&
        series.load.connections === closedConnections,
    )?.rounds ?? []
  const open = (perSecond: number) =>
    all.find(
      ({ variant, load }) => variant === 'ours' && load.kind === 'open' && load.perSecond === perSecond,
    )?.rounds ?? []
  const ratio = (to: VariantName, figure: (measurement: Measurement) => number) => {
    const others = closed(to)
    return medianOf(
      closed('ours').flatMap((own, round) => {
        const other = others[round]
        return other === undefined ? [] : [figure(own) / figure(other)]
      }),
    )
  }
  return {
    ratioToObvious: ratio('obvious', ({ acksPerSecond }) => acksPerSecond),
    ratioToFastify: ratio('fastify', ({ acksPerSecond }) => acksPerSecond),
    cpuRatioToFastify: ratio('fastify', ({ cpuMicros }) => cpuMicros),
    cpuMicrosPerAck: medianOf(closed('ours').map(({ cpuMicros }) => cpuMicros)),
    acksPerSecond: medianOf(closed('ours').map(({ acksPerSecond }) => acksPerSecond)),
    p99Ms500: medianOf(open(500).map(({ p99Ms }) => p99Ms)),
    p99Ms2000: medianOf(open(2_000).map(({ p99Ms }) => p99Ms)),
  }
}

/** A figure of a series over its rounds. */
export function figureOf(series: Series, figure: (measurement: Measurement) => number): Spread {
  return spreadOf(series.rounds.map(figure))
}

/**
 * Why the figures do not count: answers that are wrong, missing, or no acknowledgement. Refusals are the right answer
 * under overload and to more connections than one process has room for; on a busy machine they may be right anywhere,
 * which `refusalsAreFine` passes over.
 */
export function problemsOf(
  { series, overload }: { series: readonly Series[]; overload: readonly OverloadResult[] },
  { refusalsAreFine }: { refusalsAreFine: boolean },
): string[] {
  const wrong = ['F', 'malformed', 'badly signed', 'broken off', 'unanswered', 'unsent'] as const
  return [
    ...series.flatMap(({ variant, load, rounds }) =>
      rounds.flatMap(({ answers }) =>
        [...wrong, ...(refusalsAreFine || isCrowd(load) ? [] : (['U'] as const))]
          .filter((outcome) => answers[outcome] > 0)
          .map((outcome) => `${variants[variant].title}: ${answers[outcome]} × ${outcome}`),
      ),
    ),
    ...overload.flatMap(({ factor, answers }) =>
      // What the generator could not send is told in the table.
      wrong
        .filter((outcome) => outcome !== 'unsent' && answers[outcome] > 0)
        .map((outcome) => `overload ${factor}×: ${answers[outcome]} × ${outcome}`),
    ),
  ]
}

function isCrowd(load: LoadShape): boolean {
  return load.kind === 'closed' && load.connections > closedConnections
}

function medianOf(values: readonly number[]): number | null {
  const { median } = spreadOf(values)
  return Number.isNaN(median) ? null : Math.round(median * 1000) / 1000
}
