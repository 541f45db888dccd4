import produce from 'kafkajs/src/protocol/requests/produce/index.js'
import createKafkaJsRequest from 'kafkajs/src/protocol/requests/produce/v7/request.js'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { useOwnProduceEncoding } from './produce-encoding.ts'

const original = produce.protocol
beforeAll(() => {
  useOwnProduceEncoding()
  vi.useFakeTimers({ toFake: ['Date'], now: 1_795_335_785_123 })
})
afterAll(() => {
  produce.protocol = original
  vi.useRealTimers()
})

const plain = {
  acks: -1,
  timeout: 30_000,
  compression: 0,
  producerId: -1,
  producerEpoch: 0,
  topicData: [
    { topic: 't', partitions: [{ partition: 3, messages: [{ key: 'k', value: 'v', headers: { a: 'b' } }] }] },
  ],
}

test.each([
  ['a plain request', plain],
  ['a request of an idempotent producer', { ...plain, producerId: 7, producerEpoch: 2 }],
  ['a request of a transaction', { ...plain, transactionalId: 'tx', producerId: 7 }],
])('%s has the bytes that kafkajs gives it', async (_, options) => {
  const { request } = produce.protocol({ version: 7 })(options)
  const ours = await request.encode()
  const theirs = await createKafkaJsRequest(options).encode()
  expect(ours.buffer.equals(theirs.buffer)).toBe(true)
})
