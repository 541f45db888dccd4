// oxlint-disable-next-line typescript/triple-slash-reference -- packages that import this one need the types too
/// <reference path="./kafkajs-internals.d.ts" />
import compression from 'kafkajs/src/protocol/message/compression/index.js'
import { HeaderNames, noNames, RecordHeaders } from './record-headers.ts'

/** What the records of a batch share and kafkajs asks for when it leaves out aborted transactions. */
type BatchContext = { producerId: string; inTransaction: boolean; isControlBatch: boolean }

/** What is needed to read the records of a batch. */
type BatchFrame = {
  context: BatchContext
  firstOffset: bigint
  firstTimestampMs: number
  /** The one time of all its records; null: each has its own. */
  appendedAtMs: number | null
  /** Holds its records, uncompressed: all of the answer where they came so. */
  bytes: Buffer
}

/** What a record says. Its buffers are views. */
type RecordSaid = { key: Buffer | null; value: Buffer | null; headers: RecordHeaders }

/**
 * One record of an answer: a message for kafkajs' consumer, which asks for little more than the offset. What it says is
 * read when it is asked for: an answer holds many more records than are worked on at a time, and they would only fill
 * the memory until then.
 */
export class FetchedRecord {
  readonly #batch: BatchFrame
  readonly #offsetDelta: number
  readonly #timestampDelta: number
  readonly #keyAt: number

  constructor(batch: BatchFrame, offsetDelta: number, timestampDelta: number, keyAt: number) {
    this.#batch = batch
    this.#offsetDelta = offsetDelta
    this.#timestampDelta = timestampDelta
    this.#keyAt = keyAt
  }

  get at(): bigint {
    return this.#batch.firstOffset + BigInt(this.#offsetDelta)
  }

  get timestampMs(): number {
    return this.#batch.appendedAtMs ?? this.#batch.firstTimestampMs + this.#timestampDelta
  }

  get batchContext(): BatchContext {
    return this.#batch.context
  }

  get offset(): string {
    return String(this.at)
  }

  get isControlRecord(): boolean {
    return this.#batch.context.isControlBatch
  }

  /** For kafkajs, which looks at the keys of an answer with aborted transactions. */
  get key(): Buffer | null {
    return this.read().key
  }

  /**
   * Reads all of it, each time anew.
   *
   * @throws when it is not what a record is
   */
  read(): RecordSaid {
    const input = new Reader(this.#batch.bytes)
    input.at = this.#keyAt
    const key = input.bytes(input.varint())
    const value = input.bytes(input.varint())
    return { key, value, headers: readHeaders(input) }
  }
}

/** What an answer says about one partition, in kafkajs' names, and how far its batches reach. */
export class FetchedPartition {
  readonly partition: number
  readonly errorCode: number
  readonly highWatermark: string
  readonly lastStableOffset: string
  readonly lastStartOffset: string
  readonly abortedTransactions: readonly { producerId: string; firstOffset: string }[]
  readonly preferredReadReplica: number
  readonly messages: readonly FetchedRecord[]
  /** The offset behind the last whole batch, which may hold fewer records than offsets, or none; null without a batch. */
  readonly readTo: bigint | null

