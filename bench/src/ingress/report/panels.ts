import type { Bar, Panel } from '../../report/plot.ts'
import type { Measurement } from '../measure/measurement.ts'
import type { OverloadResult } from '../measure/overload.ts'
import { closedConnections, figureOf, type Series } from './results.ts'
import { loadTitle, titleOf } from './table.ts'

/** What of the results is drawn. */
export function panelsOf({
  series,
  overload,
}: {
  series: readonly Series[]
  overload: readonly OverloadResult[]
}): Panel[] {
  const closed = series.filter(({ load }) => load.kind === 'closed')
  const open = series.filter(({ load }) => load.kind === 'open')
  const steps = (figure: (result: OverloadResult) => number) =>
    overload.map((result) => {
      const value = figure(result)
      return { label: `${result.factor} × capacity`, value: { median: value, min: value, max: value } }
    })
  return [
    {
      title: 'Acknowledgements per second, closed loop',
      digits: 0,
      bars: bars(closed, ({ acksPerSecond }) => acksPerSecond),
    },
    {
      title: 'CPU of the ingress per notification, µs',
      digits: 0,
      bars: bars(closed, ({ cpuMicros }) => cpuMicros),
    },
    { title: 'p99 in the closed loop, ms', digits: 1, bars: bars(closed, ({ p99Ms }) => p99Ms) },
    { title: 'p99 in the open loop, ms', digits: 1, bars: bars(open, ({ p99Ms }) => p99Ms) },
    {
      title: 'Goodput under overload, % of capacity',
      digits: 0,
      bars: steps(({ goodputShare }) => goodputShare * 100),
    },
    {
      title: 'p99 of what was accepted under overload, ms',
      digits: 0,
      bars: steps(({ acceptedP99Ms }) => acceptedP99Ms),
    },
  ]
}

function bars(of: readonly Series[], figure: (measurement: Measurement) => number): Bar[] {
  return of.map((one) => ({ label: labelOf(one), value: figureOf(one, figure) }))
}

/** The usual load of a closed loop is not worth a word. */
function labelOf(series: Series): string {
  const { load } = series
  const isUsual = load.kind === 'closed' && load.connections === closedConnections
  return isUsual ? titleOf(series) : `${titleOf(series)}, ${loadTitle(load)}`
}
