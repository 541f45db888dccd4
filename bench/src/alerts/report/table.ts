import { cell, textTable } from '../../report/text-table.ts'
import { type Measurement, memoryHalves } from '../measure/measurement.ts'
import type { Latencies, Skew } from '../measure/skew.ts'
import { figureOf, type Results, seriesNames, seriesTitles, skewRatio } from './results.ts'

type Column<Item> = { title: string; figure: (item: Item) => number | null; digits: number }

const columns: readonly Column<Measurement>[] = [
  { title: 'deliveries/s', figure: ({ deliveriesPerSecond }) => deliveriesPerSecond, digits: 0 },
  { title: 'with warm-up', figure: ({ wholePerSecond }) => wholePerSecond, digits: 0 },
  { title: 'CPU µs', figure: ({ cpuMicros }) => cpuMicros, digits: 0 },
  { title: 'Redis µs', figure: ({ redisMicros }) => redisMicros, digits: 0 },
  { title: 'Kafka µs', figure: ({ brokerMicros }) => brokerMicros, digits: 0 },
  { title: 'sink µs', figure: ({ sinkMicros }) => sinkMicros, digits: 0 },
  { title: 'RSS MiB', figure: mostMemory, digits: 0 },
]

const latencyColumns: readonly Column<Latencies>[] = [
  { title: 'p50 ms', figure: ({ p50Ms }) => p50Ms, digits: 1 },
  { title: 'p99 ms', figure: ({ p99Ms }) => p99Ms, digits: 1 },
  { title: 'most ms', figure: ({ mostMs }) => mostMs, digits: 1 },
]

/** One line per variant. */
export function seriesTable({ series }: Pick<Results, 'series'>): string {
  const rows = seriesNames
    .filter((name) => series[name] !== undefined)
    .map((name) => [seriesTitles[name], ...cells(columns, series[name])])
  return textTable(['variant', ...columns.map(({ title }) => title)], rows, { titles: 1 })
}

/** Healthy endpoints without and beside one that hangs. */
export function skewTable(skews: readonly Skew[]): string {
  const row = (title: string, of: (skew: Skew) => Latencies) => [
    title,
    ...cells(latencyColumns, skews.map(of)),
  ]
  const rows = [
    [...row('without', ({ without }) => without), '', ''],
    [
      ...row('beside a hanging one', ({ beside }) => beside),
      cell(figureOf(skews, skewRatio), 2),
      cell(
        figureOf(skews, ({ hangingCalls }) => hangingCalls),
        0,
      ),
    ],
  ]
  const head = [
    'healthy endpoints',
    ...latencyColumns.map(({ title }) => title),
    'p99 ratio',
    'calls to the hanging one',
  ]
  return textTable(head, rows, { titles: 1 })
}

/** Memory over one long backlog. */
export function memoryTable(memory: Measurement): string {
  const { firstMiB, secondMiB } = memoryHalves(memory)
  const head = ['RSS MiB in each tenth', ...memory.rssMiBOfTenths.map((_, tenth) => String(tenth + 1))]
  const row = [
    `${memory.deliveries} deliveries`,
    ...memory.rssMiBOfTenths.map((mib) => (Number.isNaN(mib) ? '–' : mib.toFixed(0))),
  ]
  return [
    textTable(head, [row], { titles: 1 }),
    `Most in the first half ${firstMiB.toFixed(0)} MiB, in the second ${secondMiB.toFixed(0)} MiB.`,
  ].join('\n')
}

export function mostMemory(measurement: Measurement): number {
  const { firstMiB, secondMiB } = memoryHalves(measurement)
  return Math.max(firstMiB, secondMiB)
}

function cells<Item>(of: readonly Column<Item>[], items: readonly Item[] | undefined): string[] {
  return of.map(({ figure, digits }) => cell(figureOf(items, figure), digits))
}
