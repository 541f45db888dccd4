import { mkdirSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { createVerb } from '@signalbox/runtime/command-line'
import { z } from 'zod'
import type { Env } from './parts.ts'
import { describePlan, faultKinds, planOf } from './plan.ts'
import { type ChaosRun, runPlan } from './run-plan.ts'

const standardSeeds = 20
const standardAlerts = 1_500
/** With fewer seeds a kind of fault may not be drawn. */
const seedsForEveryFault = 20
const shownHistories = 3
const failuresFolder = 'test-results'
/** Longer than a job's lock; the longer ones than a consumer's session, too. */
export const quickStops = { leastMs: 4_000, mostMs: 8_000 }
const asBuiltStops = { leastMs: 35_000, mostMs: 45_000 }

const wholeNumber = z.coerce.number().int()

/** `npm run alerts-chaos`: the alerts service on real parts, under the faults that each seed has planned. */
export function createAlertsChaosVerb({ env }: { env: Env }) {
  return createVerb({
    name: 'alerts-chaos --',
    about:
      'Runs the alerts service on a real Kafka and a real queue Redis of its own, kills and stops its processes, kills, ' +
      'cuts and flushes that Redis, and compares what was owed with what the endpoints got.',
    more:
      'Each seed prints its schedule first. The last line is one JSON object.\n' +
      'Exit code 1: an alert is lost, or was taken twice although its answer came in time and no fault cut it off, or ' +
      'has no marker, or ' +
      `of ${seedsForEveryFault} or more seeds a kind of fault never took effect.`,
    options: z.object({
      seeds: wholeNumber
        .min(1)
        .default(standardSeeds)
        .meta({ description: 'how many seeds to run', value: 'N' }),
      from: wholeNumber.default(1).meta({ description: 'the first of them', value: 'SEED' }),
      seed: wholeNumber.optional().meta({ description: 'run this one alone', value: 'SEED' }),
      alerts: wholeNumber
        .min(50)
        .max(100_000)
        .default(standardAlerts)
        .meta({ description: 'alerts that are owed in a run', value: 'N' }),
      asBuilt: z
        .boolean()
        .default(false)
        .meta({ description: 'with the pauses that the service has in production: minutes for a seed' }),
      build: z.string().optional().meta({
        description: 'a module that each alerts process loads first, to plant a fault',
        value: 'FILE',
      }),
    }),
    async run({ seeds, from, seed, alerts, asBuilt, build }) {
      const list = seed === undefined ? Array.from({ length: seeds }, (_, index) => from + index) : [seed]
      const stops = asBuilt ? asBuiltStops : quickStops
      const runs: ChaosRun[] = []
      for (const each of list) {
        const plan = planOf(each, { alerts, stops })
        print(describePlan(plan))
        const run = await runPlan(plan, {
          env,
          asBuilt,
          build: build === undefined ? null : pathToFileURL(build).href,
          keepIn: keptAt(each),
        })
        runs.push(run)
        tell(run)
      }
      const effects = effectsOf(runs)
      const missing = list.length < seedsForEveryFault ? [] : faultKinds.filter((kind) => effects[kind] === 0)
      if (missing.length > 0) print(`Never took effect: ${missing.join(', ')}`)
      print(JSON.stringify(totalOf(runs)))
      return missing.length > 0 || runs.some(({ problems }) => problems.length > 0) ? 1 : 0
    },
  })
}

function tell(run: ChaosRun): void {
  const { findings, strikes, plan } = run
  for (const { fault, startedMs, endedMs, owed, mark } of strikes) {
    print(`  ${fault.kind} for ${endedMs - startedMs} ms with ${owed} owed: ${mark ?? 'no effect'}`)
  }
  print(
    `  ${(run.tookMs / 1_000).toFixed(1)} s: ${findings.lost.length} lost, ${findings.doubled} taken twice, ` +
      `${findings.cutSends} answers cut off (${cutsOf(findings)}), ` +
      `${findings.unexplained.length} unexplained, ${findings.repeatedReceipts} receipts repeated, ` +
      `${findings.markersRebuilt} markers rebuilt, ${run.endedByItself} processes ended by themselves`,
  )
  if (run.problems.length === 0) return
  for (const problem of run.problems) print(`  ${problem}`)
  for (const history of findings.unexplained.slice(0, shownHistories)) print(`  ${JSON.stringify(history)}`)
  const folder = keptAt(plan.seed)
  mkdirSync(folder, { recursive: true })
  writeFileSync(`${folder}/run.json`, `${JSON.stringify(run, null, 2)}\n`)
  print(`  All of it: ${folder}. Again: npm run alerts-chaos -- --seed ${plan.seed} --alerts ${plan.alerts}`)
}

const keptAt = (seed: number) => `${failuresFolder}/alerts-chaos-${seed}`

function cutsOf({ cutBy, longestCutMs }: ChaosRun['findings']): string {
  const counts = [...cutBy].map(([kind, count]) => `${kind}: ${count}`)
  return [...counts, `at most ${longestCutMs} ms before the fault`].join(', ')
}

/** Of each kind of fault, how many took effect. */
function effectsOf(runs: readonly ChaosRun[]): Record<string, number> {
  const effective = runs.flatMap(({ strikes }) => strikes).filter(({ mark }) => mark !== null)
  return Object.fromEntries(
    faultKinds.map((kind) => [kind, effective.filter(({ fault }) => fault.kind === kind).length]),
  )
}

function totalOf(runs: readonly ChaosRun[]) {
  const sum = (of: (run: ChaosRun) => number) => runs.reduce((total, run) => total + of(run), 0)
  return {
    seeds: runs.length,
    failing: runs.filter(({ problems }) => problems.length > 0).length,
    alerts: sum(({ plan }) => plan.alerts),
    lost: sum(({ findings }) => findings.lost.length),
    doubled: sum(({ findings }) => findings.doubled),
    cutSends: sum(({ findings }) => findings.cutSends),
    unexplainedDoubles: sum(({ findings }) => findings.unexplained.length),
    repeatedReceipts: sum(({ findings }) => findings.repeatedReceipts),
    markersRebuilt: sum(({ findings }) => findings.markersRebuilt),
    withoutMarker: sum(({ findings }) => findings.withoutMarker.length),
    endedByThemselves: sum(({ endedByItself }) => endedByItself),
    faults: effectsOf(runs),
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
