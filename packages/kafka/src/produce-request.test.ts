import fc from 'fast-check'
import frame from 'kafkajs/src/protocol/request.js'
import createKafkaJsRequest from 'kafkajs/src/protocol/requests/produce/v7/request.js'
import { describe, expect, test, vi } from 'vitest'
import { encodeProduceRequest } from './produce-request.ts'
import { type RecordContent, RecordEncoder } from './record-encoding.ts'

/** ASCII alone or any text: the two are written in different ways. */
const text = (maxLength: number) =>
  fc.oneof(fc.string({ unit: 'binary-ascii', maxLength }), fc.string({ unit: 'binary', maxLength }))

const record: fc.Arbitrary<RecordContent> = fc.record({
  key: text(200),
  value: fc.oneof(
    fc.uint8Array({ maxLength: 20_000 }).map((bytes) => Buffer.from(bytes)),
    text(20_000),
    fc.constant(null),
  ),
  headers: fc
    .array(
      fc.tuple(
        fc.oneof(
          { arbitrary: fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 70 }), weight: 20 },
          { arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 70 }), weight: 1 },
        ),
        fc.oneof(
          { arbitrary: fc.string({ minLength: 60, maxLength: 140 }), weight: 20 },
          { arbitrary: text(20), weight: 2 },
          { arbitrary: fc.uint8Array({ maxLength: 70 }).map((bytes) => Buffer.from(bytes)), weight: 1 },
        ),
      ),
      { maxLength: 12 },
    )
    .map((pairs) => Object.fromEntries(pairs)),
})

const topics = fc.uniqueArray(
  fc.record({
    topic: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
    partitions: fc.uniqueArray(
      fc.record({
        partition: fc.nat({ max: 300 }),
        messages: fc.array(record, { minLength: 1, maxLength: 70 }),
      }),
      { selector: ({ partition }) => partition, maxLength: 4 },
    ),
  }),
  { selector: ({ topic }) => topic, maxLength: 3 },
)

type Topics = {
  topic: string
  partitions: { partition: number; messages: RecordContent[] }[]
}[]

const clientId = 'client-ü'
const correlationId = 77

async function byKafkaJs(topicData: Topics): Promise<Buffer> {
  const request = createKafkaJsRequest({ acks: -1, timeout: 30_000, topicData })
  return (await frame({ correlationId, clientId, request })).buffer
}

describe('our bytes of a Produce request are those of kafkajs', () => {
  const nowMs = 1_795_335_785_123
  const ours = (topicData: Topics, encoder = new RecordEncoder()) => {
    const topics = topicData.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition, messages }) => ({
        partition,
        records: messages.map((message) => encoder.encode(message)),
      })),
    }))
    return encodeProduceRequest({ correlationId, clientId, acks: -1, timeoutMs: 30_000, nowMs, topics })
  }

  test('for any records of any partitions and topics', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: nowMs })
    try {
      await fc.assert(
        fc.asyncProperty(topics, fc.integer({ min: 1, max: 500 }), async (topicData, chunkBytes) => {
          const bytes = ours(topicData, new RecordEncoder(chunkBytes))
          expect(bytes.equals(await byKafkaJs(topicData))).toBe(true)
        }),
        { numRuns: 200 },
      )
    } finally {
      vi.useRealTimers()
    }
  })

  test('for so many records, of so many sizes, that all lengths of their numbers occur', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: nowMs })
    try {
      const sized = Array.from({ length: 300 }, (_, index) => ({
        key: 'k',
        value: 'x'.repeat(index * 37),
        headers: {},
      }))
      const many = Array.from({ length: 9_000 }, (_, index) => ({
        key: String(index),
        value: null,
        headers: {},
      }))
      const partitions = [sized, many].map((messages, partition) => ({ partition, messages }))
      const topicData = [{ topic: 't', partitions }]
      expect(ours(topicData).equals(await byKafkaJs(topicData))).toBe(true)
    } finally {
      vi.useRealTimers()
    }
  })

  const beyondAscii = ['\u0080', 'é', '\u07ff', '€', '🦊', '\ud800']
  const lengths = [0, 1, 62, 63, 64, 8_190, 8_191, 8_192]

  test.each(beyondAscii)('for one letter beyond ASCII, wherever it is: %j', async (letter) => {
    vi.useFakeTimers({ toFake: ['Date'], now: nowMs })
    try {
      const messages = lengths.flatMap((length) => {
        const [ascii, other] = ['x'.repeat(length), letter + 'x'.repeat(Math.max(0, length - 1))]
        const plain = { key: ascii, value: ascii, headers: { [ascii]: ascii } }
        return [
          plain,
          { ...plain, key: other },
          { ...plain, value: other },
          { ...plain, value: Buffer.from(ascii), headers: { [other]: ascii } },
          { ...plain, headers: { [other]: ascii } },
          { ...plain, headers: { [ascii]: other } },
        ]
      })
      const topicData = [{ topic: 't', partitions: [{ partition: 0, messages }] }]
      expect(ours(topicData).equals(await byKafkaJs(topicData))).toBe(true)
    } finally {
      vi.useRealTimers()
    }
  })

  test('for a value of 4 MiB beside small ones', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: nowMs })
    try {
      const large = { key: 'large', value: Buffer.alloc(4 * 1024 * 1024, 'x'), headers: {} }
      const small = { key: 'small', value: '{}', headers: { kind: 'notification' } }
      const messages = [small, large, small, { ...large, value: 'é'.repeat(2_000_000) }, small]
      const topicData = [{ topic: 't', partitions: [{ partition: 0, messages }] }]
      expect(ours(topicData).equals(await byKafkaJs(topicData))).toBe(true)
    } finally {
      vi.useRealTimers()
    }
  })
})
