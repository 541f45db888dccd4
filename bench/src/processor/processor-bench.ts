import { resolve } from 'node:path'
import { createVerb, type Verb } from '@signalbox/runtime/command-line'
import { z } from 'zod'
import { createProgress, type Env, tell, whole } from '../bench-run.ts'
import { countRegistrations } from './books.ts'
import { measureRebuilds } from './measure/rebuild.ts'
import { panelsOf } from './report/panels.ts'
import { headlineOf } from './report/results.ts'
import { rebuildTable, seriesTable } from './report/table.ts'
import { measureRounds } from './rounds.ts'
import { oneForEachPartition } from './streams.ts'
import { openWorkbench } from './workbench.ts'

const options = z.object({
  rounds: whole({ standard: 3, min: 1, max: 100 }, 'how often each stream is measured, in turns'),
  records: whole(
    { standard: 60_000, min: 1_000, max: 10_000_000 },
    'length of each stream, after the warm-up',
  ),
  warmUp: whole({ standard: 60_000, min: 0, max: 10_000_000 }, 'records before it that are not measured'),
  obviousRecords: whole(
    { standard: 3_000, min: 100, max: 1_000_000 },
    'length of the stream of the obvious implementation',
  ),
  rebuilds: whole(
    { standard: 3, min: 0, max: 100 },
    'how often Redis is emptied, when all streams are done; 0 leaves it out',
  ),
  partitions: whole({ standard: 12, min: 1, max: 1_000 }, 'partitions of the topics'),
  profile: z
    .boolean()
    .default(false)
    .meta({ description: 'leaves CPU profiles of the processor in the folder; it costs some speed' }),
  out: z
    .string()
    .default('bench-results')
    .meta({ description: 'folder of processor.json and processor.svg', value: 'DIR' }),
  short: z
    .boolean()
    .default(false)
    .meta({ description: 'only shows that it runs, in half a minute; its figures say nothing' }),
})

type Options = z.output<typeof options>

const shortOptions = { rounds: 1, records: 4_000, warmUp: 1_000, obviousRecords: 300, rebuilds: 1 }

/** `npm run bench -- processor` */
export function createProcessorBench({ env }: { env: Env }): Verb {
  return createVerb({
    name: 'processor',
    about:
      'Measures the processor on new, repeated, copied and mixed records, beside the obvious implementation.',
    more: help,
    options,
    run: (given) => run(given.short ? { ...given, ...shortOptions } : given, env),
  })
}

const help = `Each stream is a backlog that a process finds when it starts: the processor as it is in production, or the obvious
implementation, which takes one record at a time. Fresh: every record is a new registration. Repeated: the same contents,
signed anew, so that nothing but registers moves. Copied: the very same notifications once more, so that nothing moves
and nothing is published. Mixed: of ten records three are new registrations, two new contents, four repeats and one is an
exact copy. The streams take turns; figures are medians over the rounds, with the least and the greatest. They count from
when the warm-up is settled, during which Node compiles the program, to when all is, as the books in Redis say; the obvious
implementation has one in the same proportion, at most as long as its stream. CPU is user and system time of a process with
all its threads, divided by the records. Rebuild: Redis is emptied under a running processor and the raw topic holds nothing
any more, so that the view comes back from registration.state.v1 alone. Books or a number of registrations that are not as
they should be make the exit code 1. The last line of the output is one JSON object. SIGNALBOX_INFRA says where Kafka and
Redis come from, as for the demo; what is in that Redis is deleted.`

async function run(given: Options, env: Env): Promise<number> {
  const progress = createProgress()
  const { rounds, records, warmUp, obviousRecords, rebuilds: times, partitions } = given
  const profileFolder = given.profile ? resolve(given.out) : null
  await using bench = await openWorkbench({ env, partitions, progress })
  const measured = await measureRounds(bench, {
    rounds,
    records,
    warmUp,
    obviousRecords,
    profileFolder,
    progress,
  })
  const { series, registrations, said } = measured
  const found = await countRegistrations(bench.redis)
  const wrongCount =
    found === registrations ? [] : [`the view holds ${found} registrations instead of ${registrations}`]
  const { rebuilds, problems } = await measureRebuilds(bench, {
    times,
    registrations,
    wakers: oneForEachPartition(said, partitions),
    profileFolder,
    progress,
  })
  const headline = headlineOf({ series, rebuilds })
  return tell(
    {
      tables: [seriesTable({ series }), ...(rebuilds.length === 0 ? [] : [rebuildTable(rebuilds)])],
      panels: panelsOf({ series, rebuilds }),
      headline,
      results: { options: given, series, rebuilds },
      problems: [...measured.problems, ...wrongCount, ...problems],
    },
    { name: 'processor', out: given.out },
  )
}
