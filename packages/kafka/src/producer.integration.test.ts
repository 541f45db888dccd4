import { expect, test } from 'vitest'
import { KafkaUnreachable } from './client.ts'
import { silentLog } from './kafka-log.ts'
import { clientId, config, freshName, freshTopic, numbered } from './kafka.fixture.ts'
import { readTopic } from './log-reader.ts'
import { type LogRecord, openProducer } from './producer.ts'

const log = silentLog
const deadlineMs = 10_000

test('5,000 concurrent appends are all confirmed and readable once', async () => {
  const topic = await freshTopic()
  await using producer = await openProducer(config, { clientId, log })
  const results = await Promise.all(
    Array.from({ length: 5_000 }, (_, number) => producer.append(numbered(topic, number), { deadlineMs })),
  )
  expect(new Set(results.map(({ kind }) => kind))).toEqual(new Set(['stored']))

  const records = await readTopic(config, topic)
  const numbers = records.map(({ value }) => Number(value)).toSorted((a, b) => a - b)
  expect(numbers).toEqual(Array.from({ length: 5_000 }, (_, number) => number))
})

test('a record arrives with its key, value, headers and the broker’s time', async () => {
  const topic = await freshTopic({ config: { 'message.timestamp.type': 'LogAppendTime' } })
  await using producer = await openProducer(config, { clientId, log })
  const before = Date.now()
  const value = Buffer.from([0, 255, 128])
  const stored = await producer.append(
    { topic, partition: 3, key: 'a/ü', value, headers: { kind: 'x', raw: Buffer.from([1, 2]) } },
    { deadlineMs },
  )
  await producer.append({ topic, partition: 3, key: 'a/ü', value: null }, { deadlineMs })

  const [record, tombstone] = await readTopic(config, topic)
  expect(stored).toEqual({ kind: 'stored', offset: '0' })
  expect(record).toMatchObject({ topic, partition: 3, offset: 0n, key: 'a/ü', value, bytes: 7 })
  expect([...(record?.headers ?? [])]).toEqual([
    ['kind', Buffer.from('x')],
    ['raw', Buffer.from([1, 2])],
  ])
  expect(record?.timestampMs).toBeGreaterThanOrEqual(before - 1_000)
  expect(record?.timestampMs).toBeLessThanOrEqual(Date.now() + 1_000)
  expect(tombstone).toMatchObject({ offset: 1n, value: null })
})

test('where the topic does not keep the broker’s time a record carries ours', async () => {
  const topic = await freshTopic({ config: { 'message.timestamp.type': 'CreateTime' } })
  await using producer = await openProducer(config, { clientId, log })
  const before = Date.now()
  await producer.publish([numbered(topic, 0), numbered(topic, 0)], { deadlineMs })
  for (const { timestampMs } of await readTopic(config, topic)) {
    expect(timestampMs).toBeGreaterThanOrEqual(before)
    expect(timestampMs).toBeLessThanOrEqual(Date.now())
  }
})

test('publish keeps the order of a partition over several batches', async () => {
  const topic = await freshTopic()
  await using producer = await openProducer(config, { clientId, log, maxBatchRecords: 50 })
  const records = Array.from({ length: 333 }, (_, number) => numbered(topic, number * config.partitions))
  await producer.publish(records, { deadlineMs })
  const numbers = (await readTopic(config, topic)).map(({ value }) => Number(value))
  expect(numbers).toEqual(records.map(({ value }) => Number(value)))
})

test('each record stands at the offset told, whatever shared its batch', async () => {
  const topics = [await freshTopic(), await freshTopic({ maxMessageBytes: 20_000 })]
  await using producer = await openProducer(config, { clientId, log, maxBatchRecords: 70 })
  const recordsOf = (round: number) =>
    Array.from({ length: 200 }, (_, index): LogRecord => {
      const topic = topics[index % 3 === 0 ? 1 : 0] ?? ''
      // Now and then the batch of a partition is too large for its topic and has to be divided.
      const value = `${round} ${index} `.padEnd(index % 50 === 0 ? 15_000 : 10)
      return { ...numbered(topic, index * (round + 1)), value }
    })
  const rounds = Array.from({ length: 8 }, (_, round) => recordsOf(round))
  const told = await Promise.all(
    rounds.map(async (records, round) => {
      if (round % 2 === 0) return producer.publish(records, { deadlineMs })
      const results = await Promise.all(records.map((each) => producer.append(each, { deadlineMs })))
      return results.map((result) => (result.kind === 'stored' ? BigInt(result.offset) : -1n))
    }),
  )
  const read = (await Promise.all(topics.map((topic) => readTopic(config, topic)))).flat()
  const values = new Map(
    read.map(({ topic, partition, offset, value }) => [`${topic} ${partition} ${offset}`, String(value)]),
  )
  const wrong = rounds.flatMap((records, round) =>
    records.filter(({ topic, partition, value }, index) => {
      return values.get(`${topic} ${partition} ${told[round]?.[index]}`) !== value
    }),
  )
  expect(wrong).toEqual([])
  expect(new Set(told.map(({ length }) => length))).toEqual(new Set([200]))
})

