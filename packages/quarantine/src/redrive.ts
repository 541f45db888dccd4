import { readRecord } from '@signalbox/contracts/read-record'
import type { LogRecord } from '@signalbox/kafka/producer'
import {
  compare,
  countBy,
  findQuarantined,
  type QuarantineTopics,
  select,
  type Selection,
  type Summary,
  summaryOf,
} from './quarantine.ts'
import { type Position, type Quarantined, readQuarantined } from './quarantined-record.ts'
import { type Obstacle, redriveRecord } from './redrive-record.ts'
import { findRedriven, maxScanned, originMs } from './redriven-before.ts'

export type RedriveRequest = {
  /** One record, or all of a selection. */
  what:
    | { kind: 'one'; position: Position; maySee: Selection['maySee'] }
    | { kind: 'all'; selection: Selection }
  /**
   * The merchant that notifications without one are about; null: none is named. It takes one record, or a selection by
   * one registrationRequestId: other selections hold notifications of several merchants.
   */
  attributedTo: string | null
  /** Puts back what was put back before, too. */
  again: boolean
  /** Only counts. */
  dryRun: boolean
}

/** What a redrive came to, or in a dry run would come to. Records are counted, each origin once. */
export type RedriveReport = {
  selected: number
  byReason: Record<string, number>
  /** Appended to the raw topic and confirmed; in a dry run: would be. */
  putBack: number
  /** Left alone, because they were put back before. Null when nobody looked: with `again`. */
  redrivenBefore: number | null
  /** Cannot be put back, by why; the words are in `obstacles`. */
  impossible: Partial<Record<Obstacle, number>>
  /** Of those put back, what the rules of this version would set aside again, by reason. */
  unfit: Record<string, number>
  /** Beyond what one run takes: run again. */
  remaining: number
  /**
   * With `again` and some remaining: when the first of them was set aside, epoch milliseconds. A run from then on goes
   * on with these; the same run would take the same records. Null: the same run goes on.
   */
  goOnFromMs: number | null
}

export type RedriveResult =
  | { kind: 'done'; report: RedriveReport }
  | { kind: 'not_found' }
  /** Nothing was appended; `why` says what to do. */
  | { kind: 'refused'; why: string }
  /** Kafka did not confirm all; of what is not in `report.putBack` some may be written. */
  | { kind: 'interrupted'; report: RedriveReport; why: string }

/** What goes wrong should go wrong small. */
export const mostPerRun = 1_000
const publishDeadlineMs = 10_000

export type RedrivePorts = QuarantineTopics & {
  producer: { publish(records: readonly LogRecord[], options: { deadlineMs: number }): Promise<unknown> }
  /** Epoch milliseconds. */
  now: () => number
}

/**
 * Puts quarantined records back into the raw topic, those of a partition in their order, at most 1,000 in a run. What
 * was put back before is left alone, unless it has been set aside again since; what is put back twice changes nothing.
 * With `again` nobody looks what was put back before, and a run takes the oldest, down to a whole millisecond.
 *
 * @throws what reading the topics throws
 */
export async function redrive(ports: RedrivePorts, request: RedriveRequest): Promise<RedriveResult> {
  const { producer, partitions, topics, now } = ports
  const { attributedTo, again, dryRun } = request

  const chosen = await choose(ports, request)
  if (chosen.kind !== 'chosen') return chosen
  const { records: selected } = chosen
  if (attributedTo !== null && !isAboutOne(request.what)) {
    return refused(
      'One merchant is named, and the selection may hold notifications of several: give a position, or the request ' +
        'id that they have in common (--request-id, registrationRequestId), which was sent for one merchant.',
    )
  }
  if (attributedTo !== null && new Set(selected.map(({ clientId }) => clientId)).size > 1) {
    return refused(
      'A merchant belongs to one client, and the selection holds records of several: name the client.',
    )
  }

  const fresh = again ? selected : await withoutRedriven(ports, selected)
  if (fresh === null) {
    return refused(
      `There are more than ${maxScanned} records in ${topics.raw} since the oldest of these, too many to look for ` +
        'what was put back before: narrow the time range to newer ones, or give --again (again: true), which does ' +
        'not look. What is put back twice changes nothing.',
    )
  }
  const batch = again && !dryRun ? oldestOf(fresh) : fresh
  const most = again ? batch.length : mostPerRun

  const report: RedriveReport = {
    selected: selected.length,
    byReason: countBy(selected, ({ reason }) => reason),
    putBack: 0,
    redrivenBefore: again ? null : selected.length - fresh.length,
    impossible: {},
    unfit: {},
    remaining: fresh.length,
    goOnFromMs: fresh.toSorted(compare)[batch.length]?.setAsideMs ?? null,
  }
  for await (const some of readAgain(ports, batch)) {
    const free = dryRun ? some.length : most - report.putBack
    if (free === 0) break
    const ready: LogRecord[] = []
    for (const quarantined of some) {
      if (ready.length === free) break
      const made = redriveRecord(quarantined, { topic: topics.raw, partitions, attributedTo })
      if (made.kind === 'record') ready.push(made.record)
      else report.impossible[made.obstacle] = (report.impossible[made.obstacle] ?? 0) + 1
      report.remaining--
    }
    if (!dryRun) {
      try {
        await producer.publish(ready, { deadlineMs: publishDeadlineMs })
      } catch (cause) {
        report.remaining += ready.length
        report.goOnFromMs = null
        const problem = cause instanceof Error ? cause.message : String(cause)
        const what = again ? 'goes back once more, which changes nothing' : 'is left alone'
        return { kind: 'interrupted', report, why: `${problem}. Run it again: what was put back ${what}.` }
      }
    }
    report.putBack += ready.length
    for (const reason of ready.flatMap((record) => unfitFor(record, now()))) {
      report.unfit[reason] = (report.unfit[reason] ?? 0) + 1
    }
  }
  return { kind: 'done', report }
}

