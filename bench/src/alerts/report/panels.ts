import type { Bar, Panel } from '../../report/plot.ts'
import type { Measurement } from '../measure/measurement.ts'
import { figureOf, type Results, seriesNames, seriesTitles } from './results.ts'
import { mostMemory } from './table.ts'

/** What of the results is drawn. */
export function panelsOf({ series, skews }: Results): Panel[] {
  const bars = (figure: (measurement: Measurement) => number | null): Bar[] =>
    seriesNames.map((name) => ({ label: seriesTitles[name], value: figureOf(series[name], figure) }))
  return [
    {
      title: 'Deliveries per second',
      digits: 0,
      bars: bars(({ deliveriesPerSecond }) => deliveriesPerSecond),
    },
    { title: 'CPU of the worker per delivery, µs', digits: 0, bars: bars(({ cpuMicros }) => cpuMicros) },
    { title: 'CPU of Redis per delivery, µs', digits: 0, bars: bars(({ redisMicros }) => redisMicros) },
    { title: 'CPU of Kafka per delivery, µs', digits: 0, bars: bars(({ brokerMicros }) => brokerMicros) },
    { title: 'Most memory of the worker, MiB', digits: 0, bars: bars(mostMemory) },
    {
      title: 'p99 from change to healthy endpoint, ms',
      digits: 1,
      bars: [
        { label: 'without a hanging one', value: figureOf(skews, ({ without }) => without.p99Ms) },
        { label: 'beside a hanging one', value: figureOf(skews, ({ beside }) => beside.p99Ms) },
      ],
    },
  ]
}
