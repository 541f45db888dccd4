import fc from 'fast-check'
import kafkajs from 'kafkajs'
import Encoder from 'kafkajs/src/protocol/encoder.js'
import encodeRecord from 'kafkajs/src/protocol/recordBatch/record/v0/index.js'
import batches from 'kafkajs/src/protocol/recordBatch/v0/index.js'
import fetch from 'kafkajs/src/protocol/requests/fetch/index.js'
import kafkaJsResponse from 'kafkajs/src/protocol/requests/fetch/v11/response.js'
import { describe, expect, test } from 'vitest'
import { type ConsumedRecord, toConsumedRecord } from './consumed-record.ts'
import { useOwnFetchDecoding } from './fetch-decoding.ts'
import { decodeFetchResponse } from './fetch-response.ts'

type RecordPlan = Parameters<typeof encodeRecord>[0]
type BatchPlan = {
  firstOffset: bigint
  offsetsBehind: number
  codec: number
  firstTimestamp: number
  maxTimestamp: number
  isAppendTime: boolean
  isControl: boolean
  transactional: boolean
  producerId: bigint
  records: RecordPlan[]
}
type PartitionPlan = { partition: number; batches: BatchPlan[]; cutBytes: number }

const attributesAt = 21
const buffer = (maxLength: number) => fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes))
const name = fc.oneof(
  fc.constantFrom('kind', 'kind-of'),
  fc.string({ unit: 'grapheme', maxLength: 40 }).filter((each) => each !== '__proto__'),
)
const record: fc.Arbitrary<RecordPlan> = fc.record({
  offsetDelta: fc.nat({ max: 2 ** 30 }),
  timestampDelta: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
  key: fc.option(buffer(100)),
  value: fc.option(buffer(2_000)),
  headers: fc
    .array(fc.tuple(name, fc.oneof(buffer(80), fc.array(buffer(10), { minLength: 2, maxLength: 3 }))), {
      maxLength: 12,
    })
    .map((pairs) => Object.fromEntries(pairs)),
})
const batch: fc.Arbitrary<BatchPlan> = fc.record({
  firstOffset: fc.bigInt({ min: 0n, max: 2n ** 60n }),
  offsetsBehind: fc.nat({ max: 1_000 }),
  codec: fc.constantFrom(0, 0, kafkajs.CompressionTypes.GZIP),
  firstTimestamp: fc.oneof(fc.nat({ max: 2 ** 42 }), fc.constant(-1)),
  maxTimestamp: fc.nat({ max: 2 ** 42 }),
  isAppendTime: fc.boolean(),
  isControl: fc.boolean(),
  transactional: fc.boolean(),
  producerId: fc.bigInt({ min: -1n, max: 2n ** 50n }),
  records: fc
    .tuple(fc.array(record, { minLength: 1, maxLength: 8 }), fc.infiniteStream(fc.boolean()))
    .map(([records, areAsBefore]) => records.reduce(withHeadersOfBefore(areAsBefore), [])),
})

/** Some records in a row have the same headers, as those of a topic have. */
function withHeadersOfBefore(areAsBefore: Iterator<boolean>) {
  return (records: RecordPlan[], next: RecordPlan) => {
    const before = records.at(-1)
    const isAsBefore = before !== undefined && areAsBefore.next().value === true
    return [...records, isAsBefore ? { ...next, headers: before.headers } : next]
  }
}
const partition: fc.Arbitrary<PartitionPlan> = fc.record({
  partition: fc.nat({ max: 300 }),
  batches: fc.array(batch, { maxLength: 4 }),
  cutBytes: fc.oneof(fc.constant(0), fc.nat({ max: 60 })),
})

const lastDelta = ({ records, offsetsBehind }: BatchPlan) =>
  Math.max(0, ...records.map(({ offsetDelta }) => offsetDelta)) + offsetsBehind

const behind = (plan: BatchPlan | undefined) =>
  plan === undefined ? null : plan.firstOffset + BigInt(lastDelta(plan)) + 1n

async function encodeBatch(plan: BatchPlan): Promise<Buffer> {
  const { buffer: bytes } = await batches.RecordBatch({
    ...plan,
    compression: plan.codec,
    lastOffsetDelta: lastDelta(plan),
    records: plan.records.map(encodeRecord),
  })
  const attributes =
    bytes.readInt16BE(attributesAt) | (plan.isAppendTime ? 0x08 : 0) | (plan.isControl ? 0x20 : 0)
  bytes.writeInt16BE(attributes, attributesAt)
  return bytes
}

