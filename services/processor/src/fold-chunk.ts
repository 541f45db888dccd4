import assert from 'node:assert/strict'
import type { RegistrationRef } from '@signalbox/contracts/keys'
import type { Mark, ReadRecord as RecordRead } from '@signalbox/contracts/read-record'
import type { ConsumedRecord } from '@signalbox/kafka/consumer'
import type { LogRecord } from '@signalbox/kafka/producer'
import { type Attention, attentionOf } from '@signalbox/registration/attention'
import { fold, foldVersion } from '@signalbox/registration/fold'
import type { QuarantineReason } from '@signalbox/registration/observation'
import { emptyRegistration } from '@signalbox/registration/registration'
import type {
  AttentionMove,
  Books,
  OutcomeCounts,
  PackedRegistration,
  StoredRegistration,
} from '@signalbox/registration-store/registration-store'
import { packForBoth, packStored } from '@signalbox/registration-store/stored-registration'
import type { Watermark } from '@signalbox/registration-store/watermark'
import { attentionMoves } from './attention-moves.ts'
import {
  changeRecord,
  forgottenRecord,
  type ProcessorTopics,
  quarantineRecord,
  recordBytes,
  recordLength,
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
  /**
   * To save: registrations that are not as they were loaded, those that are forgotten, what to count, and how far the
   * view has come. As texts: while a chunk waits for Kafka, all that it holds costs the collector of garbage.
   */
  registrations: readonly PackedRegistration[]
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
  /**
   * A chunk ends behind the record with which all that was made for it, published or not, reaches this size. Counted in
   * UTF-16 units.
   */
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
  const touched = new Map<string, Touched>()
  const outcomes: Outcome[] = []
  const changes: LogRecord[] = []
  const quarantined: LogRecord[] = []
  const states: LogRecord[] = []
  const marks: Mark[] = []
  const problems: { offset: bigint; reason: QuarantineReason; where: string }[] = []
  const counts: OutcomeCounts = { applied: 0, flagged: 0, repeated: 0, stale: 0, quarantined: 0 }
  let countedFrom: bigint | null = null
  let outputBytes = 0
  let last: ReadRecord | undefined

  /** A registration as it is after the records so far. */
  const known = (key: string) => {
    const before = touched.get(key)
    return before === undefined ? (loaded.get(key) ?? null) : before.stored
  }

  for (const read of records) {
    const { offset } = read.record
    const effect = foldRecord(read, { known, settings })

    if (effect.outcome === 'quarantined') {
      const record = quarantineRecord({ topics: settings.topics, record: read.record, ...effect })
      quarantined.push(record)
      outputBytes += effect.refused + recordLength(record)
      problems.push({ offset, reason: effect.reason, where: effect.where })
    } else {
      // What changes nothing leaves the text that was made.
      if (touched.get(effect.key)?.stored !== effect.stored) touched.set(effect.key, effect)
      const { change, state } = effect
      if (change !== null) changes.push(change)
      if (state !== null) states.push(state)
      outputBytes += lengthOf(change) + lengthOf(state)
    }

    marks.push(...read.marks)
    const isCounted = countedThrough !== null && offset <= countedThrough
    outcomes.push(isCounted ? 'redelivered' : effect.outcome)
    if (!isCounted) {
      countedFrom ??= offset
      counts[effect.outcome] += 1
    }

    last = read
    if (outputBytes >= settings.outputBytes) break
  }

  assert(last !== undefined, 'a chunk holds at least one record')
  return {
    outcomes,
    changes,
    quarantined,
    states,
    ...toSave(touched, loaded),
    counted:
      countedFrom === null
        ? null
        : { countedFrom: String(countedFrom), countedThrough: String(last.record.offset), counts },
    watermark: {
      clusterId: settings.clusterId,
      topic: settings.topics.raw.name,
      partition: last.record.partition,
      offset: last.record.offset,
      notificationId: last.cause?.notificationId ?? null,
      foldVersion,
    },
    marks,
    problems,
  }
}

