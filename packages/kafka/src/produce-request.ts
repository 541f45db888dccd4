import { crc32c } from './crc32c.ts'
import type { EncodedRecord } from './record-encoding.ts'
import { varintBytes, writeVarint } from './varint.ts'

export type PartitionRecords = {
  partition: number
  records: readonly EncodedRecord[]
}

export const produceApi = { apiKey: 0, apiName: 'Produce', apiVersion: 7 }

/** Bytes of a record batch before its first record, and those of them in front of what the checksum covers. */
const batchHeaderBytes = 61
const uncheckedBytes = 21
/** Lengths of a batch count from behind its base offset and the length itself. */
const batchLengthFrom = 12
const noProducer = -1n
const magic = 2

/**
 * A Produce request of version 7: no transaction, no producer id, no compression, one record batch of format 2 per
 * partition. All sizes are computed first, so that every byte is written once into one buffer; kafkajs makes a buffer
 * per header, record and batch, copies each into the next, and takes ten times as long.
 */
export function encodeProduceRequest(request: {
  correlationId: number
  clientId: string
  acks: number
  timeoutMs: number
  nowMs: number
  topics: readonly { topic: string; partitions: readonly PartitionRecords[] }[]
}): Buffer {
  const { clientId, topics } = request
  const measured = topics.map(({ topic, partitions }) => ({
    topic,
    batches: partitions.map((each) => ({
      ...each,
      bytes: batchBytes(each.records),
    })),
  }))
  const batches = measured.flatMap((each) => each.batches)
  const batchesBytes = batches.reduce((sum, { bytes }) => sum + 8 + bytes, 0)
  const topicBytes = topics.reduce((sum, { topic }) => sum + 2 + Buffer.byteLength(topic) + 4, 0)
  const out = new Writer(4 + 10 + Buffer.byteLength(clientId) + 12 + topicBytes + batchesBytes)
  out.int32(out.length - 4)
  out.int16(produceApi.apiKey)
  out.int16(produceApi.apiVersion)
  out.int32(request.correlationId)
  out.text(clientId)
  out.int16(-1) // no transactional id
  out.int16(request.acks)
  out.int32(request.timeoutMs)
  out.int32(topics.length)
  for (const { topic, batches } of measured) {
    out.text(topic)
    out.int32(batches.length)
    for (const { partition, records, bytes } of batches) {
      out.int32(partition)
      out.int32(bytes)
      writeBatch(out, { records, bytes, nowMs: request.nowMs })
    }
  }
  return out.finished()
}

/** Of a record behind its own length: one byte of attributes and one for the time, which is the batch's. */
function recordBytes({ from, to }: EncodedRecord, offset: number): number {
  return 2 + varintBytes(offset) + to - from
}

function batchBytes(records: readonly EncodedRecord[]): number {
  let bytes = batchHeaderBytes
  for (const [offset, record] of records.entries()) {
    const length = recordBytes(record, offset)
    bytes += varintBytes(length) + length
  }
  return bytes
}

function writeBatch(
  out: Writer,
  { records, bytes, nowMs }: { records: readonly EncodedRecord[]; bytes: number; nowMs: number },
): void {
  const start = out.at
  out.int64(0n) // the base offset is the broker's to give
  out.int32(bytes - batchLengthFrom)
  out.int32(0) // the leader epoch is the broker's to give
  out.int8(magic)
  const checksumAt = out.at
  out.int32(0)
  out.int16(0) // no compression, the producer's time, no transaction
  out.int32(records.length - 1)
  out.int64(BigInt(nowMs))
  out.int64(BigInt(nowMs))
  out.int64(noProducer)
  out.int16(0)
  out.int32(0)
  out.int32(records.length)
  for (const [offset, record] of records.entries()) out.record(record, offset)
  out.uint32At(checksumAt, crc32c(out.bytes(start + uncheckedBytes, start + bytes)))
}

/** Writes into a buffer of a size that was computed before. */
class Writer {
  at = 0
  readonly #buffer: Buffer

  constructor(bytes: number) {
    this.#buffer = Buffer.allocUnsafe(bytes)
  }

  get length(): number {
    return this.#buffer.length
  }

  int8(value: number): void {
    this.at = this.#buffer.writeInt8(value, this.at)
  }

  int16(value: number): void {
    this.at = this.#buffer.writeInt16BE(value, this.at)
  }

  int32(value: number): void {
    this.at = this.#buffer.writeInt32BE(value, this.at)
  }

  int64(value: bigint): void {
    this.at = this.#buffer.writeBigInt64BE(value, this.at)
  }

  uint32At(at: number, value: number): void {
    this.#buffer.writeUInt32BE(value, at)
  }

  text(text: string): void {
    this.int16(Buffer.byteLength(text))
    this.at += this.#buffer.write(text, this.at)
  }

  record(record: EncodedRecord, offset: number): void {
    const { chunk, from, to } = record
    const buffer = this.#buffer
    let at = writeVarint(buffer, this.at, recordBytes(record, offset))
    buffer[at++] = 0
    buffer[at++] = 0
    at = writeVarint(buffer, at, offset)
    this.at = at + chunk.copy(buffer, at, from, to)
  }

  bytes(from: number, to: number): Buffer {
    return this.#buffer.subarray(from, to)
  }

  finished(): Buffer {
    if (this.at !== this.#buffer.length) throw new Error('a request is as long as it was measured')
    return this.#buffer
  }
}