async function encodePartition(plan: PartitionPlan): Promise<Encoder> {
  const whole = Buffer.concat(await Promise.all(plan.batches.map(encodeBatch)))
  const aborted = [new Encoder().writeInt64(7n).writeInt64(8n)]
  return new Encoder()
    .writeInt32(plan.partition)
    .writeInt16(0)
    .writeInt64(1_000n)
    .writeInt64(999n)
    .writeInt64(3n)
    .writeArray(plan.partition % 2 === 0 ? aborted : [])
    .writeInt32(-1)
    .writeBytes(whole.subarray(0, Math.max(0, whole.length - plan.cutBytes)))
}

async function encodeResponse(topics: readonly { topic: string; partitions: PartitionPlan[] }[]) {
  const encoded = await Promise.all(
    topics.map(async ({ topic, partitions }) =>
      new Encoder()
        .writeString(topic)
        .writeArray(await Promise.all(partitions.map((each) => encodePartition(each)))),
    ),
  )
  return new Encoder().writeInt32(12).writeInt16(0).writeInt32(34).writeArray(encoded).buffer
}

/** What this package and kafkajs' consumer take from an answer. */
function summary(response: Awaited<ReturnType<typeof decodeFetchResponse | typeof kafkaJsResponse.decode>>) {
  return {
    ...response,
    responses: response.responses.map(({ topicName, partitions }) => ({
      topicName,
      partitions: partitions.map((each) => {
        // All of them are there before one is asked what it says, as in a chunk.
        const said = each.messages
          .map((message) => toConsumedRecord(topicName, each.partition, message))
          .map(readOut)
        return {
          partition: each.partition,
          errorCode: each.errorCode,
          highWatermark: each.highWatermark,
          lastStableOffset: each.lastStableOffset,
          lastStartOffset: each.lastStartOffset,
          abortedTransactions: each.abortedTransactions,
          preferredReadReplica: each.preferredReadReplica,
          messages: each.messages.map((message, place) => ({
            ...said[place],
            offsetText: message.offset,
            keyBytes: message.key,
            isControlRecord: message.isControlRecord,
            producerId: message.batchContext.producerId,
            inTransaction: message.batchContext.inTransaction,
          })),
        }
      }),
    })),
  }
}

/** With its headers in a plain map, as asked for by each of the ways to do so. */
function readOut(record: ConsumedRecord): ConsumedRecord {
  const { headers } = record
  const listed = new Map(headers)
  expect(headers.size).toBe(listed.size)
  expect([...headers.keys()].map((each) => [each, headers.get(each)])).toEqual([...listed])
  expect([...headers.values()]).toEqual([...listed.values()])
  const told: [string, Buffer][] = []
  headers.forEach((content, each) => told.push([each, content]))
  expect(told).toEqual([...listed])
  for (const each of ['', 'kind', 'kind-of', 'none']) expect(headers.has(each)).toBe(listed.has(each))
  return { ...record, headers: listed }
}

