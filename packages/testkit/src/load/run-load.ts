import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type LoadPlan, type LoadRecord, loadRecord, type Outcome, outcomes } from './load-plan.ts'

export type { LoadPlan, LoadRecord, Outcome } from './load-plan.ts'
export { outcomes } from './load-plan.ts'

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
  const counts: Record<Outcome, number> = {
    unanswered: 0,
    S: 0,
    F: 0,
    U: 0,
    malformed: 0,
    'badly signed': 0,
    'broken off': 0,
    unsent: 0,
  }
  for (const index of record.outcome) {
    const outcome = outcomes[index]
    if (outcome !== undefined) counts[outcome] += 1
  }
  return counts
}

/**
 * Latencies in milliseconds of the requests that came to one of the outcomes, ascending: since they fell due, or since
 * they were sent, which leaves out how long the generator was late or had no connection for them.
 */
export function latenciesMs(
  record: LoadRecord,
  of: readonly Outcome[],
  { since = 'due' }: { since?: 'due' | 'sent' } = {},
): Float64Array {
  const wanted = indexesOf(of)
  const begunMs = since === 'due' ? record.dueMs : record.sentMs
  return record.answeredMs
    .map((answeredMs, n) => answeredMs - (begunMs[n] ?? Number.NaN))
    .filter((_, n) => wanted.has(record.outcome[n] ?? -1))
    .toSorted()
}

/** How many requests came to one of the outcomes in a span of the load. */
export function countAnswered(
  record: LoadRecord,
  of: readonly Outcome[],
  { fromMs, untilMs }: { fromMs: number; untilMs: number },
): number {
  const wanted = indexesOf(of)
  let count = 0
  for (const [n, answeredMs] of record.answeredMs.entries()) {
    if (answeredMs >= fromMs && answeredMs < untilMs && wanted.has(record.outcome[n] ?? -1)) count += 1
  }
  return count
}

/** The part of a load that fell due in a span of it; what belongs to the load as a whole stays. */
export function partOfLoad(
  record: LoadRecord,
  { fromMs, untilMs }: { fromMs: number; untilMs: number },
): LoadRecord {
  const isIn = (_: number, n: number) => {
    const dueMs = record.dueMs[n] ?? Number.NaN
    return dueMs >= fromMs && dueMs < untilMs
  }
  return {
    ...record,
    outcome: record.outcome.filter(isIn),
    dueMs: record.dueMs.filter(isIn),
    sentMs: record.sentMs.filter(isIn),
    answeredMs: record.answeredMs.filter(isIn),
  }
}

function indexesOf(of: readonly Outcome[]): ReadonlySet<number> {
  return new Set(of.map((outcome) => outcomes.indexOf(outcome)))
}

/** The value below which the given share (0 to 1) of ascending values lies; NaN of none. */
export function quantile(ascending: Float64Array, share: number): number {
  return ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * share))] ?? Number.NaN
}
