import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createVerb } from '@signalbox/runtime/command-line'
import { StartProblem } from '@signalbox/runtime/start-problem'
import { z } from 'zod'
import { faultKinds } from './fault-kinds.ts'
import { runMutants, seedsPerMutant } from './mutants.ts'
import { type Plan, plan as planSchema, planOf } from './plan.ts'
import { runPlan } from './run-plan.ts'
import { runSeeds, type SeedsResult } from './run-seeds.ts'
import { shrink } from './shrink.ts'

const standardSeeds = 20_000
const wholeNumber = z.coerce.number().int().nonnegative()

/** With fewer seeds a rare fault may find no occasion. */
const seedsForEveryFault = 1_000
const shownFailures = 5
const failuresFolder = 'test-results'

/** `npm run sim`: without a choice all seeds, else one of them, a plan that was kept, or the mutants. */
export const simVerb = createVerb({
  name: 'sim --',
  about:
    'Runs the production code of processor, rebuild and fan-out on Kafka, Redis and clock in memory, and lets every ' +
    'wait of it crash, stall, fail or come late; then compares all that came of it with the naive oracle.',
  more:
    'The last line is one JSON object: seeds, failing, faults; with --mutants: mutants, caught.\n' +
    'Exit code 1: a seed fails, a fault never took effect, or a mutant was not caught.',
  options: z.object({
    seeds: wholeNumber
      .min(1)
      .optional()
      .meta({
        description: `how many seeds to run (default ${standardSeeds}; with --mutants ${seedsPerMutant} each)`,
        value: 'N',
      }),
    from: wholeNumber.default(1).meta({ description: 'the first of them', value: 'SEED' }),
    seed: wholeNumber.optional().meta({ description: 'run this one alone', value: 'SEED' }),
    replay: z
      .string()
      .optional()
      .meta({ description: 'run a plan that a failing run has kept', value: 'FILE' }),
    trace: z.boolean().default(false).meta({ description: 'with --seed or --replay: print every step' }),
    mutants: z
      .boolean()
      .default(false)
      .meta({ description: 'plant known faults in the production code, one at a time, until a seed tells' }),
    only: z
      .string()
      .optional()
      .meta({ description: 'with --mutants: those whose name holds this', value: 'TEXT' }),
  }),
  async run({ seeds, from, seed, replay, trace, mutants, only }) {
    if (mutants) return runMutants({ first: from, count: seeds ?? seedsPerMutant, only, print })
    if (replay !== undefined) return runOne(readPlan(replay), { trace })
    if (seed !== undefined) return runOne(planOf(seed), { trace })
    return runAll({ first: from, count: seeds ?? standardSeeds })
  },
})

async function runAll(range: { first: number; count: number }): Promise<number> {
  const since = performance.now()
  let told = since
  const result = await runSeeds({
    ...range,
    onProgress({ seeds, failures }) {
      if (performance.now() - told < 5_000) return
      told = performance.now()
      print(`${seeds} of ${range.count} seeds, ${failures.length} failing`)
    },
  })
  const seconds = ((performance.now() - since) / 1000).toFixed(1)
  print(`${result.seeds} seeds in ${seconds} s, ${result.failures.length} failing`)
  for (const { seed, problems } of result.failures.slice(0, shownFailures)) {
    print(`seed ${seed} (npm run sim -- --seed ${seed} --trace):`)
    for (const problem of problems.slice(0, 3)) print(`  ${problem}`)
  }
  const [first] = result.failures
  if (first !== undefined)
    print(`The smallest plan that fails like it: ${await keepSmallest(planOf(first.seed))}`)

  const missing = result.seeds < seedsForEveryFault ? [] : faultsWithoutEffect(result)
  if (missing.length > 0) print(`Never took effect: ${missing.join(', ')}`)
  const faults = sorted(result.counts)
  print(JSON.stringify({ seeds: result.seeds, failing: result.failures.length, faults }))
  return result.failures.length > 0 || missing.length > 0 ? 1 : 0
}

function faultsWithoutEffect({ counts }: SeedsResult): string[] {
  return [...faultKinds].filter((kind) => !counts.has(kind))
}

async function runOne(plan: Plan, { trace }: { trace: boolean }): Promise<number> {
  const { problems, counts, steps } = await runPlan(plan, trace ? print : undefined)
  for (const problem of problems) print(problem)
  if (problems.length > 0) print(`The smallest plan that fails like it: ${await keepSmallest(plan)}`)
  const faults = sorted(counts)
  print(JSON.stringify({ seeds: 1, failing: problems.length > 0 ? 1 : 0, steps, faults }))
  return problems.length > 0 ? 1 : 0
}

async function keepSmallest(plan: Plan): Promise<string> {
  const smallest = await shrink(plan, async (smaller) => (await runPlan(smaller)).problems.length > 0)
  mkdirSync(failuresFolder, { recursive: true })
  const file = `${failuresFolder}/sim-${plan.seed}.json`
  writeFileSync(file, `${JSON.stringify(smallest, null, 2)}\n`)
  return (
    `${smallest.records.length} records, faults: ${smallest.faults.map(({ kind }) => kind).join(', ')} ` +
    `(npm run sim -- --replay ${file} --trace)`
  )
}

function readPlan(file: string): Plan {
  try {
    return planSchema.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new StartProblem(`${file} is no plan of a simulation: ${why}`)
  }
}

function sorted(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].toSorted(([left], [right]) => (left < right ? -1 : 1)))
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