test('a record larger than its topic takes is refused, and its neighbours are stored', async () => {
  const topic = await freshTopic({ maxMessageBytes: 20_000 })
  await using producer = await openProducer(config, { clientId, log })
  const large = { ...numbered(topic, 3), value: 'x'.repeat(30_000) }
  const records = [numbered(topic, 0), numbered(topic, 1), large, numbered(topic, 4), numbered(topic, 7)]
  const results = await Promise.all(records.map((record) => producer.append(record, { deadlineMs })))
  expect(results.map(({ kind }) => kind)).toEqual(['stored', 'stored', 'refused', 'stored', 'stored'])
  expect(results[2]).toEqual({ kind: 'refused', reason: 'too_large' })
  const values = (await readTopic(config, topic)).map(({ value }) => Number(value))
  expect(new Set(values)).toEqual(new Set([0, 1, 4, 7]))
})

test('records that together exceed what a topic takes per batch are all stored', async () => {
  const topic = await freshTopic({ maxMessageBytes: 20_000 })
  await using producer = await openProducer(config, { clientId, log })
  const records = Array.from({ length: 40 }, (_, index) => ({
    ...numbered(topic, 0),
    value: String(index).padEnd(2_000),
  }))
  await producer.publish(records, { deadlineMs })
  const values = (await readTopic(config, topic)).map(({ value }) => Number(value))
  expect(new Set(values)).toEqual(new Set(records.keys()))
})

test('a topic or a partition that does not exist is never confirmed', async () => {
  const topic = await freshTopic()
  await using producer = await openProducer(config, { clientId, log })
  const noPartition = { ...numbered(topic, 0), partition: config.partitions }
  const [first, second] = await Promise.all([
    producer.append(noPartition, { deadlineMs: 2_000 }),
    producer.append(numbered(topic, 0), { deadlineMs: 2_000 }),
  ])
  expect(first).toMatchObject({ kind: 'unconfirmed' })
  expect(second).toMatchObject({ kind: 'stored' })
  const noTopic = numbered(freshName('nowhere'), 0)
  expect(await producer.append(noTopic, { deadlineMs: 2_000 })).toMatchObject({ kind: 'unconfirmed' })
  await expect(producer.publish([noTopic], { deadlineMs: 500 })).rejects.toThrow(
    'Kafka has not confirmed all of 1 records',
  )
})

test('closing confirms what was taken and takes nothing more', async () => {
  const topic = await freshTopic()
  const producer = await openProducer(config, { clientId, log, maxBatchRecords: 10 })
  const waiting = Array.from({ length: 200 }, (_, number) =>
    producer.append(numbered(topic, number), { deadlineMs }),
  )
  await producer[Symbol.asyncDispose]()
  const results = await Promise.all(waiting)
  expect(new Set(results.map(({ kind }) => kind))).toEqual(new Set(['stored']))
  expect(await producer.append(numbered(topic, 0), { deadlineMs })).toEqual({
    kind: 'unconfirmed',
    reason: 'closed',
  })
})

test('a producer is ready while its appends are confirmed, and not after a failure', async () => {
  const topic = await freshTopic()
  await using producer = await openProducer(config, { clientId, log })
  await producer.append(numbered(topic, 0), { deadlineMs })
  expect(producer.isReady()).toEqual({ ok: true, detail: 'appends are confirmed' })
  await producer.append(numbered(freshName('nowhere'), 0), { deadlineMs: 1_000 })
  expect(producer.isReady().ok).toBe(false)
  await producer.append(numbered(topic, 1), { deadlineMs })
  expect(producer.isReady().ok).toBe(true)
})

test('a broker that cannot be reached fails the start within ten seconds and says what to check', async () => {
  const since = performance.now()
  const nowhere = { ...config, brokers: ['127.0.0.1:1'] }
  const error = await openProducer(nowhere, { clientId, log }).catch((problem: unknown) => problem)
  expect(error).toBeInstanceOf(KafkaUnreachable)
  expect(String(error)).toMatch(
    /127\.0\.0\.1:1 \(KAFKA_BROKERS\): .*ECONNREFUSED.*Check that a broker runs there/,
  )
  expect(performance.now() - since).toBeLessThan(10_000)
})
