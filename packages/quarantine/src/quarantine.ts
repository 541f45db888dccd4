import { readRouting } from '@signalbox/contracts/notification-body'
import {
  type LoggedRecord,
  placeOf,
  type Position,
  type Quarantined,
  readQuarantined,
} from './quarantined-record.ts'

/** Reads ranges of a partition; the partition reader of `packages/kafka` is one. */
export type LogReader = {
  /** In order; ends at `to` or at the log's end, whichever comes first. */
  read(range: {
    topic: string
    partition: number
    from: bigint
    to: bigint
  }): AsyncIterable<readonly LoggedRecord[]>
  bounds(of: { topic: string; partition: number }): Promise<{ start: bigint; end: bigint }>
  /** The first offset appended at that time or later; the end when there is none. */
  offsetAt(of: { topic: string; partition: number; timeMs: number }): Promise<bigint>
}

/** The topics of a deployment, and how to read them. */
export type QuarantineTopics = {
  log: LogReader
  /** Every topic has as many. */
  partitions: number
  /** Their names. */
  topics: { raw: string; quarantine: string }
}

/** What somebody asks for. Times are those at which records were set aside: from `fromMs`, before `toMs`. */
export type Selection = {
  reason?: string | undefined
  clientId?: string | undefined
  /** As the body names it. */
  registrationRequestId?: string | undefined
  fromMs?: number | undefined
  toMs?: number | undefined
  /** Whether the asker may see records of this client; null: the record does not name one. */
  maySee: (clientId: string | null) => boolean
}

/** A quarantined record without its bytes. */
export type Summary = Omit<Quarantined, 'value' | 'headers'> & { valueBytes: number }

/** More is looked through at once by nobody: the newest are, and the answer says so. */
const maxScanned = 50_000

/** No time is later. */
const latest = Number.MAX_SAFE_INTEGER

/**
 * The records of a selection, newest first, each origin once. `next` continues after the last of them. `complete` is
 * false when the range holds more than 50,000 records and only the newest of each partition were looked at.
 */
export async function listQuarantine(
  of: QuarantineTopics,
  request: {
    selection: Selection
    cursor: string | null
    limit: number
    /** Aborted when nobody waits for the list any more: then reading ends, and the reason is thrown. */
    gone?: AbortSignal
  },
): Promise<{
  records: Summary[]
  next: string | null
  complete: boolean
  /** How many match in all, up to the cursor. */
  byReason: Record<string, number>
}> {
  const { selection, limit } = request
  const after = request.cursor === null ? null : parseCursor(request.cursor)
  const before = after === null ? undefined : after.setAsideMs + 1
  const toMs = Math.min(selection.toMs ?? latest, before ?? latest)
  const { found, complete } = await select(of, { ...selection, toMs }, request.gone)
  const following = found
    .filter((record) => after === null || compare(record, after) < 0)
    .toSorted((a, b) => compare(b, a))
  const records = following.slice(0, limit)
  const last = records.at(-1)
  return {
    records,
    next: following.length > records.length && last !== undefined ? cursorOf(last) : null,
    complete,
    byReason: countBy(following, ({ reason }) => reason),
  }
}

/** Whether a text is a cursor that `listQuarantine` gave. */
export function isCursor(text: string): boolean {
  return cursorForm.test(text)
}

/** One record with its bytes; null when nothing stands there or the asker may not see it. */
export async function findQuarantined(
  { log, partitions, topics }: QuarantineTopics,
  { position, maySee }: { position: Position; maySee: Selection['maySee'] },
): Promise<Quarantined | null> {
  const { partition, offset } = position
  const topic = topics.quarantine
  if (partition >= partitions) return null
  const { start, end } = await log.bounds({ topic, partition })
  if (offset < start || offset >= end) return null
  for await (const records of log.read({ topic, partition, from: offset, to: offset + 1n })) {
    const record = records.find((candidate) => candidate.offset === offset)
    const found = record === undefined ? null : readQuarantined(record)
    if (found !== null) return maySee(found.clientId) ? found : null
  }
  return null
}

