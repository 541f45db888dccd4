import { parseQuarantineHeaders, type QuarantineNote } from '@signalbox/contracts/quarantine-record'

/** What is read of a topic; a record as read from Kafka is one. */
export type LoggedRecord = {
  topic: string
  partition: number
  offset: bigint
  timestampMs: number
  key: string | null
  value: Buffer | null
  headers: ReadonlyMap<string, Buffer>
}

/** Where a record stands in the quarantine topic; written `<partition>-<offset>`. */
export type Position = { partition: number; offset: bigint }

/** A record of the quarantine topic: why it is there, and the original as it was. */
export type Quarantined = Position & {
  /** When it was appended to the quarantine topic, epoch milliseconds. */
  setAsideMs: number
  reason: string
  /** The member that did not fit; empty: the whole. */
  where: string
  /** Null when the ingress set it aside before it was in the raw topic. */
  origin: QuarantineNote['origin']
  /** Notification, inquiry or command; null when its headers do not say. */
  kind: string | null
  clientId: string | null
  notificationId: string | null
  /**
   * `topic/partition/offset` where it was first of all: the same for an original and for what was put back of it,
   * however often.
   */
  source: string
  /** The merchant that was named when it was put back before. */
  attributedTo: string | null
  /** Of the original record, or what an ingress would have given it in the raw topic. */
  key: string
  value: Buffer | null
  /** The original ones, byte for byte. */
  headers: ReadonlyMap<string, Buffer>
}

/** Reads a record of the quarantine topic; null when no note says why it is there. */
export function readQuarantined(record: LoggedRecord): Quarantined | null {
  const parsed = parseQuarantineHeaders(record.headers)
  if (parsed === null) return null
  const { note, original } = parsed
  const text = (name: string) => original.get(name)?.toString('utf8') || null
  return {
    partition: record.partition,
    offset: record.offset,
    setAsideMs: record.timestampMs,
    ...note,
    kind: text('kind'),
    clientId: text('client-id'),
    notificationId: text('notification-id'),
    source: text('replayed-from') ?? placeOf(note.origin ?? record),
    attributedTo: text('attributed-to'),
    key: record.key ?? '',
    value: record.value,
    headers: original,
  }
}

/** `topic/partition/offset`. */
export function placeOf(at: { topic: string; partition: number; offset: bigint | string }): string {
  return `${at.topic}/${at.partition}/${at.offset}`
}

export function positionText({ partition, offset }: Position): string {
  return `${partition}-${offset}`
}

/** Reads `<partition>-<offset>`; null when it is not of that form. */
export function parsePosition(text: string): Position | null {
  const match = /^([0-9]{1,6})-([0-9]{1,18})$/.exec(text)
  if (match === null) return null
  return { partition: Number(match[1]), offset: BigInt(match[2] ?? '') }
}
