import { encodeQuarantineHeaders } from '@signalbox/contracts/quarantine-record'
import type { RawHeaders } from '@signalbox/contracts/raw-record'
import { encodeChange } from '@signalbox/contracts/registration-change'
import { encodeState } from '@signalbox/contracts/registration-state'
import type { TopicContract } from '@signalbox/contracts/topics'
import type { ConsumedRecord } from '@signalbox/kafka/consumer'
import type { LogRecord } from '@signalbox/kafka/producer'
import { foldVersion } from '@signalbox/registration/fold'
import { entryKey, type RegistrationId } from '@signalbox/registration/observation'
import { packRegisters } from '@signalbox/registration/packed'
import type { View } from '@signalbox/registration/registration'
import type { StoredRegistration } from '@signalbox/registration-store/registration-store'

/** The topics that the processor reads and writes; all have the same number of partitions. */
export type ProcessorTopics = Record<'raw' | 'changes' | 'state' | 'quarantine', TopicContract>

// Everything below depends on the raw record and on what the log before it says, never on now: a record that is
// folded again gives the same bytes again.

type Caused = { topics: ProcessorTopics; record: ConsumedRecord; headers: RawHeaders }
type Named = { registration: RegistrationId; stored: StoredRegistration }

/** The new version of a registration, for everybody. */
export function changeRecord(of: Caused & Named & { previous: View }): LogRecord {
  const { topics, record, headers, registration, stored, previous } = of
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
      cause: causeOf(of),
    },
    { timeMs: record.timestampMs, traceparent: headers.traceparent },
  )
  return { topic: topics.changes.name, partition: record.partition, ...encoded }
}

/** The full content of a registration and its registers, after every move of one. */
export function stateRecord(of: Caused & Named): LogRecord {
  const { topics, record, headers, registration, stored } = of
  const { version, view, registers } = stored.registration
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
      cause: causeOf(of),
      rebuild: { foldVersion, rev: stored.rev, registers: packRegisters(registers) },
    },
    { timeMs: record.timestampMs, traceparent: headers.traceparent },
  )
  return { topic: topics.state.name, partition: record.partition, ...encoded }
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

/** Bytes of key, value and headers. */
export function recordBytes({ key, value, headers = {} }: LogRecord): number {
  let bytes = Buffer.byteLength(key) + Buffer.byteLength(value ?? '')
  for (const [name, header] of Object.entries(headers)) {
    bytes += Buffer.byteLength(name) + Buffer.byteLength(header)
  }
  return bytes
}

function causeOf({ topics, record, stored: { cause } }: Caused & Named) {
  return {
    notificationId: cause.notificationId,
    requestTime: cause.requestTime,
    raw: { topic: topics.raw.name, partition: record.partition, offset: cause.offset },
  }
}
