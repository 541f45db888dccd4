import fc from 'fast-check'
import createKafkaJsRequest from 'kafkajs/src/protocol/requests/produce/v7/request.js'
import { describe, expect, test, vi } from 'vitest'
import { encodeProduceRequest, type RecordToEncode } from './produce-request.ts'

const record: fc.Arbitrary<RecordToEncode> = fc.record({
  key: fc.string({ unit: 'binary', maxLength: 200 }),
  value: fc.oneof(
    fc.uint8Array({ maxLength: 20_000 }).map((bytes) => Buffer.from(bytes)),
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.constant(null),
  ),
  headers: fc
    .array(
      fc.tuple(
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 70 }),
        fc.oneof(
          fc.string({ unit: 'binary', maxLength: 20 }),
          fc.string({ minLength: 60, maxLength: 140 }),
          fc.uint8Array({ maxLength: 70 }).map((bytes) => Buffer.from(bytes)),
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

type Topics = Parameters<typeof encodeProduceRequest>[0]['topics']

async function byKafkaJs(topicData: Topics): Promise<Buffer> {
  const { buffer } = await createKafkaJsRequest({ acks: -1, timeout: 30_000, topicData }).encode()
  return buffer
}

describe('our bytes of a Produce request are those of kafkajs', () => {
  const nowMs = 1_795_335_785_123
  const ours = (topicData: Topics) =>
    encodeProduceRequest({ acks: -1, timeoutMs: 30_000, nowMs, topics: topicData })

  test('for any records of any partitions and topics', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: nowMs })
    try {
      await fc.assert(
        fc.asyncProperty(topics, async (topicData) => {
          expect(ours(topicData).equals(await byKafkaJs(topicData))).toBe(true)
        }),
        { numRuns: 200 },
      )
    } finally {
      vi.useRealTimers()
    }
  })

  test('for a value of 4 MiB beside small ones', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: nowMs })
    try {
      const large = { key: 'large', value: Buffer.alloc(4 * 1024 * 1024, 'x'), headers: {} }
      const small = { key: 'small', value: '{}', headers: { kind: 'notification' } }
      const topicData = [{ topic: 't', partitions: [{ partition: 0, messages: [small, large, small] }] }]
      expect(ours(topicData).equals(await byKafkaJs(topicData))).toBe(true)
    } finally {
      vi.useRealTimers()
    }
  })
})
