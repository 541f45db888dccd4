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
  const measured = topics.map(({ topic, partitions }) => ({
    topic,
    partitions: partitions.map(({ partition, messages }) => ({ partition, batch: measureBatch(messages) })),
  }))
  const batches = measured.flatMap(({ partitions }) => partitions)
  const partitionBytes = batches.reduce((sum, { batch }) => sum + 8 + batch.bytes, 0)
  const topicBytes = topics.reduce((sum, { topic }) => sum + 2 + Buffer.byteLength(topic) + 4, 0)
  const out = new Writer(2 + 2 + 4 + 4 + topicBytes + partitionBytes)
  out.int16(-1) // no transactional id
  out.int16(request.acks)
  out.int32(request.timeoutMs)
  out.int32(topics.length)
  for (const { topic, partitions } of measured) {
    out.int16(Buffer.byteLength(topic))
    out.text(topic, Buffer.byteLength(topic))
    out.int32(partitions.length)
    for (const { partition, batch } of partitions) {
      out.int32(partition)
      out.int32(batch.bytes)
      writeBatch(out, batch, request.nowMs)
    }
  }
  return out.finished()
}

/** A record with all that is needed to write it. */
type Measured = {
  record: RecordToEncode
  keyBytes: number
  valueBytes: number
  /** The whole of the headers as Latin-1 text, when all of them are ASCII; null: they are written one by one. */
  headers: string | null
  /** Of all behind its own length. */
  bytes: number
}

type MeasuredBatch = { bytes: number; records: readonly Measured[] }

function measureBatch(messages: readonly RecordToEncode[]): MeasuredBatch {
  let bytes = batchHeaderBytes
  const records = messages.map((record, offset) => {
    const measured = measureRecord(record, offset)
    bytes += varintBytes(measured.bytes) + measured.bytes
    return measured
  })
  return { bytes, records }
}

function measureRecord(record: RecordToEncode, offset: number): Measured {
  const keyBytes = Buffer.byteLength(record.key)
  const valueBytes = sizeOf(record.value)
  const headers = asciiHeaders(record.headers)
  const headerBytes = headers === null ? headersBytes(record.headers) : headers.length
  // One byte of attributes and one for the time, which is the batch's.
  const bytes = 2 + varintBytes(offset) + sizedBytes(keyBytes) + sizedBytes(valueBytes) + headerBytes
  return { record, keyBytes, valueBytes, headers, bytes }
}

/**
 * Number, names and values of headers as Kafka has them, one character a byte; null when one is not ASCII text.
 * Twenty small writes cost more than all else of a record, and nearly every header is ASCII.
 */
function asciiHeaders(headers: RecordToEncode['headers']): string | null {
  let count = 0
  let contents = ''
  let text = ''
  for (const name in headers) {
    const value = headers[name]
    if (typeof value !== 'string') return null
    count += 1
    contents += name + value
    text += varintText(name.length) + name + varintText(value.length) + value
  }
  return Buffer.byteLength(contents) === contents.length ? varintText(count) + text : null
}

function headersBytes(headers: RecordToEncode['headers']): number {
  const names = Object.keys(headers)
  return names.reduce(
    (sum, name) => sum + sizedBytes(Buffer.byteLength(name)) + sizedBytes(sizeOf(headers[name] ?? null)),
    varintBytes(names.length),
  )
}

function writeBatch(out: Writer, batch: MeasuredBatch, nowMs: number): void {
  const start = out.at
  out.int64(0n) // the base offset is the broker's to give
  out.int32(batch.bytes - batchLengthFrom)
  out.int32(0) // the leader epoch is the broker's to give
  out.int8(magic)
  const checksumAt = out.at
  out.int32(0)
  out.int16(0) // no compression, the producer's time, no transaction
  out.int32(batch.records.length - 1)
  out.int64(BigInt(nowMs))
  out.int64(BigInt(nowMs))
  out.int64(noProducer)
  out.int16(0)
  out.int32(0)
  out.int32(batch.records.length)
  for (const [offset, measured] of batch.records.entries()) writeRecord(out, measured, offset)
  out.uint32At(checksumAt, crc32c(out.bytes(start + uncheckedBytes, start + batch.bytes)))
}

function writeRecord(out: Writer, measured: Measured, offset: number): void {
  const { record, keyBytes, valueBytes, headers, bytes } = measured
  out.varint(bytes)
  out.int8(0)
  out.int8(0)
  out.varint(offset)
  out.sized(record.key, keyBytes)
  out.sized(record.value, valueBytes)
  if (headers !== null) return out.latin1(headers)
  const names = Object.keys(record.headers)
  out.varint(names.length)
  for (const name of names) {
    const value = record.headers[name] ?? null
    out.sized(name, Buffer.byteLength(name))
    out.sized(value, sizeOf(value))
  }
}

/** Bytes of a content; -1 of none. */
function sizeOf(content: string | Buffer | null): number {
  if (content === null) return -1
  return typeof content === 'string' ? Buffer.byteLength(content) : content.length
}

/** Of a length as a varint and so much content; -1 is no content. */
function sizedBytes(bytes: number): number {
  return varintBytes(bytes) + Math.max(0, bytes)
}

/** A length that is no less than 0 as a varint, one character a byte. */
function varintText(length: number): string {
  let zigzag = length * 2
  let text = ''
  while (zigzag >= 0x80) {
    text += String.fromCharCode((zigzag & 0x7f) | 0x80)
    zigzag >>>= 7
  }
  return text + String.fromCharCode(zigzag)
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

  latin1(content: string): void {
    this.at += this.#buffer.write(content, this.at, 'latin1')
  }

  /** @param bytes of the content; -1: there is none */
  sized(content: string | Buffer | null, bytes: number): void {
    this.varint(bytes)
    if (content === null) return
    if (typeof content === 'string') return this.text(content, bytes)
    this.#buffer.set(content, this.at)
    this.at += bytes
  }

  bytes(from: number, to: number): Buffer {
    return this.#buffer.subarray(from, to)
  }

  finished(): Buffer {
    if (this.at !== this.#buffer.length) throw new Error('a request is as long as it was measured')
    return this.#buffer
  }
}
