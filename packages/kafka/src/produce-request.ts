import { crc32c } from './crc32c.ts'

/** The records of one partition as kafkajs hands them to its encoder. */
export type PartitionRecords = {
  partition: number
  messages: readonly RecordToEncode[]
}

export type RecordToEncode = {
  key: string
  value: Buffer | string | null
  headers: Readonly<Record<string, string | Buffer>>
}

/** Bytes of a record batch before its first record, and those of them in front of what the checksum covers. */
const batchHeaderBytes = 61
const uncheckedBytes = 21
/** Lengths of a batch count from behind its base offset and the length itself. */
const batchLengthFrom = 12
const noProducer = -1n
const magic = 2

/**
 * The body of a Produce request of version 7: no transaction, no producer id, no compression, one record batch of
 * format 2 per partition. All sizes are computed first, so that every byte is written once into one buffer; kafkajs
 * makes a buffer per header, record and batch and copies each into the next.
 */
export function encodeProduceRequest(request: {
  acks: number
  timeoutMs: number
  nowMs: number
  topics: readonly { topic: string; partitions: readonly PartitionRecords[] }[]
}): Buffer {
  const { topics } = request
  const sizes = topics.map(({ partitions }) => partitions.map(({ messages }) => batchSizes(messages)))
  const partitionBytes = sizes.flat().reduce((sum, { bytes }) => sum + 8 + bytes, 0)
  const topicBytes = topics.reduce((sum, { topic }) => sum + 2 + Buffer.byteLength(topic) + 4, 0)
  const out = new Writer(2 + 2 + 4 + 4 + topicBytes + partitionBytes)
  out.int16(-1) // no transactional id
  out.int16(request.acks)
  out.int32(request.timeoutMs)
  out.int32(topics.length)
  for (const [t, { topic, partitions }] of topics.entries()) {
    out.int16(Buffer.byteLength(topic))
    out.text(topic, Buffer.byteLength(topic))
    out.int32(partitions.length)
    for (const [p, { partition, messages }] of partitions.entries()) {
      const size = sizes[t]?.[p]
      if (size === undefined) throw new Error('every partition has been measured')
      out.int32(partition)
      out.int32(size.bytes)
      writeBatch(out, { messages, size, nowMs: request.nowMs })
    }
  }
  return out.finished()
}

type BatchSizes = { bytes: number; records: readonly number[] }

function batchSizes(messages: readonly RecordToEncode[]): BatchSizes {
  let bytes = batchHeaderBytes
  const records = messages.map((message, offset) => {
    const size = recordSize(message, offset)
    bytes += varintBytes(size) + size
    return size
  })
  return { bytes, records }
}

/** Bytes of a record behind its own length. */
function recordSize({ key, value, headers }: RecordToEncode, offset: number): number {
  const names = Object.keys(headers)
  // One byte of attributes and one for the time, which is the batch's.
  let size = 2 + varintBytes(offset) + sizedBytes(key) + sizedBytes(value) + varintBytes(names.length)
  for (const name of names) size += sizedBytes(name) + sizedBytes(headers[name] ?? null)
  return size
}

function writeBatch(
  out: Writer,
  { messages, size, nowMs }: { messages: readonly RecordToEncode[]; size: BatchSizes; nowMs: number },
): void {
  const start = out.at
  out.int64(0n) // the base offset is the broker's to give
  out.int32(size.bytes - batchLengthFrom)
  out.int32(0) // the leader epoch is the broker's to give
  out.int8(magic)
  const checksumAt = out.at
  out.int32(0)
  out.int16(0) // no compression, the producer's time, no transaction
  out.int32(messages.length - 1)
  out.int64(BigInt(nowMs))
  out.int64(BigInt(nowMs))
  out.int64(noProducer)
  out.int16(0)
  out.int32(0)
  out.int32(messages.length)
  for (const [offset, { key, value, headers }] of messages.entries()) {
    out.varint(size.records[offset] ?? 0)
    out.int8(0)
    out.int8(0)
    out.varint(offset)
    out.sized(key)
    out.sized(value)
    const names = Object.keys(headers)
    out.varint(names.length)
    for (const name of names) {
      out.sized(name)
      out.sized(headers[name] ?? null)
    }
  }
  out.uint32At(checksumAt, crc32c(out.bytes(start + uncheckedBytes, start + size.bytes)))
}

/** Length as a varint and content; null is the length -1. */
function sizedBytes(content: string | Buffer | null): number {
  if (content === null) return varintBytes(-1)
  const bytes = typeof content === 'string' ? Buffer.byteLength(content) : content.length
  return varintBytes(bytes) + bytes
}

/** Bytes of a whole number of 32 bits in zigzag varint form. */
function varintBytes(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0
  if (zigzag < 0x80) return 1
  if (zigzag < 0x4000) return 2
  if (zigzag < 0x20_0000) return 3
  return zigzag < 0x1000_0000 ? 4 : 5
}

/** Writes into a buffer of a size that was computed before. */
class Writer {
  at = 0
  readonly #buffer: Buffer

  constructor(bytes: number) {
    this.#buffer = Buffer.allocUnsafe(bytes)
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

  varint(value: number): void {
    let zigzag = ((value << 1) ^ (value >> 31)) >>> 0
    while (zigzag >= 0x80) {
      this.#buffer[this.at++] = (zigzag & 0x7f) | 0x80
      zigzag >>>= 7
    }
    this.#buffer[this.at++] = zigzag
  }

  text(content: string, bytes: number): void {
    // ASCII, which nearly everything is, is written without being looked at again.
    this.#buffer.write(content, this.at, bytes, bytes === content.length ? 'latin1' : 'utf8')
    this.at += bytes
  }

  sized(content: string | Buffer | null): void {
    if (content === null) return this.varint(-1)
    if (typeof content === 'string') {
      const bytes = Buffer.byteLength(content)
      this.varint(bytes)
      return this.text(content, bytes)
    }
    this.varint(content.length)
    this.#buffer.set(content, this.at)
    this.at += content.length
  }

  bytes(from: number, to: number): Buffer {
    return this.#buffer.subarray(from, to)
  }

  finished(): Buffer {
    if (this.at !== this.#buffer.length) throw new Error('a request is as long as it was measured')
    return this.#buffer
  }
}