async function choose(
  of: QuarantineTopics,
  { what }: RedriveRequest,
): Promise<
  { kind: 'chosen'; records: Summary[] } | Extract<RedriveResult, { kind: 'not_found' | 'refused' }>
> {
  if (what.kind === 'one') {
    const found = await findQuarantined(of, what)
    return found === null ? { kind: 'not_found' } : { kind: 'chosen', records: [summaryOf(found)] }
  }
  const { found, complete } = await select(of, what.selection)
  if (!complete)
    return refused('There are more quarantined records than can be looked through: narrow the time range.')
  return { kind: 'chosen', records: latestOfEachSource(found) }
}

function isAboutOne(what: RedriveRequest['what']): boolean {
  return what.kind === 'one' || what.selection.registrationRequestId !== undefined
}

/**
 * What a run takes, when nothing tells the next one what this one took but a time: no millisecond is divided, so a run
 * may take more than it should when more than that were set aside in one.
 */
function oldestOf(records: readonly Summary[]): readonly Summary[] {
  const inOrder = records.toSorted(compare)
  const cutMs = inOrder[mostPerRun]?.setAsideMs
  if (cutMs === undefined) return inOrder
  const before = inOrder.filter(({ setAsideMs }) => setAsideMs < cutMs)
  return before.length > 0 ? before : inOrder.filter(({ setAsideMs }) => setAsideMs === cutMs)
}

/** What was put back and set aside again stands for its original. */
function latestOfEachSource(records: readonly Summary[]): Summary[] {
  const latest = new Map<string, Summary>()
  for (const record of records) {
    const known = latest.get(record.source)
    if (known === undefined || originMs(record) >= originMs(known)) latest.set(record.source, record)
  }
  return [...latest.values()]
}

async function withoutRedriven(
  of: QuarantineTopics,
  records: readonly Summary[],
): Promise<readonly Summary[] | null> {
  const before = await findRedriven(of, records)
  return before.kind === 'found' ? records.filter((record) => !before.wasRedriven(record)) : null
}

/** The records with their bytes, partition by partition, as many at a time as are fetched at once. */
async function* readAgain(
  { log, topics }: QuarantineTopics,
  records: readonly Summary[],
): AsyncGenerator<Quarantined[]> {
  for (const [partition, some] of Map.groupBy(records, (record) => record.partition)) {
    const offsets = new Set(some.map(({ offset }) => offset))
    const [first = 0n, last = first] = minAndMax(offsets)
    const range = { topic: topics.quarantine, partition, from: first, to: last + 1n }
    for await (const fetched of log.read(range)) {
      const wanted = fetched.filter(({ offset }) => offsets.has(offset))
      const read = wanted.flatMap((record) => readQuarantined(record) ?? [])
      if (read.length > 0) yield read
    }
  }
}

function minAndMax(offsets: ReadonlySet<bigint>): bigint[] {
  const sorted = [...offsets].toSorted((a, b) => (a < b ? -1 : 1))
  return [...sorted.slice(0, 1), ...sorted.slice(-1)]
}

/** Why the rules of this version would set the record aside again, if they would. */
function unfitFor({ key, value, headers = {} }: LogRecord, nowMs: number): string[] {
  const read = readRecord({
    key,
    value: Buffer.from(value ?? ''),
    headers: new Map(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)])),
    timestampMs: nowMs,
  })
  return read.kind === 'quarantine' ? [read.reason] : []
}

function refused(why: string): { kind: 'refused'; why: string } {
  return { kind: 'refused', why }
}
