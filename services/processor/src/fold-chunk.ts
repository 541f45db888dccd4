import assert from 'node:assert/strict'
import { registrationKey, type RegistrationRef } from '@signalbox/contracts/keys'
import type { Mark, ReadRecord as RecordRead } from '@signalbox/contracts/read-record'
import type { ConsumedRecord } from '@signalbox/kafka/consumer'
import type { LogRecord } from '@signalbox/kafka/producer'
import { type Attention, attentionOf } from '@signalbox/registration/attention'
import { fold } from '@signalbox/registration/fold'
import type { QuarantineReason } from '@signalbox/registration/observation'
import { emptyRegistration } from '@signalbox/registration/registration'
import type {
  AttentionMove,
  Books,
  NamedRegistration,
  OutcomeCounts,
  StoredRegistration,
} from '@signalbox/registration-store/registration-store'
import type { Watermark } from '@signalbox/registration-store/watermark'
import { attentionMoves } from './attention-moves.ts'
import {
  changeRecord,
  forgottenRecord,
  type ProcessorTopics,
  quarantineRecord,
  recordBytes,
  stateRecord,
} from './output-records.ts'

export type ReadRecord = RecordRead<ConsumedRecord>

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
  /** To save: registrations as they are now, or that are forgotten, what to count, and how far the view has come. */
  registrations: readonly NamedRegistration[]
  removed: readonly RegistrationRef[]
  attention: readonly AttentionMove[]
  counted: Books | null
  watermark: Omit<Watermark, 'stateOffset'>
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
  const touched = new Map<string, RegistrationRef>()
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
      touched.set(effect.key, effect.registration)
      if (effect.stored === null) known.delete(effect.key)
      else known.set(effect.key, effect.stored)
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
    ...toSave(touched, { before: loaded, after: known }),
    counted,
    watermark: {
      clusterId: settings.clusterId,
      topic: settings.topics.raw.name,
      partition: last.record.partition,
      offset: last.record.offset,
      notificationId: last.cause?.notificationId ?? null,
    },
    marks: records.slice(0, outcomes.length).flatMap(({ marks }) => marks),
    problems,
  }
}

type Effect =
  | {
      outcome: Exclude<keyof OutcomeCounts, 'quarantined'>
      key: string
      registration: RegistrationRef
      /** null: nothing is known of it, or nothing any more. */
      stored: StoredRegistration | null
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
  const { record, cause, statement } = read
  const { partition } = record
  const { registration } = statement
  const key = registrationKey(registration)
  const before = known.get(key) ?? null
  if (before !== null && wentWithErasure(record, before)) {
    return { outcome: 'stale', key, registration, stored: before, change: null, state: null }
  }
  const decision = fold(before?.registration ?? emptyRegistration, statement)
  if (decision.outcome === 'quarantined') {
    return { outcome: 'quarantined', reason: decision.reason, where: 'registrationRequestId', refused: [] }
  }

  const { outcome } = decision
  const offset = String(record.offset)
  const unchanged = { outcome, key, registration, change: null, state: null }
  if (decision.next === null) {
    const state = forgottenRecord({ topics, partition, registration, rev: offset })
    return { ...unchanged, stored: null, state }
  }
  // What is still as if it had never been heard of is not kept.
  if (decision.next.version === 0) return { ...unchanged, stored: null }

  const isNewVersion = 'previous' in decision
  const stored: StoredRegistration = {
    registration: decision.next,
    rev: decision.moved || before === null ? revAt(record.offset, before) : before.rev,
    cause:
      isNewVersion || before === null
        ? {
            notificationId: cause.notificationId,
            requestTime: cause.requestTime,
            offset,
            appendTimeMs: record.timestampMs,
          }
        : before.cause,
  }

  const named = { topics, partition, registration, stored, traceparent: cause.traceparent }
  const change = isNewVersion ? changeRecord({ ...named, previous: decision.previous }) : null
  const state = decision.moved ? stateRecord(named) : null
  if (isTooLarge(change, topics.changes.maxMessageBytes) || isTooLarge(state, topics.state.maxMessageBytes)) {
    const refused = [change, state].filter((made) => made !== null)
    return { outcome: 'quarantined', reason: 'registration_too_large', where: '', refused }
  }
  return { outcome, key, registration, stored, change, state }
}

/**
 * Whether a record that is folded again stood before the erasure of its registration. One that was signed ahead of its
 * time would be taken for news, and what was erased would be back.
 */
function wentWithErasure(
  { offset, timestampMs }: ConsumedRecord,
  { registration, rev }: StoredRegistration,
): boolean {
  const { erasedAtMs } = registration.registers
  return erasedAtMs !== null && timestampMs <= erasedAtMs && offset <= BigInt(rev)
}

/** Rises with every move, also when the raw topic was made anew and its offsets begin again. */
function revAt(offset: bigint, before: StoredRegistration | null): string {
  const least = before === null ? 0n : BigInt(before.rev) + 1n
  return String(offset > least ? offset : least)
}

/** The registrations that were touched as they are now, those that are forgotten, and where attention moves. */
function toSave(
  touched: ReadonlyMap<string, RegistrationRef>,
  of: Record<'before' | 'after', ReadonlyMap<string, StoredRegistration>>,
): Pick<FoldedChunk, 'registrations' | 'removed' | 'attention'> {
  const registrations: NamedRegistration[] = []
  const removed: RegistrationRef[] = []
  const attention: AttentionMove[] = []
  for (const [key, registration] of touched) {
    const before = of.before.get(key)
    const after = of.after.get(key)
    if (after !== undefined) registrations.push({ registration, stored: after })
    else if (before !== undefined) removed.push(registration)
    if (isSameContent(before, after)) continue
    attention.push(
      ...attentionMoves({ registration, before: attentionTo(before), after: attentionTo(after) }),
    )
  }
  return { registrations, removed, attention }
}

function isSameContent(
  before: StoredRegistration | undefined,
  after: StoredRegistration | undefined,
): boolean {
  return (
    before?.registration.registers === after?.registration.registers &&
    before?.registration.view === after?.registration.view
  )
}

function attentionTo(stored: StoredRegistration | undefined): Attention {
  return stored === undefined ? {} : attentionOf(stored.registration)
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
