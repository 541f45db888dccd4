import { createVerb, type Verb } from '@signalbox/runtime/command-line'
import { z } from 'zod'
import { createProgress, type Env, tell, whole } from '../bench-run.ts'
import { dearestVerifyCost } from './dear-key.ts'
import { startIngress } from './measure/measured-ingress.ts'
import { measureLoad } from './measure/measurement.ts'
import { type OverloadResult, planOverload } from './measure/overload.ts'
import { runOverload } from './measure/run-overload.ts'
import { panelsOf } from './report/panels.ts'
import { closedConnections, headlineOf, problemsOf } from './report/results.ts'
import { overloadTable, seriesTable } from './report/table.ts'
import { loadOf, measureRounds } from './rounds.ts'
import { variantNames } from './variants/variants.ts'
import { openWorkbench, type Workbench } from './workbench.ts'

const options = z.object({
  rounds: whole({ standard: 3, min: 1, max: 100 }, 'how often each variant is measured, in turns'),
  seconds: whole({ standard: 5, min: 1, max: 600 }, 'length of each closed loop'),
  openSeconds: whole({ standard: 5, min: 0, max: 600 }, 'length of each open loop; 0 leaves them out'),
  overloadSeconds: whole(
    { standard: 15, min: 0, max: 600 },
    'length of each step of overload; 0 leaves the series out',
  ),
  variants: z
    .string()
    .default(variantNames.join(','))
    .transform((list) => list.split(','))
    .pipe(z.array(z.enum(variantNames)))
    .meta({ description: `which of ${variantNames.join(', ')} are measured`, value: 'LIST' }),
  replicas: whole(
    { standard: 1, min: 1, max: 64 },
    'measures so many ingress processes on one port too, and one, both with 256 connections (Linux)',
  ),
  notifications: whole(
    { standard: 40_000, min: 1_000, max: 1_000_000 },
    'how many are signed before; after the last they are sent again',
  ),
  partitions: whole({ standard: 12, min: 1, max: 1_000 }, 'partitions of the topics'),
  verifyCost: whole(
    { standard: 1, min: 1, max: dearestVerifyCost },
    'so many times what a signature usually costs to verify, by the key of the client: lowers what an ingress can ' +
      'take, so that the generator reaches 10 × that. What is refused before its body is read costs what it did',
  ),
  out: z
    .string()
    .default('bench-results')
    .meta({ description: 'folder of ingress.json and ingress.svg', value: 'DIR' }),
  short: z
    .boolean()
    .default(false)
    .meta({ description: 'only shows that it runs, in less than a minute; its figures say nothing' }),
})

type Options = z.output<typeof options>

const shortOptions = { rounds: 1, seconds: 1, openSeconds: 2, overloadSeconds: 2, notifications: 4_000 }
/** In the first quarter of a minute under full load the compilers of Kafka's JVM take a fifth of a core. */
const usualPauses = { warmUpMs: 15_000, quietMs: 5_000 }
const shortPauses = { warmUpMs: 500, quietMs: 1_000 }

const overloadConnections = 1_024

/** `npm run bench -- ingress` */
export function createIngressBench({ env }: { env: Env }): Verb {
  return createVerb({
    name: 'ingress',
    about: 'Measures the ingress beside bare servers and beside the obvious implementation, all in one run.',
    more: help,
    options,
    run: (given) => run(given.short ? { ...given, ...shortOptions } : given, env),
  })
}

const help = `Each variant is a process of its own, on the same Kafka, and gets the same signed notifications from the same load
generator, which judges every answer: an answer that is wrong, badly signed, missing or (but for overload) no
acknowledgement makes the exit code 1. Variants take turns; figures are medians over the rounds, with the least and the
greatest. CPU is user and system time of the ingress process with all its threads, divided by the answers. Latencies of
open loops count from when a notification fell due. Overload: 2, 5 and 10 times what a closed loop has just reached,
each followed by quiet load of a fifth of that; it is quiet again when the p99 of half a second is at most twice that
before. The last line of the output is one JSON object. SIGNALBOX_INFRA says where Kafka comes from, as for the demo.`

async function run(given: Options, env: Env): Promise<number> {
  const progress = createProgress()
  const { warmUpMs, quietMs } = given.short ? shortPauses : usualPauses
  await using bench = await openWorkbench({ ...given, env, progress })
  const series = await measureRounds(bench, {
    rounds: given.rounds,
    closedMs: given.seconds * 1000,
    openMs: given.openSeconds * 1000,
    warmUpMs,
    variants: given.variants,
    replicas: given.replicas,
    progress,
  })
  const { capacityPerSecond, overload } =
    given.overloadSeconds === 0
      ? { capacityPerSecond: null, overload: [] }
      : await measureOverload(bench, {
          closedMs: given.seconds * 1000,
          overloadMs: given.overloadSeconds * 1000,
          quietMs,
          warmUpMs,
          progress,
        })
  const headline = headlineOf(series)
  const problems = problemsOf({ series, overload }, { refusalsAreFine: given.short })

  return tell(
    {
      tables: [
        seriesTable(series),
        ...(capacityPerSecond === null ? [] : [overloadTable(capacityPerSecond, overload)]),
      ],
      panels: panelsOf({ series, overload }),
      headline,
      results: { options: given, series, capacityPerSecond, overload },
      problems,
    },
    { name: 'ingress', out: given.out },
  )
}

/** One process takes it all, so that what an overload leaves behind is seen in the next. */
async function measureOverload(
  bench: Workbench,
  options: {
    closedMs: number
    overloadMs: number
    quietMs: number
    warmUpMs: number
    progress: (message: string) => void
  },
): Promise<{ capacityPerSecond: number; overload: OverloadResult[] }> {
  const { closedMs, overloadMs, quietMs, warmUpMs, progress } = options
  await using ingress = await startIngress(bench.surroundings, { name: 'ours' })
  const load = loadOf(bench, 'ours')
  const pace = { kind: 'closed', connections: closedConnections } as const
  const closedLoop = (durationMs: number) =>
    measureLoad({ ingress, brokerPids: [] }, { ...load, pace, durationMs })
  await closedLoop(warmUpMs)
  const { acksPerSecond: capacityPerSecond } = await closedLoop(closedMs)
  const plan = planOverload({ capacityPerSecond, overloadMs, quietMs })
  progress(`overload: 2, 5 and 10 times ${capacityPerSecond.toFixed(0)}/s`)
  const overload = await runOverload(ingress, { plan, connections: overloadConnections, load })
  return { capacityPerSecond, overload }
}