describe('our reading of a Fetch answer', () => {
  test('is that of kafkajs for any batches, compressed, cut off, transactional, with gaps or not', async () => {
    const topics = fc.array(
      fc.record({
        topic: fc.string({ unit: 'grapheme', maxLength: 40 }),
        partitions: fc.array(partition, { maxLength: 3 }),
      }),
      { maxLength: 3 },
    )
    await fc.assert(
      fc.asyncProperty(topics, async (plan) => {
        const bytes = await encodeResponse(plan)
        expect(summary(await decodeFetchResponse(bytes))).toEqual(
          summary(await kafkaJsResponse.decode(bytes)),
        )
      }),
      { numRuns: 200 },
    )
  })

  test('tells the offset behind the last whole batch, also of one that holds nothing any more', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(batch, fc.boolean()), { minLength: 1, maxLength: 4 }),
        async (plans) => {
          const emptied = plans.map(([plan, isEmpty]) =>
            isEmpty ? { ...plan, records: [], codec: 0 } : plan,
          )
          const readTo = async (cutBytes: number) => {
            const partitions = [{ partition: 0, batches: emptied, cutBytes }]
            const { responses } = await decodeFetchResponse(
              await encodeResponse([{ topic: 't', partitions }]),
            )
            return responses[0]?.partitions[0]?.readTo
          }
          expect(await readTo(0)).toBe(behind(emptied.at(-1)))
          expect(await readTo(1)).toBe(behind(emptied.at(-2)))
        },
      ),
      { numRuns: 100 },
    )
  })

  test('leaves out a header without a value', async () => {
    const plan: RecordPlan = {
      offsetDelta: 0,
      timestampDelta: 0,
      key: null,
      value: null,
      headers: { a: Buffer.from('1'), b: Buffer.alloc(0) },
    }
    const bytes = await encodeResponse([
      { topic: 't', partitions: [{ partition: 0, batches: [oneBatch([plan])], cutBytes: 0 }] },
    ])
    // The length 0 of the last header's value becomes -1.
    const lastLength = bytes.length - 1
    expect(bytes[lastLength]).toBe(0)
    bytes[lastLength] = 1
    const { responses } = await decodeFetchResponse(bytes)
    const headers = responses[0]?.partitions[0]?.messages[0]?.read().headers
    expect([...(headers ?? [])]).toEqual([['a', Buffer.from('1')]])
    const theirs = (await kafkaJsResponse.decode(bytes)).responses[0]?.partitions[0]?.messages[0]
    expect(theirs && readOut(toConsumedRecord('t', 0, theirs)).headers).toEqual(new Map(headers))
  })

  test('tells the last of a repeated header, and none when that one is without a value', async () => {
    const headers = { a: [Buffer.from('1'), Buffer.from('2')], b: Buffer.from('3') }
    const plan: RecordPlan = { offsetDelta: 0, timestampDelta: 0, key: null, value: null, headers }
    const bytes = await encodeResponse([
      { topic: 't', partitions: [{ partition: 0, batches: [oneBatch([plan, plan])], cutBytes: 0 }] },
    ])
    const second = async () => {
      const { responses } = await decodeFetchResponse(bytes)
      const message = responses[0]?.partitions[0]?.messages[1]
      return [...(message?.read().headers ?? [])].map(([name, content]) => `${name}=${String(content)}`)
    }
    expect(await second()).toEqual(['a=2', 'b=3'])
    bytes.write('b', bytes.lastIndexOf('a\x022'), 'latin1')
    expect(await second()).toEqual(['a=1', 'b=3'])
    // The length 1 of the last header's value becomes -1.
    bytes[bytes.length - 2] = 1
    expect(await second()).toEqual(['a=1'])
  })

  test('fails for what it cannot read instead of leaving it out', async () => {
    const plan = { offsetDelta: 0, timestampDelta: 0, key: null, value: Buffer.from('v'), headers: {} }
    const bytes = await encodeResponse([
      { topic: 't', partitions: [{ partition: 0, batches: [oneBatch([plan])], cutBytes: 0 }] },
    ])
    const batchAt = bytes.length - (await encodeBatch(oneBatch([plan]))).length
    const changed = (at: number, byte: number) => {
      const copy = Buffer.from(bytes)
      copy[batchAt + at] = byte
      return decodeFetchResponse(copy)
    }
    await expect(changed(attributesAt + 1, 2)).rejects.toThrow('Snappy compression not implemented')
    await expect(changed(attributesAt + 1, 7)).rejects.toThrow('codec 7 cannot be read')
    await expect(changed(attributesAt - 5, 1)).rejects.toThrow('a record batch of format 1 cannot be read')
  })

  test('fails for a record that is longer than what is there', async () => {
    const bytes = await twoRecords()
    // Its length stands in front of its seven bytes.
    expect(bytes[bytes.length - 8]).toBe(2 * 7)
    bytes[bytes.length - 8] = 2 * 63
    await expect(decodeFetchResponse(bytes)).rejects.toThrow('a record reaches beyond its answer')
  })

  test.each([
    ['more headers than it can hold', 2 * 63],
    ['fewer headers than none', 1],
  ])('a record with %s cannot be read, and the one beside it can', async (_, count) => {
    const bytes = await twoRecords()
    bytes[bytes.length - 1] = count
    const [one, other] = (await decodeFetchResponse(bytes)).responses[0]?.partitions[0]?.messages ?? []
    expect(one?.read().value).toEqual(Buffer.from('v'))
    expect(() => other?.read()).toThrow(/^a record cannot have -?\d+ headers$/)
  })
})

/** An answer whose last byte says how many headers the second record has: none. */
function twoRecords(): Promise<Buffer> {
  const plan = { offsetDelta: 0, timestampDelta: 0, key: null, value: Buffer.from('v'), headers: {} }
  return encodeResponse([
    { topic: 't', partitions: [{ partition: 0, batches: [oneBatch([plan, plan])], cutBytes: 0 }] },
  ])
}

const oneBatch = (records: RecordPlan[]): BatchPlan => ({
  firstOffset: 5n,
  offsetsBehind: 0,
  codec: 0,
  firstTimestamp: 0,
  maxTimestamp: 0,
  isAppendTime: false,
  isControl: false,
  transactional: false,
  producerId: -1n,
  records,
})

test('kafkajs reads version 11 with ours and keeps its own for older brokers', () => {
  const original = fetch.protocol
  try {
    useOwnFetchDecoding()
    const request = { maxWaitTime: 0, minBytes: 1, maxBytes: 1, topics: [] }
    expect(fetch.protocol({ version: 11 })(request).response.decode).toBe(decodeFetchResponse)
    expect(fetch.protocol({ version: 10 })(request).response).toBe(
      original({ version: 10 })(request).response,
    )
  } finally {
    fetch.protocol = original
  }
})
