import { cell, textTable } from '../../report/text-table.ts'
import type { Measurement } from '../measure/measurement.ts'
import type { OverloadResult } from '../measure/overload.ts'
import { variants } from '../variants/variants.ts'
import { figureOf, type Series } from './results.ts'

type Column = { title: string; figure: (measurement: Measurement) => number | null; digits: number }

const columns: readonly Column[] = [
  { title: 'ack/s', figure: ({ acksPerSecond }) => acksPerSecond, digits: 0 },
  {
    title: 'refused %',
    figure: ({ answers }) => (answers.U / (answers.S + answers.U)) * 100,
    digits: 1,
  },
  { title: 'p50 ms', figure: ({ p50Ms }) => p50Ms, digits: 1 },
  { title: 'p99 ms', figure: ({ p99Ms }) => p99Ms, digits: 1 },
  { title: 'p99.9 ms', figure: ({ p999Ms }) => p999Ms, digits: 1 },
  { title: 'CPU µs', figure: ({ cpuMicros }) => cpuMicros, digits: 0 },
  { title: 'RSS MiB', figure: ({ rssMiB }) => rssMiB, digits: 0 },
  { title: 'Kafka µs', figure: ({ brokerMicros }) => brokerMicros, digits: 0 },
  { title: 'generator µs', figure: ({ generatorMicros }) => generatorMicros, digits: 0 },
]

/** One line per series: medians over the rounds, with the least and the greatest. */
export function seriesTable(all: readonly Series[]): string {
  const rows = all.map((series) => [
    titleOf(series),
    loadTitle(series.load),
    ...columns.map(({ figure, digits }) =>
      cell(
        figureOf(series, (measurement) => figure(measurement) ?? Number.NaN),
        digits,
      ),
    ),
  ])
  return textTable(['variant', 'load', ...columns.map(({ title }) => title)], rows, { titles: 2 })
}

/** One line per step. */
export function overloadTable(capacityPerSecond: number, results: readonly OverloadResult[]): string {
  const rows = results.map((result) => [
    `${result.factor} ×`,
    `${result.plannedPerSecond.toFixed(0)} (${result.sentPerSecond.toFixed(0)})`,
    `${result.goodputPerSecond.toFixed(0)} (${(result.goodputShare * 100).toFixed(0)} %)`,
    ms(result.acceptedP50Ms),
    `${ms(result.acceptedP99Ms)} (${ms(result.acceptedSinceDueP99Ms)})`,
    ms(result.refusalP99Ms),
    ...overloadOutcomes.map((outcome) => String(result.answers[outcome])),
    String(result.answers.unanswered + result.answers['broken off']),
    String(result.answers.unsent),
    result.cpuMicros.toFixed(0),
    `${result.rssGrowthMiB.toFixed(0)} (${result.rssLeftMiB.toFixed(0)})`,
    result.quietAfterMs === null ? 'not' : (result.quietAfterMs / 1000).toFixed(2),
  ])
  return [
    `Overload: ${capacityPerSecond.toFixed(0)}/s is what a closed loop just before reached, all three times the same process.`,
    'Generator, Kafka and ingress share the machine: "sent" is what of the plan the generator managed.',
    textTable(overloadHead, rows, { titles: 2 }),
  ].join('\n')
}

function ms(value: number): string {
  return Number.isNaN(value) ? '–' : value.toFixed(0)
}

const overloadOutcomes = ['S', 'U', 'F', 'malformed', 'badly signed'] as const

const overloadHead = [
  'load',
  'planned (sent)/s',
  'goodput/s',
  'accepted p50 ms',
  'p99 ms (since due)',
  'refusal p99 ms',
  ...overloadOutcomes,
  'broken off',
  'unsent',
  'CPU µs',
  'RSS + MiB (left)',
  'quiet after s',
]

export function titleOf({ variant, replicas }: Pick<Series, 'variant' | 'replicas'>): string {
  return variants[variant].title + (replicas > 1 ? ` × ${replicas}` : '')
}

export function loadTitle(load: Series['load']): string {
  return load.kind === 'closed' ? `${load.connections} connections` : `${load.perSecond}/s`
}
