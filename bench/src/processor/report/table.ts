import { cell, textTable } from '../../report/text-table.ts'
import type { Measurement } from '../measure/measurement.ts'
import type { Rebuild } from '../measure/rebuild.ts'
import { figureOf, type Results, seriesNames, seriesTitles } from './results.ts'

type Column<Item> = { title: string; figure: (item: Item) => number | null; digits: number }

const columns: readonly Column<Measurement>[] = [
  { title: 'records/s', figure: ({ recordsPerSecond }) => recordsPerSecond, digits: 0 },
  { title: 'CPU µs', figure: ({ cpuMicros }) => cpuMicros, digits: 1 },
  { title: 'Redis µs', figure: ({ redisMicros }) => redisMicros, digits: 1 },
  { title: 'Kafka µs', figure: ({ brokerMicros }) => brokerMicros, digits: 1 },
  { title: 'RSS MiB', figure: ({ rssMiB }) => rssMiB, digits: 0 },
  { title: 'records', figure: ({ records }) => records, digits: 0 },
]

const rebuildColumns: readonly Column<Rebuild>[] = [
  { title: 'registrations/s', figure: ({ registrationsPerSecond }) => registrationsPerSecond, digits: 0 },
  { title: 'CPU µs', figure: ({ cpuMicros }) => cpuMicros, digits: 1 },
  { title: 'seconds', figure: ({ seconds }) => seconds, digits: 1 },
  { title: 'registrations', figure: ({ registrations }) => registrations, digits: 0 },
  { title: 'state records', figure: ({ stateRecords }) => stateRecords, digits: 0 },
]

/** One line per stream: medians over the rounds, with the least and the greatest. */
export function seriesTable({ series }: Pick<Results, 'series'>): string {
  const rows = seriesNames.map((name) => [seriesTitles[name], ...cells(columns, series[name])])
  return textTable(['stream', ...columns.map(({ title }) => title)], rows, { titles: 1 })
}

export function rebuildTable(rebuilds: readonly Rebuild[]): string {
  const rows = [['rebuild after FLUSHALL', ...cells(rebuildColumns, rebuilds)]]
  return textTable(['', ...rebuildColumns.map(({ title }) => title)], rows, { titles: 1 })
}

function cells<Item>(of: readonly Column<Item>[], items: readonly Item[]): string[] {
  return of.map(({ figure, digits }) => cell(figureOf(items, figure), digits))
}