/**
 * Every record of a selection without its bytes, each origin once: the first time it was set aside. `complete` is false
 * when there are more than can be looked through, and only the newest were.
 */
export async function select(
  of: QuarantineTopics,
  selection: Selection,
  gone?: AbortSignal,
): Promise<{ found: Summary[]; complete: boolean }> {
  const { ranges, complete } = await rangesOf(of, selection)
  const byOrigin = new Map<string, Summary>()
  for (const range of ranges) {
    for await (const records of of.log.read(range)) {
      gone?.throwIfAborted()
      for (const record of records) {
        const read = readQuarantined(record)
        if (read === null || !matches(read, selection)) continue
        const origin = placeOf(read.origin ?? record)
        if (!byOrigin.has(origin)) byOrigin.set(origin, summaryOf(read))
      }
    }
  }
  return { found: [...byOrigin.values()], complete }
}

export function summaryOf(record: Quarantined): Summary {
  const { value, headers: _, ...summary } = record
  return { ...summary, valueBytes: value?.length ?? 0 }
}

export function countBy<T>(items: readonly T[], keyOf: (item: T) => string): Record<string, number> {
  const groups = [...Map.groupBy(items, keyOf)].map(([key, group]) => [key, group.length] as const)
  return Object.fromEntries(groups.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** Oldest first; records of one moment by where they stand. */
export function compare(a: Position & { setAsideMs: number }, b: Position & { setAsideMs: number }): number {
  return a.setAsideMs - b.setAsideMs || a.partition - b.partition || Number(a.offset - b.offset)
}

async function rangesOf({ log, partitions, topics }: QuarantineTopics, { fromMs, toMs }: Selection) {
  const topic = topics.quarantine
  const ranges = []
  for (let partition = 0; partition < partitions; partition++) {
    const { start, end } = await log.bounds({ topic, partition })
    const from = fromMs === undefined ? start : await log.offsetAt({ topic, partition, timeMs: fromMs })
    const to =
      toMs === undefined || toMs >= latest ? end : await log.offsetAt({ topic, partition, timeMs: toMs })
    if (from < to) ranges.push({ topic, partition, from, to })
  }
  const total = ranges.reduce((sum, { from, to }) => sum + (to - from), 0n)
  if (total <= maxScanned) return { ranges, complete: true }
  const share = BigInt(Math.floor(maxScanned / ranges.length))
  const newest = ranges.map((range) =>
    range.to - range.from > share ? { ...range, from: range.to - share } : range,
  )
  return { ranges: newest, complete: false }
}

function matches(record: Quarantined, selection: Selection): boolean {
  const { reason, clientId, registrationRequestId, fromMs, toMs, maySee } = selection
  return (
    (reason === undefined || record.reason === reason) &&
    (clientId === undefined || record.clientId === clientId) &&
    (fromMs === undefined || record.setAsideMs >= fromMs) &&
    (toMs === undefined || record.setAsideMs < toMs) &&
    maySee(record.clientId) &&
    (registrationRequestId === undefined || requestIdIn(record) === registrationRequestId)
  )
}

/** The registrationRequestId that the body of a record names; null: none. */
export function requestIdIn({ value }: Pick<Quarantined, 'value'>): string | null {
  const routing = value === null ? null : readRouting(value)
  return routing !== null && 'registrationRequestId' in routing ? routing.registrationRequestId : null
}

const cursorForm = /^([0-9]{1,15})\.([0-9]{1,6})\.([0-9]{1,18})$/

function cursorOf({ setAsideMs, partition, offset }: Summary): string {
  return `${setAsideMs}.${partition}.${offset}`
}

function parseCursor(text: string): Position & { setAsideMs: number } {
  const match = cursorForm.exec(text)
  if (match === null) throw new Error('not a cursor of this list')
  return { setAsideMs: Number(match[1]), partition: Number(match[2]), offset: BigInt(match[3] ?? '') }
}
