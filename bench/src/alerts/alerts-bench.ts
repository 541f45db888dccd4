import { resolve } from 'node:path'
import { createVerb, type Verb } from '@signalbox/runtime/command-line'
import { z } from 'zod'
import { createProgress, type Env, tell, whole } from '../bench-run.ts'
import { startAlerts } from './measure/measured-alerts.ts'
import type { Measurement } from './measure/measurement.ts'
import { measureSkew, type Skew } from './measure/skew.ts'
import { panelsOf } from './report/panels.ts'
import { headlineOf, seriesNames, skewRatio } from './report/results.ts'
import { memoryTable, seriesTable, skewTable } from './report/table.ts'
import { measureRounds, measureSeries } from './rounds.ts'
import { openWorkbench, type Workbench } from './workbench.ts'

const options = z.object({
  rounds: whole({ standard: 3, min: 0, max: 100 }, 'how often each variant is measured, in turns'),
  alerts: whole({ standard: 40_000, min: 100, max: 10_000_000 }, 'length of each backlog, after the warm-up'),
  warmUp: whole({ standard: 10_000, min: 0, max: 10_000_000 }, 'alerts before it that are not measured'),
  variants: z
    .string()
    .default(seriesNames.join(','))
    .transform((list) => list.split(','))
    .pipe(z.array(z.enum(seriesNames)))
    .meta({ description: `which of ${seriesNames.join(', ')} are measured`, value: 'LIST' }),
  endpoints: whole({ standard: 240, min: 1, max: 10_000 }, 'endpoints that a backlog is spread over'),
  skewRounds: whole(
    { standard: 3, min: 0, max: 100 },
    'how often healthy endpoints are measured beside one that hangs; 0 leaves it out',
  ),
  skewSeconds: whole({ standard: 20, min: 1, max: 600 }, 'length of each of its two loads'),
  skewRate: whole({ standard: 200, min: 1, max: 10_000 }, 'alerts per second to its 99 healthy endpoints'),
  skewBacklog: whole(
    { standard: 10_000, min: 1, max: 1_000_000 },
    'alerts that its hanging endpoint is owed',
  ),
  memory: whole(
    { standard: 0, min: 0, max: 10_000_000 },
    'delivers so many by one process and shows its memory; 0 leaves it out',
  ),
  partitions: whole({ standard: 12, min: 1, max: 1_000 }, 'partitions of the topics'),
  profile: z
    .boolean()
    .default(false)
    .meta({ description: 'leaves CPU profiles of the alerts service in the folder; it costs some speed' }),
  out: z
    .string()
    .default('bench-results')
    .meta({ description: 'folder of alerts.json and alerts.svg', value: 'DIR' }),
  short: z
    .boolean()
    .default(false)
    .meta({ description: 'only shows that it runs, in less than a minute; its figures say nothing' }),
})

type Options = z.output<typeof options>

const shortOptions = {
  rounds: 1,
  alerts: 1_000,
  warmUp: 200,
  endpoints: 24,
  skewRounds: 1,
  skewSeconds: 2,
  skewRate: 100,
  skewBacklog: 300,
  memory: 0,
}

/** `npm run bench -- alerts` */
export function createAlertsBench({ env }: { env: Env }): Verb {
  return createVerb({
    name: 'alerts',
    about: 'Measures the alerts service beside bare undici, bare BullMQ and the obvious implementation.',
    more: help,
    options,
    run: (given) => run(given.short ? { ...given, ...shortOptions } : given, env),
  })
}

const help = `Every variant delivers the same signed webhooks, 100 at a time, to one sink in a process of its own, which counts them
and answers 204. (a) signs and posts, without a queue. (b) adds jobs that hold the body in
bulk and takes them from a BullMQ queue. (c) reads changes one at a time and adds one job for each. (d) is the alerts service as it is in
production: it reads changes, and keeps obligations, markers, receipts and its attempt log. The backlog of (c) and
(d) stands in Kafka when the process starts. Variants take turns, each on an empty Redis and empty topics; figures are
medians over the rounds, with the least and the greatest. They count from when the warm-up is delivered to when
all is. CPU is user and system time of a process with all its threads, divided by the deliveries. Skew: 99 healthy
endpoints get alerts at a steady rate, first by themselves, then beside one that never answers and is owed a backlog;
latency counts from when a change is handed to Kafka to when its alert is at the sink. Alerts that come not at all or
twice, a receipt that is missing or an alert that is still owed at the end make the exit code 1. The last line of the
output is one JSON object. SIGNALBOX_INFRA says where Kafka and Redis come from, as for the demo; what is in
that Redis, and in the topics of changes and receipts, is deleted.`

async function run(given: Options, env: Env): Promise<number> {
  const progress = createProgress()
  const profileFolder = given.profile ? resolve(given.out) : null
  await using bench = await openWorkbench({ ...given, env, progress })
  if (given.variants.includes('ours') || given.skewRounds > 0 || given.memory > 0) {
    progress('declaring the endpoints')
    const service = await startAlerts(bench, { profileFolder: null })
    await service[Symbol.asyncDispose]()
  }
  const { series, problems } = await measureRounds(bench, { ...given, profileFolder, progress })
  const skew = await measureSkews(bench, { ...given, profileFolder, progress })
  const long = await measureMemory(bench, { ...given, profileFolder, progress })
  const results = { series, skews: skew.skews, memory: long.memory }
  return tell(
    {
      tables: [
        seriesTable(results),
        ...(results.skews.length === 0 ? [] : [skewTable(results.skews)]),
        ...(results.memory === null ? [] : [memoryTable(results.memory)]),
      ],
      panels: panelsOf(results),
      headline: headlineOf(results),
      results: { options: given, ...results },
      problems: [...problems, ...skew.problems, ...long.problems],
    },
    { name: 'alerts', out: given.out },
  )
}

type Measuring = Options & { profileFolder: string | null; progress: (message: string) => void }

async function measureSkews(bench: Workbench, options: Measuring) {
  const { skewRounds, skewRate, skewSeconds, skewBacklog, profileFolder, progress } = options
  const skews: Skew[] = []
  const problems: string[] = []
  for (let round = 1; round <= skewRounds; round++) {
    const measured = await measureSkew(bench, {
      perSecond: skewRate,
      seconds: skewSeconds,
      backlog: skewBacklog,
      profileFolder,
    })
    const { without, beside } = measured.skew
    progress(
      `skew ${round}: p99 ${without.p99Ms.toFixed(1)} ms, beside a hanging one ${beside.p99Ms.toFixed(1)} ms ` +
        `(${skewRatio(measured.skew).toFixed(2)})`,
    )
    skews.push(measured.skew)
    problems.push(...measured.problems)
  }
  return { skews, problems }
}

async function measureMemory(
  bench: Workbench,
  { memory: alerts, profileFolder, progress }: Measuring,
): Promise<{ memory: Measurement | null; problems: readonly string[] }> {
  if (alerts === 0) return { memory: null, problems: [] }
  progress(`memory: ${alerts} alerts`)
  const { measurement, problems } = await measureSeries(bench, 'ours', { alerts, warmUp: 0, profileFolder })
  return { memory: measurement, problems }
}