  constructor(fields: FetchedPartition) {
    this.partition = fields.partition
    this.errorCode = fields.errorCode
    this.highWatermark = fields.highWatermark
    this.lastStableOffset = fields.lastStableOffset
    this.lastStartOffset = fields.lastStartOffset
    this.abortedTransactions = fields.abortedTransactions
    this.preferredReadReplica = fields.preferredReadReplica
    this.messages = fields.messages
    this.readTo = fields.readTo
  }
}

type FetchResponse = {
  throttleTime: 0
  clientSideThrottleTime: number
  errorCode: number
  sessionId: number
  responses: { topicName: string; partitions: FetchedPartition[] }[]
}

/** Bytes of a record batch in front of what its length counts, and before its first record. */
const lengthFrom = 12
const batchHeaderBytes = 61
const magic = 2
const codecs = 0x07
const logAppendTime = 0x08
const transactional = 0x10
const control = 0x20

/**
 * Reads the answer to a Fetch request of version 11. Keys, values and headers are views of `bytes`: nothing is copied.
 *
 * @throws for a compression that kafkajs lacks, for batches in a format from before Kafka 0.11, and for records that
 * reach beyond the answer
 */
export async function decodeFetchResponse(bytes: Buffer): Promise<FetchResponse> {
  const input = new Reader(bytes)
  const clientSideThrottleTime = input.int32()
  const errorCode = input.int16()
  const sessionId = input.int32()
  const responses: FetchResponse['responses'] = []
  for (let topics = input.int32(); topics > 0; topics--) {
    const topicName = input.text(input.int16())
    const partitions: FetchedPartition[] = []
    for (let left = input.int32(); left > 0; left--) partitions.push(await readPartition(input))
    responses.push({ topicName, partitions })
  }
  return { throttleTime: 0, clientSideThrottleTime, errorCode, sessionId, responses }
}

async function readPartition(input: Reader): Promise<FetchedPartition> {
  const partition = input.int32()
  const errorCode = input.int16()
  const highWatermark = String(input.int64())
  const lastStableOffset = String(input.int64())
  const lastStartOffset = String(input.int64())
  const abortedTransactions: { producerId: string; firstOffset: string }[] = []
  for (let left = input.int32(); left > 0; left--) {
    abortedTransactions.push({ producerId: String(input.int64()), firstOffset: String(input.int64()) })
  }
  const preferredReadReplica = input.int32()
  const batches = new Reader(input.bytes(input.int32()) ?? Buffer.alloc(0))
  const { messages, readTo } = await readBatches(batches)
  return new FetchedPartition({
    partition,
    errorCode,
    highWatermark,
    lastStableOffset,
    lastStartOffset,
    abortedTransactions,
    preferredReadReplica,
    messages,
    readTo,
  })
}

async function readBatches(input: Reader): Promise<{ messages: FetchedRecord[]; readTo: bigint | null }> {
  const messages: FetchedRecord[] = []
  let readTo: bigint | null = null
  while (input.remaining() >= batchHeaderBytes) {
    const start = input.at
    const firstOffset = input.int64()
    const end = start + lengthFrom + input.int32()
    // The broker cuts the last batch off where the size asked for ends.
    if (end > input.length) break
    input.int32() // the leader's epoch
    const format = input.int8()
    if (format !== magic) throw new Error(`a record batch of format ${format} cannot be read`)
    input.int32() // the checksum, which the broker has verified
    const attributes = input.int16()
    const lastOffsetDelta = input.int32()
    const firstTimestampMs = input.int64Number()
    const maxTimestampMs = input.int64Number()
    const context = {
      producerId: String(input.int64()),
      inTransaction: (attributes & transactional) !== 0,
      isControlBatch: (attributes & control) !== 0,
    }
    input.int16() // the producer's epoch
    input.int32() // the first sequence number
    const count = input.int32()
    const appendedAtMs = (attributes & logAppendTime) === 0 ? null : maxTimestampMs
    const records = await recordsOf(attributes, input, end)
    const batch = { context, firstOffset, firstTimestampMs, appendedAtMs, bytes: records.whole }
    for (let left = count; left > 0; left--) messages.push(readRecord(records, batch))
    input.at = end
    readTo = firstOffset + BigInt(lastOffsetDelta) + 1n
  }
  return { messages, readTo }
}

async function recordsOf(attributes: number, input: Reader, end: number): Promise<Reader> {
  if ((attributes & codecs) === 0) return input
  const codec = compression.lookupCodecByAttributes(attributes)
  if (codec === null) throw new Error(`records compressed with codec ${attributes & codecs} cannot be read`)
  const compressed = input.bytes(end - input.at)
  return new Reader(compressed === null ? Buffer.alloc(0) : await codec.decompress(compressed))
}

/** Steps over what the record says. */
function readRecord(input: Reader, batch: BatchFrame): FetchedRecord {
  const length = input.varint()
  const end = input.at + length
  input.int8() // attributes, of which there are none
  const timestampDelta = input.varlong()
  const record = new FetchedRecord(batch, input.varint(), timestampDelta, input.at)
  if (end > input.length) throw new Error('a record reaches beyond its answer')
  input.at = end
  return record
}

/** A record with more headers is none of ours, and what it took is not kept. */
const mostHeadersKept = 100

/** The names that the record read last had. Those of a topic mostly have the same: to compare them costs less. */
let expected = noNames

function readHeaders(input: Reader): RecordHeaders {
  const count = input.varint()
  // A header takes two bytes at least.
  if (count < 0 || count > input.remaining()) throw new Error(`a record cannot have ${count} headers`)
  let place = 0
  for (; place < count; place++) {
    const name = expected.encoded[place]
    if (name === undefined || !input.skip(name)) break
    readContent(input, place)
  }
  if (place === count && count === expected.all.length) return headersWith(input, count)

  const all = expected.all.slice(0, place)
  const encoded = expected.encoded.slice(0, place)
  for (; place < count; place++) {
    const from = input.at
    const length = input.varint()
    if (length < 0) throw new Error(`the name of a header cannot have ${length} bytes`)
    all.push(input.text(length))
    // A copy: these names outlive what was fetched.
    encoded.push(Buffer.from(input.whole.subarray(from, input.at)))
    readContent(input, place)
  }
  expected = new HeaderNames(all, encoded)
  return headersWith(input, count)
}

/** Where the contents of the headers stand that are being read: a list of each record's own grows to twice its size. */
let spans: number[] = []

function headersWith(input: Reader, count: number): RecordHeaders {
  const read = spans.slice(0, 2 * count)
  if (count > mostHeadersKept) spans = []
  return new RecordHeaders(input.whole, expected, read)
}

/** Steps over the content of a header and notes where it stands. */
function readContent(input: Reader, place: number): void {
  const length = input.varint()
  spans[2 * place] = input.at
  spans[2 * place + 1] = input.at + length
  if (length > 0) input.at += length
}

/** Reads Kafka's primitive types one after the other. */
class Reader {
  at = 0
  readonly #buffer: Buffer