/** A registration after a record. */
type Touched = {
  registration: RegistrationRef
  /** null: nothing is known of it, or nothing any more. */
  stored: StoredRegistration | null
  /** Its text for the view, where it was made; undefined: it was not, or what was made is not the same any more. */
  packed?: string
}

type Effect =
  | (Touched & {
      outcome: Exclude<keyof OutcomeCounts, 'quarantined'>
      key: string
      change: LogRecord | null
      state: LogRecord | null
    })
  | {
      outcome: 'quarantined'
      reason: QuarantineReason
      where: string
      /** Length of what was made and proved too large: as much work as if it had been published. */
      refused: number
    }

/** What one record does; a record that is set aside does nothing else. */
function foldRecord(
  read: ReadRecord,
  {
    known,
    settings: { topics },
  }: { known: (key: string) => StoredRegistration | null; settings: FoldSettings },
): Effect {
  if (read.kind === 'quarantine') {
    return { outcome: 'quarantined', reason: read.reason, where: read.where, refused: 0 }
  }
  const { record, cause, statement, key } = read
  const { partition } = record
  const { registration } = statement
  const before = known(key)
  if (before !== null && wentWithErasure(record, before)) {
    return { outcome: 'stale', key, registration, stored: before, change: null, state: null }
  }
  const decision = fold(before?.registration ?? emptyRegistration, statement)
  if (decision.outcome === 'quarantined') {
    return { outcome: 'quarantined', reason: decision.reason, where: 'registrationRequestId', refused: 0 }
  }

  const { outcome } = decision
  const offset = String(record.offset)
  const unchanged = { outcome, key, registration, change: null, state: null }
  if (decision.next === null) {
    const state = forgottenRecord({ topics, partition, registration, rev: revAt(record.offset, before) })
    return { ...unchanged, stored: null, state }
  }
  if (decision.next === before?.registration) return { ...unchanged, stored: before }
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
  if (!decision.moved) return { ...unchanged, stored }

  const { kept, stored: packed } = packForBoth(stored)
  const named = { topics, partition, registration, stored, traceparent: cause.traceparent }
  const change = isNewVersion ? changeRecord({ ...named, previous: decision.previous }) : null
  const state = stateRecord({ ...named, kept, attention: attentionOf(stored.registration) })
  if (isTooLarge(change, topics.changes.maxMessageBytes) || isTooLarge(state, topics.state.maxMessageBytes)) {
    const refused = lengthOf(change) + lengthOf(state)
    return { outcome: 'quarantined', reason: 'registration_too_large', where: '', refused }
  }
  return { outcome, key, registration, stored, packed, change, state }
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

/** Those of the registrations touched that have changed, that are forgotten, and where attention moves. */
function toSave(
  touched: ReadonlyMap<string, Touched>,
  loaded: ReadonlyMap<string, StoredRegistration>,
): Pick<FoldedChunk, 'registrations' | 'removed' | 'attention'> {
  const registrations: PackedRegistration[] = []
  const removed: RegistrationRef[] = []
  const attention: AttentionMove[] = []
  for (const [key, { registration, stored, packed }] of touched) {
    const before = loaded.get(key) ?? null
    if (stored === before) continue
    if (stored === null) removed.push(registration)
    else registrations.push({ registration, packed: packed ?? packStored(stored) })
    if (isSameContent(before, stored)) continue
    attention.push(
      ...attentionMoves({ registration, before: attentionTo(before), after: attentionTo(stored) }),
    )
  }
  return { registrations, removed, attention }
}

function isSameContent(before: StoredRegistration | null, after: StoredRegistration | null): boolean {
  return (
    before?.registration.registers === after?.registration.registers &&
    before?.registration.view === after?.registration.view
  )
}

function attentionTo(stored: StoredRegistration | null): Attention {
  return stored === null ? {} : attentionOf(stored.registration)
}

function lengthOf(record: LogRecord | null): number {
  return record === null ? 0 : recordLength(record)
}

function isTooLarge(record: LogRecord | null, maxMessageBytes: number): boolean {
  const limit = usableShare * maxMessageBytes
  // A unit of length takes three bytes at most.
  return record !== null && 3 * recordLength(record) > limit && recordBytes(record) > limit
}
