import { cp } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { alertReceipt } from '@signalbox/contracts/alert'
import type { RegistrationChange } from '@signalbox/contracts/registration-change'
import { topics } from '@signalbox/contracts/topics'
import { z } from 'zod'
import { linesWith } from '../chaos/log-lines.fixture.ts'
import { readLines } from '../run-facts.ts'
import { alertsOwed, changesFor, recordOf } from './changes.ts'
import {
  type ChaosFacts,
  check,
  type Findings,
  type KnownTaken,
  problemsOf,
  type ReceiptFact,
  type Timeout,
} from './check.ts'
import { type Env, openParts, type Parts, partitions } from './parts.ts'
import { alertsPerChange, endpoints, type Plan } from './plan.ts'
import { call, type Call } from './sink-contract.ts'
import { createStriker, owedNow, type Strike } from './strike.ts'

export type RunOptions = {
  env: Env
  /** With the pauses that the service has in production: a run takes minutes. */
  asBuilt: boolean
  /** A module that each alerts process loads first. */
  build: string | null
  /** Where logs and files of a run that fails are copied to. */
  keepIn: string
}

export type ChaosRun = {
  plan: Plan
  strikes: readonly Strike[]
  findings: Findings
  /** What must not be, in words; empty for a good run. */
  problems: readonly string[]
  /** Times that an alerts process ended by itself; it is started anew. */
  endedByItself: number
  /** From the first change to the moment when nothing was owed any more. */
  tookMs: number
  /** What the queue Redis holds of some that have no receipt, and of the endpoints' lanes. */
  stuck: Readonly<Record<string, unknown>>
}

/** A line that the alerts service logs of an attempt. */
const attempted = z
  .object({
    alertId: z.string(),
    time: z.iso.datetime(),
    outcome: z.string(),
    error: z.string().nullable(),
    durationMs: z.number(),
  })
  .transform(({ time, ...line }) => ({ ...line, atMs: Date.parse(time) }))

const pollMs = 50
/** Changes are written as alerts get through, so that fan-out and deliveries are at work at every fault. */
const mostOpenAlerts = 250
const changesAtOnce = 20
const publishDeadlineMs = 10_000
const quietDeadlineMs = 60_000
const asBuiltDeadlineMs = 240_000
const shownStuck = 5
/** How long after it was woken a process may find out that its locks are lost. */
const markMs = 3_000

/** Runs what a seed has planned on parts of its own, until nothing is owed any more, and compares. */
export async function runPlan(plan: Plan, options: RunOptions): Promise<ChaosRun> {
  await using parts = await openParts(plan, options)
  const changes = changesFor(plan.alerts)
  const owed = alertsOwed(changes, { partitions })
  const startedMs = Date.now()
  const deadlineMs = options.asBuilt ? asBuiltDeadlineMs : quietDeadlineMs

  const striker = createStriker(parts)
  const open = await load(parts, { plan, changes, owed, striker, deadlineMs })
  const tookMs = Date.now() - startedMs

  const receipts = await readReceipts(parts)
  const facts: ChaosFacts = {
    owed: new Set(owed.keys()),
    calls: await readLines(parts.callsFile, call),
    receipts,
    faults: striker.strikes.map(({ fault, startedMs, endedMs }) => ({
      kind: fault.kind,
      process: 'process' in fault ? fault.process : null,
      startedMs,
      endedMs,
    })),
    ...(await attemptsIn(parts)),
    marked: await markedAmong(parts, owed),
  }
  const findings = check(facts)
  const problems = [
    ...(open === null ? [] : [`not quiet within ${deadlineMs} ms: ${open}`]),
    ...problemsOf(findings),
  ]
  if (problems.length > 0) await cp(parts.folder, options.keepIn, { recursive: true, force: true })
  const strikes = await Promise.all(striker.strikes.map((strike) => withMark(strike, parts)))
  return {
    plan,
    strikes,
    findings,
    problems,
    endedByItself: parts.alerts.flatMap(({ ends }) => ends).filter(({ how }) => how.startsWith('exit'))
      .length,
    tookMs,
    stuck: await stuckAmong(parts, findings.withoutReceipt.slice(0, shownStuck)),
  }
}

