import { parentPort, workerData } from 'node:worker_threads'
import { z } from 'zod'
import { type Mutant, plant } from './mutant.ts'
import { seedTask } from './run-seeds.ts'

// A thread of its own, because a run gives the thread another clock, and a mutant other code.
const { mutant } = z.object({ mutant: z.custom<Mutant>().nullable() }).parse(workerData)
if (mutant !== null) plant(mutant)
const { planOf } = await import('./plan.ts')
const { runPlan } = await import('./run-plan.ts')

parentPort?.on('message', (message: unknown) => {
  void run(seedTask.parse(message))
})

async function run({ seeds, stopAtFailure }: z.infer<typeof seedTask>): Promise<void> {
  const counts = new Map<string, number>()
  const failures: { seed: number; problems: readonly string[] }[] = []
  let done = 0
  for (const seed of seeds) {
    const result = await runPlan(planOf(seed))
    done += 1
    for (const [what, count] of result.counts) counts.set(what, (counts.get(what) ?? 0) + count)
    if (result.problems.length > 0) failures.push({ seed, problems: result.problems })
    if (stopAtFailure && failures.length > 0) break
  }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  parentPort?.postMessage({ seeds: done, counts, failures })
}
