import { partitionOf } from '@signalbox/kafka/partition'
import { differencesOf } from './check.ts'
import { compact, createMeddler, expireRaw, partitionsOf } from './faults.ts'
import { isForgetting, type Plan, type PlannedRecord } from './plan.ts'
import { createWorld, rawKeyOf, type World } from './world.ts'
import type { Meddler } from './scheduler.ts'
import { installClock } from './virtual-clock.ts'

export type RunResult = {
  /** What is wrong; empty: nothing. */
  problems: readonly string[]
  /** How often each fault took effect, and what the system did about it. */
  counts: ReadonlyMap<string, number>
  steps: number
}

/** Within so many steps everything has to be done, with faults or without. */
const mostSteps = 20_000

/** Runs a plan to its end and compares; `note` is told of every step. */
export async function runPlan(plan: Plan, note?: (line: string) => void): Promise<RunResult> {
  const world = createWorld(plan, note)
  const problems = await problemsOf(world)
  return { problems, counts: world.counts, steps: world.scheduler.steps() }
}

async function problemsOf(world: World): Promise<readonly string[]> {
  try {
    await runWorld(world)
    const problem = world.problem()
    return problem === null ? differencesOf(world) : [problem]
  } catch (error) {
    // Something that no reader of it can read is wrong too.
    return [String(error)]
  }
}

/** Lets everything happen that a world's plan holds, then heals it. The thread's clock is the world's meanwhile. */
export async function runWorld(world: World): Promise<void> {
  const giveBack = installClock(world.nowOfCurrentMs)
  const unhandled = (error: unknown) =>
    world.fail(`an error that nobody handles ends the process: ${String(error)}`)
  process.on('unhandledRejection', unhandled)
  try {
    const meddle = createMeddler(world)
    scheduleRecords(world)
    await toRest(world, meddle)
    world.note('--- no more faults')
    world.outages.length = 0
    for (let round = 0; round < 2; round++) {
      for (const partition of partitionsOf(world)) receiveClosing(world, { partition, round })
      await toRest(world, () => false)
      // Compaction takes what is old enough, and then nothing may be missing.
      world.clock.advance(2 * world.plan.compactionLagMs)
      compact(world)
    }
  } finally {
    process.off('unhandledRejection', unhandled)
    giveBack()
  }
}

/** Goes on until nothing is left to happen. */
async function toRest(world: World, meddle: Meddler): Promise<void> {
  const { scheduler } = world
  const end = scheduler.steps() + mostSteps
  const watched: Meddler = (step) => {
    if (world.isTraced) world.note(`${scheduler.steps()} ${step.process.name} ${step.half} ${step.what}`)
    return meddle(step)
  }
  while (world.problem() === null && (await scheduler.step(watched))) {
    if (scheduler.steps() > end) world.fail('it does not come to rest')
  }
}

function scheduleRecords(world: World): void {
  let afterMs = 0
  for (const record of world.plan.records) {
    afterMs += record.afterMs
    world.clock.after(afterMs, () => receive(world, record))
  }
}

const hourMs = 60 * 60 * 1_000

/** Who forgets a registration looks at the view first, and by then what led to its erasure has left the raw topic. */
function receive(world: World, record: PlannedRecord): void {
  const partition = partitionOf(rawKeyOf(record), world.plan.partitions)
  if (isForgetting(record) && !expireRaw(world, partition).isDone) {
    return world.clock.after(hourMs, () => receive(world, record))
  }
  world.note(`receives ${record.kind} ${record.merchant} ${record.body}`)
  world.receive(record)
}

/** Mail that makes a change in a partition, so that whoever works on it looks at what it has. */
function receiveClosing(world: World, { partition, round }: { partition: number; round: number }): void {
  const { partitions } = world.plan
  const clientId = 'client'
  for (let number = 0; ; number++) {
    const merchant = `closing-${number}`
    if (partitionOf(rawKeyOf({ clientId, merchant }), partitions) !== partition) continue
    const body = JSON.stringify({
      referenceMerchantId: merchant,
      registrationRequestId: `R${round}`,
      registrationResult: { registrationStatus: round === 0 ? 'PENDING' : 'COMPLETED' },
    })
    return world.receive({ kind: 'notification', clientId, merchant, body, signedBeforeMs: 0 })
  }
}
