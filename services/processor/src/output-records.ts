import { encodeQuarantineHeaders } from '@signalbox/contracts/quarantine-record'
import type { RegistrationRef } from '@signalbox/contracts/keys'
import { encodeChange } from '@signalbox/contracts/registration-change'
import { encodeForgotten, encodeState } from '@signalbox/contracts/registration-state'
import type { TopicContract } from '@signalbox/contracts/topics'
import type { ConsumedRecord } from '@signalbox/kafka/consumer'
import type { LogRecord } from '@signalbox/kafka/producer'
import type { Attention } from '@signalbox/registration/attention'
import { entryKey } from '@signalbox/registration/statement'
import type { View } from '@signalbox/registration/registration'
import { attentionKinds, type StoredRegistration } from '@signalbox/registration-store/registration-store'
import { z } from 'zod'

/** The topics that the processor reads and writes; all have the same number of partitions. */
export type ProcessorTopics = Record<'raw' | 'changes' | 'state' | 'quarantine', TopicContract>

// Everything below depends on the raw record and on what the log before it says, never on now: a record that is
// folded again gives the same bytes again.

type Named = {
  topics: ProcessorTopics
  partition: number
  registration: RegistrationRef
  stored: StoredRegistration
  traceparent: string | null
}

/** The new version of a registration, for everybody. */
export function changeRecord(of: Named & { previous: View }): LogRecord {
  const { topics, partition, registration, stored, previous, traceparent } = of
  const { version, view } = stored.registration
  const statusBefore = new Map(previous.entries.map((entry) => [entryKey(entry), entry.status]))
  const encoded = encodeChange(
    {
      registration,
      version,
      collectiveStatus: view.collectiveStatus,
      previousCollectiveStatus: previous.collectiveStatus,
      entries: view.entries.map((entry) => ({
        pspName: entry.pspName,
        productCode: entry.productCode,
        status: entry.status,
        previousStatus: statusBefore.get(entryKey(entry)) ?? null,
        rejectionReason: entry.rejectionReason,
      })),
      flags: [...view.flags],
      ...erasedAtOf(view),
      cause: causeOf(of),
    },
    { timeMs: stored.cause.appendTimeMs, traceparent },
  )
  return { topic: topics.changes.name, partition, ...encoded }
}

/** The full content of a registration and, as `kept`, its registers, after every move of one. */
export function stateRecord(of: Named & { kept: string; attention: Attention }): LogRecord {
  const { topics, partition, registration, stored, traceparent, kept } = of
  const { version, view } = stored.registration
  const encoded = encodeState(
    {
      registration,
      version,
      collectiveStatus: view.collectiveStatus,
      entries: view.entries.map((entry) => ({
        pspName: entry.pspName,
        productCode: entry.productCode,
        status: entry.status,
        rejectionReason: entry.rejectionReason,
      })),
      flags: [...view.flags],
      ...erasedAtOf(view),
      cause: causeOf(of),
      rebuild: { rev: stored.rev },
    },
    { timeMs: stored.cause.appendTimeMs, traceparent },
    { kept, attention: attentionText(of.attention) },
  )
  return { topic: topics.state.name, partition, ...encoded }
}

const attentionJson = z.partialRecord(z.enum(attentionKinds), z.int())

function attentionText(attention: Attention): string | null {
  for (const _ in attention) return JSON.stringify(attention)
  return null
}

/** Reads what a state record says about attention; null: it cannot be read. */
export function readAttention(text: Buffer | null): Attention | null {
  if (text === null) return {}
  try {
    return attentionJson.parse(JSON.parse(text.toString('utf8')))
  } catch {
    return null
  }
}

/** In the place of a state: the registration is forgotten, as of the raw offset `rev`. */
export function forgottenRecord(of: {
  topics: ProcessorTopics
  partition: number
  registration: RegistrationRef
  rev: string
}): LogRecord {
  const { topics, partition, registration, rev } = of
  return { topic: topics.state.name, partition, ...encodeForgotten({ registration, rev }) }
}

/** The record as it came, with why and from where it was set aside. */
export function quarantineRecord(of: {
  topics: ProcessorTopics
  record: ConsumedRecord
  reason: string
  where: string
}): LogRecord {
  const { topics, record, reason, where } = of
  const { topic, partition, offset, timestampMs } = record
  return {
    topic: topics.quarantine.name,
    partition,
    // Only somebody else's record comes without a key, and key and value of ours are never null.
    key: record.key ?? '',
    value: record.value ?? '',
    headers: encodeQuarantineHeaders(record.headers, {
      origin: { topic, partition, offset: String(offset), timestampMs },
      reason,
      where,
    }),
  }
}

/** Length of key, value and headers: no more than their bytes, and no less than a third of them. */
export function recordLength({ key, value, headers }: LogRecord): number {
  let length = key.length + (value?.length ?? 0)
  for (const name in headers) length += name.length + (headers[name]?.length ?? 0)
  return length
}

/** Bytes of key, value and headers. To tell them exactly costs as much as to write the record. */
export function recordBytes({ key, value, headers = {} }: LogRecord): number {
  let bytes = Buffer.byteLength(key) + Buffer.byteLength(value ?? '')
  for (const [name, header] of Object.entries(headers)) {
    bytes += Buffer.byteLength(name) + Buffer.byteLength(header)
  }
  return bytes
}

function causeOf({ topics, partition, stored: { cause } }: Named) {
  return {
    notificationId: cause.notificationId,
    requestTime: cause.requestTime,
    raw: { topic: topics.raw.name, partition, offset: cause.offset },
  }
}

function erasedAtOf({ erasedAtMs }: View) {
  return erasedAtMs === null ? {} : { erasedAt: new Date(erasedAtMs).toISOString() }
}
