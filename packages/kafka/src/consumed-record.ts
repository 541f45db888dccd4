import type { IHeaders, KafkaMessage } from 'kafkajs'
import { FetchedRecord } from './fetch-response.ts'
import { RecordHeaders } from './record-headers.ts'

/** One record as read from a partition. Its buffers are views of all that was fetched with it: copy what is kept. */
export type ConsumedRecord = {
  topic: string
  partition: number
  offset: bigint
  /** What the topic says about time: with LogAppendTime the moment the broker appended the record's batch. */
  timestampMs: number
  key: string | null
  value: Buffer | null
  /** By name; of a repeated header the last one. */
  headers: ReadonlyMap<string, Buffer>
  /** Of key and value together, for limits. */
  bytes: number
}

/** @throws when it is not what a record is */
export function toConsumedRecord(
  topic: string,
  partition: number,
  message: FetchedRecord | KafkaMessage,
): ConsumedRecord {
  const isOwn = message instanceof FetchedRecord
  const { key, value, headers } = isOwn ? message.read() : message
  return {
    topic,
    partition,
    offset: isOwn ? message.at : BigInt(message.offset),
    timestampMs: isOwn ? message.timestampMs : Number(message.timestamp),
    key: key === null ? null : key.toString('utf8'),
    value,
    headers: headers instanceof RecordHeaders ? headers : lastOfEach(headers ?? {}),
    bytes: (key === null ? 0 : key.length) + (value === null ? 0 : value.length),
  }
}

function lastOfEach(headers: IHeaders): Map<string, Buffer> {
  return new Map(
    Object.entries(headers).flatMap(([name, content]) => {
      const last = Array.isArray(content) ? content.at(-1) : content
      // kafkajs' types do not know that a header may have no value.
      return Buffer.isBuffer(last) ? [[name, last] as const] : []
    }),
  )
}
