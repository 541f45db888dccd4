import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { z } from 'zod'
import type { Mutant } from './mutant.ts'

export const seedTask = z.object({ seeds: z.array(z.number()), stopAtFailure: z.boolean() })

const seedResult = z.object({
  seeds: z.number(),
  counts: z.map(z.string(), z.number()),
  failures: z.array(z.object({ seed: z.number(), problems: z.array(z.string()) })),
})

export type Failure = z.infer<typeof seedResult>['failures'][number]

export type SeedsResult = {
  seeds: number
  failures: readonly Failure[]
  /** How often each fault took effect, and what the system did about it. */
  counts: ReadonlyMap<string, number>
}

const program = fileURLToPath(new URL('seed-thread.ts', import.meta.url))
const seedsPerTask = 25

/**
 * Runs seeds from `first` on in threads, as many as the machine can run at once.
 *
 * @param stopAtFailure ends with the first failing seed that a thread meets
 * @throws when a thread breaks
 */
export async function runSeeds(options: {
  first: number
  count: number
  mutant?: Mutant
  stopAtFailure?: boolean
  threads?: number
  onProgress?: (soFar: SeedsResult) => void
}): Promise<SeedsResult> {
  const { first, count, mutant = null, stopAtFailure = false, onProgress } = options
  const { threads = availableParallelism() } = options
  const counts = new Map<string, number>()
  const failures: Failure[] = []
  let done = 0
  let given = 0

  function nextTask(): number[] {
    if (stopAtFailure && failures.length > 0) return []
    const seeds = Array.from(
      { length: Math.min(seedsPerTask, count - given) },
      (_, index) => first + given + index,
    )
    given += seeds.length
    return seeds
  }

  function take(result: z.infer<typeof seedResult>): void {
    done += result.seeds
    failures.push(...result.failures)
    for (const [what, times] of result.counts) counts.set(what, (counts.get(what) ?? 0) + times)
    onProgress?.({ seeds: done, failures, counts })
  }

  async function work(): Promise<void> {
    const thread = new Worker(program, { workerData: { mutant } })
    const broken = new Promise<never>((_, reject) => {
      thread.once('error', reject)
      thread.once('exit', (code) => reject(new Error(`a thread of the simulation ended with ${code}`)))
    })
    broken.catch(() => undefined)
    try {
      for (let seeds = nextTask(); seeds.length > 0; seeds = nextTask()) {
        const answer = new Promise<unknown>((resolve) => thread.once('message', resolve))
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
        thread.postMessage({ seeds, stopAtFailure } satisfies z.infer<typeof seedTask>)
        take(seedResult.parse(await Promise.race([answer, broken])))
      }
    } finally {
      await thread.terminate()
    }
  }

  const needed = Math.ceil(count / seedsPerTask)
  await Promise.all(Array.from({ length: Math.min(threads, needed) }, work))
  return { seeds: done, failures: failures.toSorted((a, b) => a.seed - b.seed), counts }
}