  constructor(buffer: Buffer) {
    this.#buffer = buffer
  }

  /** All that is read, however far that has come. */
  get whole(): Buffer {
    return this.#buffer
  }

  get length(): number {
    return this.#buffer.length
  }

  remaining(): number {
    return this.#buffer.length - this.at
  }

  int8(): number {
    return this.#buffer.readInt8(this.#advance(1))
  }

  int16(): number {
    return this.#buffer.readInt16BE(this.#advance(2))
  }

  int32(): number {
    return this.#buffer.readInt32BE(this.#advance(4))
  }

  int64(): bigint {
    return this.#buffer.readBigInt64BE(this.#advance(8))
  }

  /** Exact to 2^53, which is enough for a time. */
  int64Number(): number {
    const at = this.#advance(8)
    return this.#buffer.readInt32BE(at) * 2 ** 32 + this.#buffer.readUInt32BE(at + 4)
  }

  /** A whole number of 32 bits in zigzag form. */
  varint(): number {
    let zigzag = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.#byte()
      zigzag |= (byte & 0x7f) << shift
      if (byte < 0x80) return (zigzag >>> 1) ^ -(zigzag & 1)
    }
  }

  /** A whole number in zigzag form, exact to 2^53. */
  varlong(): number {
    let zigzag = 0
    for (let unit = 1; ; unit *= 0x80) {
      const byte = this.#byte()
      zigzag += (byte & 0x7f) * unit
      if (byte < 0x80) return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2
    }
  }

  /** A view; null for a length of -1. */
  bytes(length: number): Buffer | null {
    if (length < 0) return null
    const at = this.#advance(length)
    return this.#buffer.subarray(at, at + length)
  }

  /** Whether these bytes come next; then they are read. */
  skip(bytes: Buffer): boolean {
    for (let index = 0; index < bytes.length; index++) {
      if (this.#buffer[this.at + index] !== bytes[index]) return false
    }
    this.at += bytes.length
    return true
  }

  text(length: number): string {
    const at = this.#advance(length)
    return this.#buffer.toString('utf8', at, at + length)
  }

  #byte(): number {
    const byte = this.#buffer[this.at++]
    if (byte === undefined) throw new Error('a record reaches beyond its batch')
    return byte
  }

  #advance(bytes: number): number {
    const at = this.at
    this.at += bytes
    return at
  }
}
