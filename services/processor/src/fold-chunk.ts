import assert from 'node:assert/strict'
import { registrationKey } from '@signalbox/contracts/keys'
import type { LogRecord } from '@signalbox/kafka/producer'
import { fold } from '@signalbox/registration/fold'
import type { QuarantineReason } from '@signalbox/registration/observation'
import { emptyRegistration } from '@signalbox/registration/registration'
import type {
  Books,
  NamedRegistration,
  OutcomeCounts,
  StoredRegistration,
} from '@signalbox/registration-store/registration-store'
import {
  changeRecord,
  type ProcessorTopics,
  quarantineRecord,
  recordBytes,
  stateRecord,
} from './output-records.ts'
import type { Mark } from './marks.ts'
import type { ReadRecord } from './read-record.ts'
import type { Watermark } from './watermark.ts'

/** What one raw record came to; `redelivered`: it was counted before. */
type Outcome = keyof OutcomeCounts | 'redelivered'

export type FoldedChunk = {
  /** What each record came to. Fewer than were given when much was made of them: the rest belongs to the next chunk. */
  outcomes: readonly Outcome[]
  /** To publish, in log order: first these two… */
  changes: readonly LogRecord[]
  quarantined: readonly LogRecord[]
  /** …then these. */
  states: readonly LogRecord[]
  /** To save: registrations as they are now, what to count, and how far the view has come. */
  registrations: readonly NamedRegistration[]
  counted: Books | null
  watermark: Watermark
  /** What was odd about the records, as often as it was met. */
  marks: readonly Mark[]
  /** Why records were set aside. */
  problems: readonly { offset: bigint; reason: QuarantineReason; where: string }[]
}

export type FoldSettings = {
  clusterId: string
  topics: ProcessorTopics
  /** A chunk ends behind the record with which all that was made for it, published or not, reaches this size. */
  outputBytes: number
}

/** Of the topic's limit; the rest is for what Kafka adds to a record. */
const usableShare = 0.9

/**
 * Folds consecutive raw records of one partition into the registrations they touch. Pure: the outputs are a function
 * of the log, wherever the borders between chunks fall.
 *
 * @param loaded what is known of the registrations, by registration key
 * @param countedThrough the last offset that the books contain
 */
export function foldChunk(
  records: readonly ReadRecord[],
  {
    loaded,
    countedThrough,
    settings,
  }: {
    loaded: ReadonlyMap<string, StoredRegistration>
    countedThrough: bigint | null
    settings: FoldSettings
  },
): FoldedChunk {
  const known = new Map(loaded)
  const touched = new Map<string, NamedRegistration>()
  const outcomes: Outcome[] = []
  const changes: LogRecord[] = []
  const quarantined: LogRecord[] = []
  const states: LogRecord[] = []
  const problems: { offset: bigint; reason: QuarantineReason; where: string }[] = []
  let counted: Books | null = null
  let outputBytes = 0
  let last: ReadRecord | undefined

  for (const read of records) {
    const { offset } = read.record
    const effect = foldRecord(read, { known, settings })
    const made: LogRecord[] = []

    if (effect.outcome === 'quarantined') {
      const record = quarantineRecord({ topics: settings.topics, record: read.record, ...effect })
      quarantined.push(record)
      made.push(record, ...effect.refused)
      problems.push({ offset, reason: effect.reason, where: effect.where })
    } else {
      known.set(effect.key, effect.named.stored)
      touched.set(effect.key, effect.named)
      if (effect.change !== null) {
        changes.push(effect.change)
        made.push(effect.change)
      }
      if (effect.state !== null) {
        states.push(effect.state)
        made.push(effect.state)
      }
    }

    const isCounted = countedThrough !== null && offset <= countedThrough
    outcomes.push(isCounted ? 'redelivered' : effect.outcome)
    if (!isCounted) counted = count(counted, { offset, outcome: effect.outcome })

    last = read
    outputBytes += made.reduce((sum, record) => sum + recordBytes(record), 0)
    if (outputBytes >= settings.outputBytes) break
  }

  assert(last !== undefined, 'a chunk holds at least one record')
  return {
    outcomes,
    changes,
    quarantined,
    states,
    registrations: [...touched.values()],
    counted,
    watermark: {
      clusterId: settings.clusterId,
      topic: settings.topics.raw.name,
      partition: last.record.partition,
      offset: last.record.offset,
      notificationId: last.headers?.notificationId ?? null,
    },
    marks: records.slice(0, outcomes.length).flatMap(({ marks }) => marks),
    problems,
  }
}

type Effect =
  | {
      outcome: Exclude<keyof OutcomeCounts, 'quarantined'>
      key: string
      named: NamedRegistration
      change: LogRecord | null
      state: LogRecord | null
    }
  | {
      outcome: 'quarantined'
      reason: QuarantineReason
      where: string
      /** What was made and proved too large: as much work as if it had been published. */
      refused: readonly LogRecord[]
    }

/** What one record does; a record that is set aside does nothing else. */
function foldRecord(
  read: ReadRecord,
  { known, settings: { topics } }: { known: ReadonlyMap<string, StoredRegistration>; settings: FoldSettings },
): Effect {
  if (read.kind === 'quarantine') {
    return { outcome: 'quarantined', reason: read.reason, where: read.where, refused: [] }
  }
  const { record, headers, observation } = read
  const { registration } = observation
  const key = registrationKey(registration)
  const before = known.get(key)
  const decision = fold(before?.registration ?? emptyRegistration, observation)
  if (decision.outcome === 'quarantined') {
    return { outcome: 'quarantined', reason: decision.reason, where: 'registrationRequestId', refused: [] }
  }

  const offset = String(record.offset)
  const isNewVersion = decision.outcome === 'applied' || decision.outcome === 'flagged'
  const cause = {
    notificationId: headers.notificationId,
    requestTime: headers.requestTime,
    offset,
    appendTimeMs: record.timestampMs,
  }
  const stored: StoredRegistration = {
    registration: decision.next,
    rev: decision.moved || before === undefined ? offset : before.rev,
    cause: isNewVersion || before === undefined ? cause : before.cause,
  }

  const named = { registration, stored }
  const change = isNewVersion
    ? changeRecord({ topics, record, headers, ...named, previous: decision.previous })
    : null
  const state = decision.moved ? stateRecord({ topics, record, headers, ...named }) : null
  if (isTooLarge(change, topics.changes.maxMessageBytes) || isTooLarge(state, topics.state.maxMessageBytes)) {
    const refused = [change, state].filter((made) => made !== null)
    return { outcome: 'quarantined', reason: 'registration_too_large', where: '', refused }
  }
  return { outcome: decision.outcome, key, named, change, state }
}

function isTooLarge(record: LogRecord | null, maxMessageBytes: number): boolean {
  return record !== null && recordBytes(record) > usableShare * maxMessageBytes
}

function count(
  books: Books | null,
  { offset, outcome }: { offset: bigint; outcome: keyof OutcomeCounts },
): Books {
  const { countedFrom, counts } = books ?? {
    countedFrom: String(offset),
    counts: { applied: 0, flagged: 0, repeated: 0, stale: 0, quarantined: 0 },
  }
  return {
    countedFrom,
    countedThrough: String(offset),
    counts: { ...counts, [outcome]: counts[outcome] + 1 },
  }
}
