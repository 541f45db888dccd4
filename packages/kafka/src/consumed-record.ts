import type { IHeaders, KafkaMessage } from 'kafkajs'

/** One record as read from a partition. */
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

export function toConsumedRecord(topic: string, partition: number, message: KafkaMessage): ConsumedRecord {
  return {
    topic,
    partition,
    offset: BigInt(message.offset),
    timestampMs: Number(message.timestamp),
    key: message.key?.toString('utf8') ?? null,
    value: message.value,
    headers: lastOfEach(message.headers ?? {}),
    bytes: (message.key?.length ?? 0) + (message.value?.length ?? 0),
  }
}

function lastOfEach(headers: IHeaders): Map<string, Buffer> {
  return new Map(
    Object.entries(headers).flatMap(([name, content]) => {
      const last = Array.isArray(content) ? content.at(-1) : content
      return last === undefined ? [] : [[name, Buffer.from(last)] as const]
    }),
  )
}
