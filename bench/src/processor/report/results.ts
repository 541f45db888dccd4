import { type Spread, spreadOf } from '../../report/statistics.ts'
import type { Measurement } from '../measure/measurement.ts'
import type { Rebuild } from '../measure/rebuild.ts'

/** In the order in which each round measures them. */
export const seriesNames = ['fresh', 'repeated', 'copied', 'mixed', 'obvious'] as const
export type SeriesName = (typeof seriesNames)[number]

export const seriesTitles: Record<SeriesName, string> = {
  fresh: 'Signalbox, fresh',
  repeated: 'Signalbox, repeated',
  copied: 'Signalbox, copied',
  mixed: 'Signalbox, mixed',
  obvious: 'obvious, fresh',
}

export type Results = { series: Record<SeriesName, Measurement[]>; rebuilds: Rebuild[] }

/** The figures that are compared from one run to the next; null where this run has not measured them. */
export type Headline = {
  /** Records per second of a fresh stream. */
  ratioToObvious: number | null
  cpuMicrosPerRecord: number | null
  recordsPerSecond: number | null
  repeatsPerSecond: number | null
  repeatsToFresh: number | null
  copiesPerSecond: number | null
  mixedPerSecond: number | null
  /** Registrations. */
  rebuildPerSecond: number | null
}

/** Ratios are medians of the ratios within each round: the machine's speed drifts from one round to the next. */
export function headlineOf({ series, rebuilds }: Results): Headline {
  const ratio = (own: SeriesName, to: SeriesName) =>
    medianOf(
      series[own].flatMap((measurement, round) => {
        const other = series[to][round]
        return other === undefined ? [] : [rate(measurement) / rate(other)]
      }),
    )
  return {
    ratioToObvious: ratio('fresh', 'obvious'),
    cpuMicrosPerRecord: medianOf(series.fresh.map(({ cpuMicros }) => cpuMicros)),
    recordsPerSecond: medianOf(series.fresh.map(rate)),
    repeatsPerSecond: medianOf(series.repeated.map(rate)),
    repeatsToFresh: ratio('repeated', 'fresh'),
    copiesPerSecond: medianOf(series.copied.map(rate)),
    mixedPerSecond: medianOf(series.mixed.map(rate)),
    rebuildPerSecond: medianOf(rebuilds.map(({ registrationsPerSecond }) => registrationsPerSecond)),
  }
}

function rate({ recordsPerSecond }: Measurement): number {
  return recordsPerSecond
}

/** A figure over the rounds; what is null in all of them is NaN. */
export function figureOf<Item>(items: readonly Item[], figure: (item: Item) => number | null): Spread {
  return spreadOf(items.map((item) => figure(item) ?? Number.NaN))
}

function medianOf(values: readonly number[]): number | null {
  const { median } = spreadOf(values)
  return Number.isNaN(median) ? null : Math.round(median * 1000) / 1000
}
