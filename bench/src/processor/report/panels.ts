import type { Bar, Panel } from '../../report/plot.ts'
import type { Measurement } from '../measure/measurement.ts'
import { figureOf, type Results, seriesNames, seriesTitles } from './results.ts'

/** What of the results is drawn. */
export function panelsOf({ series, rebuilds }: Results): Panel[] {
  const bars = (figure: (measurement: Measurement) => number | null): Bar[] =>
    seriesNames.map((name) => ({ label: seriesTitles[name], value: figureOf(series[name], figure) }))
  return [
    {
      title: 'Records per second',
      digits: 0,
      bars: bars(({ recordsPerSecond }) => recordsPerSecond),
    },
    { title: 'CPU of the worker per record, µs', digits: 0, bars: bars(({ cpuMicros }) => cpuMicros) },
    { title: 'CPU of Redis per record, µs', digits: 0, bars: bars(({ redisMicros }) => redisMicros) },
    { title: 'CPU of Kafka per record, µs', digits: 0, bars: bars(({ brokerMicros }) => brokerMicros) },
    {
      title: 'Registrations per second',
      digits: 0,
      bars: [
        {
          label: 'rebuild',
          value: figureOf(rebuilds, ({ registrationsPerSecond }) => registrationsPerSecond),
        },
      ],
    },
  ]
}
