import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type LoadPlan, type LoadRecord, loadRecord, type Outcome, outcomes } from './load-plan.ts'

export type { LoadPlan, LoadRecord, Outcome } from './load-plan.ts'

const program = fileURLToPath(new URL('load-process.ts', import.meta.url))

/** A load under way. */
export type Load = AsyncDisposable & {
  pid: number
  /** Resolves when every request is answered, or given up. @throws when the generator ends before that */
  finished: Promise<LoadRecord>
}

/** Starts a generator process with a plan. Disposal ends it. */
export function startLoad(plan: LoadPlan): Load {
  const child = fork(program, { serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const exited = once(child, 'exit')
  const finished = Promise.race([
    once(child, 'message').then(([message]: unknown[]) => loadRecord.parse(message)),
    exited.then(([code]: unknown[]) =>
      Promise.reject(new Error(`the load generator ended with ${String(code)}`)),
    ),
  ])
  finished.catch(() => undefined) // Told to whoever waits for it.
  child.send(plan)
  return {
    pid: child.pid ?? 0,
    finished,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await exited
    },
  }
}

/** Runs a load to its end. */
export async function runLoad(plan: LoadPlan): Promise<LoadRecord> {
  await using load = startLoad(plan)
  return await load.finished
}

/** How many requests came to each outcome. */
export function countOutcomes(record: LoadRecord): Record<Outcome, number> {
  const counts = { unanswered: 0, S: 0, F: 0, U: 0, malformed: 0, 'badly signed': 0, 'broken off': 0 }
  for (const index of record.outcome) {
    const outcome = outcomes[index]
    if (outcome !== undefined) counts[outcome] += 1
  }
  return counts
}

/** Latencies in milliseconds of the requests that came to one of the outcomes, ascending. */
export function latenciesMs(record: LoadRecord, of: readonly Outcome[]): Float64Array {
  const wanted = new Set(of.map((outcome) => outcomes.indexOf(outcome)))
  return record.answeredMs
    .map((answeredMs, n) => answeredMs - (record.dueMs[n] ?? Number.NaN))
    .filter((_, n) => wanted.has(record.outcome[n] ?? -1))
    .toSorted()
}

/** The value below which the given share (0 to 1) of ascending values lies; NaN of none. */
export function quantile(ascending: Float64Array, share: number): number {
  return ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * share))] ?? Number.NaN
}