/** Writes changes and lets faults come as alerts get through; gives what is still open at the deadline, else null. */
async function load(
  parts: Parts,
  run: {
    plan: Plan
    changes: readonly RegistrationChange[]
    owed: ReadonlyMap<string, number>
    striker: ReturnType<typeof createStriker>
    deadlineMs: number
  },
): Promise<string | null> {
  const { plan, changes, owed, striker } = run
  const coming = [...plan.faults]
  const giveUpAt = performance.now() + run.deadlineMs
  let written = 0
  for (;;) {
    const calls = await readLines(parts.callsFile, call)
    while (coming[0] !== undefined && coming[0].after <= calls.length) {
      const fault = coming.shift()
      if (fault !== undefined) striker.begin(fault)
    }
    const taken = takenAmong(calls)
    if (written < changes.length && written * alertsPerChange - taken.size < mostOpenAlerts) {
      const next = changes.slice(written, written + changesAtOnce)
      const timeMs = Date.now()
      await parts.producer.publish(
        next.map((change) => recordOf(change, { partitions, timeMs })),
        { deadlineMs: publishDeadlineMs },
      )
      written += next.length
    }
    const open = [
      ...(coming.length > 0 ? [`${coming.length} faults to come`] : []),
      ...(taken.size < owed.size ? [`${owed.size - taken.size} alerts not taken`] : []),
    ]
    if (open.length === 0) break
    if (performance.now() > giveUpAt) return open.join(', ')
    await delay(pollMs)
  }
  await striker.over()
  for (;;) {
    const open = await openItems(parts, owed)
    if (open === '') return null
    if (performance.now() > giveUpAt) return open
    await delay(pollMs)
  }
}

function takenAmong(calls: readonly Call[]): Set<string> {
  return new Set(calls.filter(({ status }) => status === 204).map(({ alertId }) => alertId))
}

/** What is left to be done, in words; '' for nothing. */
async function openItems(parts: Parts, owed: ReadonlyMap<string, number>): Promise<string> {
  const { redis, queueKeys, alerts } = parts
  const settled = new Set((await readReceipts(parts)).map(({ alertId }) => alertId))
  const [waiting, active, delayed, prioritized] = await Promise.all([
    redis.llen(`${queueKeys}:wait`),
    redis.llen(`${queueKeys}:active`),
    redis.zcard(`${queueKeys}:delayed`),
    redis.zcard(`${queueKeys}:prioritized`),
  ])
  const counts: [number, string][] = [
    [[...owed.keys()].filter((id) => !settled.has(id)).length, 'alerts without receipt'],
    [await owedNow(parts), 'alerts owed'],
    [waiting + active + delayed + prioritized, 'jobs in the queue'],
    [await partitionsBehind(parts), 'partitions whose markers are behind'],
    [alerts.filter((kept) => !kept.isRunning()).length, 'alerts processes not running'],
  ]
  return counts.flatMap(([count, what]) => (count > 0 ? [`${count} ${what}`] : [])).join(', ')
}

/** Of how many partitions the markers do not reflect all receipts, or not all changes were fanned out. */
async function partitionsBehind({ reader, book }: Parts): Promise<number> {
  let behind = 0
  for (let partition = 0; partition < partitions; partition++) {
    const [receipts, changes, receiptsRead, changesRead] = await Promise.all([
      reader.bounds({ topic: topics.receipts.name, partition }),
      reader.bounds({ topic: topics.changes.name, partition }),
      book.receiptsWatermark(partition),
      book.watermark(partition),
    ])
    const isThere = receiptsRead?.endsWith(` ${receipts.end}`) && changesRead?.endsWith(` ${changes.end}`)
    if (isThere !== true) behind += 1
  }
  return behind
}

