import { type Spread, spreadOf } from '../../report/statistics.ts'
import { type Measurement, memoryHalves } from '../measure/measurement.ts'
import type { Skew } from '../measure/skew.ts'

/** In the order in which each round measures them. */
export const seriesNames = ['bare', 'bullmq', 'obvious', 'ours'] as const
export type SeriesName = (typeof seriesNames)[number]

export const seriesTitles: Record<SeriesName, string> = {
  bare: '(a) bare undici',
  bullmq: '(b) bare BullMQ',
  obvious: '(c) obvious',
  ours: '(d) Signalbox',
}

export type Results = {
  series: Partial<Record<SeriesName, Measurement[]>>
  skews: Skew[]
  /** One long backlog of ours; null: left out. */
  memory: Measurement | null
}

/** The figures that are compared from one run to the next; null where this run has not measured them. */
export type Headline = {
  /** Deliveries per second of ours, to those of the others. */
  ratioToBareBullmq: number | null
  ratioToObvious: number | null
  ratioToBareUndici: number | null
  deliveriesPerSecond: number | null
  cpuMicrosPerDelivery: number | null
  /** The p99 of healthy deliveries beside an endpoint that hangs, to that without. */
  skewP99Ratio: number | null
  skewP99Ms: number | null
  /** The most memory in the second half of a long backlog, to that in the first. */
  memoryGrowth: number | null
}

/** Ratios are medians of the ratios within each round: the machine's speed drifts from one round to the next. */
export function headlineOf({ series, skews, memory }: Results): Headline {
  const { ours = [] } = series
  const ratioTo = (others: readonly Measurement[] = []) =>
    medianOf(
      ours.flatMap((measurement, round) => {
        const other = others[round]
        return other === undefined ? [] : [rate(measurement) / rate(other)]
      }),
    )
  return {
    ratioToBareBullmq: ratioTo(series.bullmq),
    ratioToObvious: ratioTo(series.obvious),
    ratioToBareUndici: ratioTo(series.bare),
    deliveriesPerSecond: medianOf(ours.map(rate)),
    cpuMicrosPerDelivery: medianOf(ours.map(({ cpuMicros }) => cpuMicros)),
    skewP99Ratio: medianOf(skews.map(skewRatio)),
    skewP99Ms: medianOf(skews.map(({ beside }) => beside.p99Ms)),
    memoryGrowth: medianOf(memory === null ? [] : [growthOf(memory)]),
  }
}

export function skewRatio({ without, beside }: Skew): number {
  return beside.p99Ms / without.p99Ms
}

function growthOf(memory: Measurement): number {
  const { firstMiB, secondMiB } = memoryHalves(memory)
  return secondMiB / firstMiB
}

function rate({ deliveriesPerSecond }: Measurement): number {
  return deliveriesPerSecond
}

/** A figure over the rounds; what is null in all of them is NaN. */
export function figureOf<Item>(
  items: readonly Item[] | undefined,
  figure: (item: Item) => number | null,
): Spread {
  return spreadOf((items ?? []).map((item) => figure(item) ?? Number.NaN))
}

function medianOf(values: readonly number[]): number | null {
  const { median } = spreadOf(values)
  return Number.isNaN(median) ? null : Math.round(median * 1000) / 1000
}