/** All that are in the log now. */
async function readReceipts({ reader }: Pick<Parts, 'reader'>): Promise<ReceiptFact[]> {
  const receipts: ReceiptFact[] = []
  const topic = topics.receipts.name
  for (let partition = 0; partition < partitions; partition++) {
    const { start, end } = await reader.bounds({ topic, partition })
    for await (const records of reader.read({ topic, partition, from: start, to: end })) {
      for (const { value, timestampMs } of records) {
        const { alertId, outcome, settledAt } = alertReceipt.parse(JSON.parse(value?.toString('utf8') ?? ''))
        receipts.push({ alertId, outcome, settledMs: Date.parse(settledAt), appendedMs: timestampMs })
      }
    }
  }
  return receipts
}

async function markedAmong({ book }: Parts, owed: ReadonlyMap<string, number>): Promise<Set<string>> {
  const byPartition = Map.groupBy(owed, ([, partition]) => partition)
  const marked = await Promise.all(
    [...byPartition].map(([partition, alerts]) =>
      book.settledAmong(
        partition,
        alerts.map(([id]) => id),
      ),
    ),
  )
  return new Set(marked.flatMap((ids) => [...ids]))
}

async function attemptsIn({ alerts }: Parts): Promise<{ known: KnownTaken[]; timeouts: Timeout[] }> {
  const known: KnownTaken[] = []
  const timeouts: Timeout[] = []
  for (const [process, kept] of alerts.entries()) {
    for (const line of await linesWith([kept.process], 'alert.attempted')) {
      const { alertId, atMs, outcome, error, durationMs } = attempted.parse(line)
      if (outcome === 'delivered') known.push({ alertId, process, atMs })
      if (error === 'timeout') timeouts.push({ alertId, startedMs: atMs - durationMs, endedMs: atMs })
    }
  }
  return { known, timeouts }
}

/** That a process was stopped for too long shows in its jobs: somebody found them stalled, or it lost their locks. */
async function withMark(strike: Strike, { alerts }: Parts): Promise<Strike> {
  const { fault, startedMs, endedMs } = strike
  if (fault.kind !== 'alerts stopped' || strike.mark === null) return strike
  const processes = alerts.map(({ process }) => process)
  const own = processes.filter((_, index) => index === fault.process)
  const lines = [
    ...(await linesWith(processes, 'alert.stalled')),
    ...(await linesWith(own, 'worker.trouble')).filter(({ problem }) =>
      /\b(lock|key)\b/.test(String(problem)),
    ),
  ]
  const about = lines.filter(({ time }) => {
    const atMs = Date.parse(String(time))
    return atMs > startedMs && atMs < endedMs + markMs
  })
  return {
    ...strike,
    mark: about.length === 0 ? null : `${about.length} times a job was stalled or its lock lost`,
  }
}

async function stuckAmong(
  { redis, queueKeys, keyPrefix }: Parts,
  ids: readonly string[],
): Promise<Record<string, unknown>> {
  if (ids.length === 0) return {}
  const stuck = new Map<string, unknown>()
  for (const id of ids) {
    stuck.set(id, {
      job: await redis.hgetall(`${queueKeys}:${id}`),
      delayedUntil: Number((await redis.zscore(`${queueKeys}:delayed`, id)) ?? 0) / 4_096,
      priority: await redis.zscore(`${queueKeys}:prioritized`, id),
      isWaiting: (await redis.lpos(`${queueKeys}:wait`, id)) !== null,
      isActive: (await redis.lpos(`${queueKeys}:active`, id)) !== null,
      isLocked: (await redis.exists(`${queueKeys}:${id}:lock`)) === 1,
    })
  }
  for (const { id } of endpoints) {
    stuck.set(id, {
      lane: await redis.hgetall(`${keyPrefix}{e-${id}}:lane`),
      leases: await redis.zrange(`${keyPrefix}{e-${id}}:leases`, 0, '-1', 'WITHSCORES'),
    })
  }
  return { atMs: Date.now(), ...Object.fromEntries(stuck) }
}
