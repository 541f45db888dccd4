import kafkajs from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createClient, withAdmin } from './client.ts'
import { silentLog } from './kafka-log.ts'
import { clientId, config, freshName, freshTopic, writeNumbers } from './kafka.fixture.ts'
import { type ConsumedRecord, openPartitionReader, type PartitionReader } from './partition-reader.ts'
import { openProducer, type Producer } from './producer.ts'

const log = silentLog
const deadlineMs = 30_000
const farAway = 1_000_000n

let reader: PartitionReader
let producer: Producer
beforeAll(async () => {
  reader = await openPartitionReader(config, { clientId, log })
  producer = await openProducer(config, { clientId, log })
})
afterAll(async () => {
  await reader[Symbol.asyncDispose]()
  await producer[Symbol.asyncDispose]()
})

type Range = { topic: string; partition?: number; from?: bigint; to?: bigint }

async function readAll({ topic, partition = 0, from = 0n, to = farAway }: Range): Promise<ConsumedRecord[]> {
  const records: ConsumedRecord[] = []
  for await (const some of reader.read({ topic, partition, from, to })) records.push(...some)
  return records
}

const offsetsOf = (records: readonly ConsumedRecord[]) => records.map(({ offset }) => Number(offset))
const upTo = (end: number, start = 0) => Array.from({ length: end - start }, (_, index) => start + index)

async function write(topic: string, values: readonly string[], partition = 0): Promise<void> {
  const records = values.map((value, index) => ({ topic, partition, key: `key-${index}`, value }))
  await producer.publish(records, { deadlineMs })
}

async function deleteUntil(topic: string, offset: number): Promise<void> {
  await withAdmin(config, { clientId, log }, async (admin) => {
    await admin.fetchTopicOffsets(topic)
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] })
  })
}

describe('a range', () => {
  test('is read whole and in order, from its first offset up to but without its last, and no other partition', async () => {
    const topic = await freshTopic()
    await writeNumbers(topic, 0, 400)
    const records = await readAll({ topic, partition: 2, from: 10n, to: 60n })
    expect(offsetsOf(records)).toEqual(upTo(60, 10))
    expect(records.map(({ value }) => Number(value))).toEqual(upTo(60, 10).map((offset) => offset * 4 + 2))
    expect(records[0]).toMatchObject({ topic, partition: 2, key: 'key-42' })
    expect([...(records[0]?.headers ?? ['none'])]).toEqual([])
  })

  test('ends at the end of the log when that comes first, and may hold nothing', async () => {
    const topic = await freshTopic()
    expect(await readAll({ topic })).toEqual([])
    await write(topic, ['a', 'b'])
    expect(offsetsOf(await readAll({ topic }))).toEqual([0, 1])
    expect(await readAll({ topic, from: 2n })).toEqual([])
    expect(await readAll({ topic, from: 700n })).toEqual([])
    expect(await readAll({ topic, from: 1n, to: 1n })).toEqual([])
  })

  test('starts where the log starts when its head was deleted', async () => {
    const topic = await freshTopic()
    await write(topic, upTo(100).map(String))
    await deleteUntil(topic, 70)
    expect(offsetsOf(await readAll({ topic, from: 20n }))).toEqual(upTo(100, 70))
    expect(await readAll({ topic, from: 20n, to: 60n })).toEqual([])
    expect(await reader.bounds({ topic, partition: 0 })).toEqual({ start: 70n, end: 100n })
    await deleteUntil(topic, 100)
    expect(await readAll({ topic, from: 20n })).toEqual([])
  })

  test('larger than one fetch is read in several, with records larger than a fetch among the small', async () => {
    const topic = await freshTopic({ maxMessageBytes: 12_000_000 })
    const small = upTo(8).map((index) => String(index).padEnd(900_000, '.'))
    const large = 'L'.repeat(6_000_000)
    await write(topic, [...small, large, ...small, large])
    const sizes: number[] = []
    const lengths: number[] = []
    for await (const some of reader.read({ topic, partition: 0, from: 0n, to: farAway })) {
      sizes.push(some.length)
      lengths.push(...some.map(({ value }) => value?.length ?? 0))
    }
    expect(lengths).toEqual([...small, large, ...small, large].map(({ length }) => length))
    expect(sizes.length).toBeGreaterThan(4)
  })

  test('takes what is appended while it is read', async () => {
    const topic = await freshTopic()
    await write(topic, upTo(10).map(String))
    const offsets: number[] = []
    for await (const some of reader.read({ topic, partition: 0, from: 0n, to: 35n })) {
      offsets.push(...offsetsOf(some))
      if (offsets.length < 40) await write(topic, upTo(10).map(String))
    }
    expect(offsets).toEqual(upTo(35))
  })

  test('may be left early, and many may be read at the same time', async () => {
    const topic = await freshTopic()
    await writeNumbers(topic, 0, 4_000)
    for await (const [first] of reader.read({ topic, partition: 1, from: 5n, to: farAway })) {
      expect(first?.offset).toBe(5n)
      break
    }
    const ranges = upTo(20).map((index) => ({ topic, partition: index % 4, from: BigInt(index * 10) }))
    const read = await Promise.all(ranges.map(readAll))
    expect(read.map(offsetsOf)).toEqual(ranges.map(({ from }) => upTo(1_000, Number(from))))
  })
})

describe('whatever the log holds', () => {
  test.each(['gzip', 'zstd'])('batches compressed with %s', async (codec) => {
    const topic = await freshTopic({ config: { 'compression.type': codec } })
    const values = upTo(500).map((index) => `value ${index} `.repeat(50))
    await write(topic, values)
    const records = await readAll({ topic, from: 100n })
    expect(records.map(({ value }) => value?.toString())).toEqual(values.slice(100))
  })

  test('records that compaction left gaps between', async () => {
    const topic = await freshTopic({
      cleanup: 'compact',
      config: { 'segment.ms': '100', 'min.cleanable.dirty.ratio': '0.001', 'min.compaction.lag.ms': '0' },
    })
    const write = (keys: readonly string[]) =>
      producer.publish(
        keys.map((key) => ({ topic, partition: 0, key, value: 'x' })),
        { deadlineMs },
      )
    await write([...upTo(50).map((index) => `key-${index % 5}`), 'rare'])
    await expect
      .poll(
        async () => {
          // Only a segment that is no longer written to is compacted.
          await write(['key-0'])
          return (await readAll({ topic })).filter(({ offset }) => offset < 51n).map(({ key }) => key)
        },
        { timeout: 60_000, interval: 500 },
      )
      .toEqual(['key-1', 'key-2', 'key-3', 'key-4', 'rare'])
  })

  test('transactions: the committed ones without their marks, the aborted ones not', async () => {
    const topic = await freshTopic()
    const client = createClient(config, { clientId, log, requestTimeoutMs: 10_000, connectRetries: 10 })
    const writer = client.kafka.producer({
      transactionalId: freshName('transaction'),
      idempotent: true,
      maxInFlightRequests: 1,
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
    })
    await writer.connect()
    for (const [value, isCommitted] of [
      ['a', true],
      ['b', false],
      ['c', true],
    ] as const) {
      const transaction = await writer.transaction()
      await transaction.send({ topic, messages: [{ partition: 0, key: 'k', value }] })
      await (isCommitted ? transaction.commit() : transaction.abort())
    }
    client.end()
    const { end } = await reader.bounds({ topic, partition: 0 })
    expect(end).toBe(6n)
    const records = await readAll({ topic })
    expect(records.map(({ offset, value }) => `${offset} ${String(value)}`)).toEqual(['0 a', '4 c'])
    // Nothing but a mark is left of the range.
    expect(await readAll({ topic, from: 5n })).toEqual([])
  })

  test('headers: each, the last of a repeated one, none that has no value', async () => {
    const topic = await freshTopic()
    await producer.publish(
      [
        {
          topic,
          partition: 3,
          key: 'k',
          value: null,
          headers: { a: '1', empty: '', ü: Buffer.from([0, 255]) },
        },
      ],
      { deadlineMs },
    )
    const [record] = await readAll({ topic, partition: 3 })
    expect(record).toMatchObject({ key: 'k', value: null, bytes: 1 })
    expect([...(record?.headers ?? [])]).toEqual([
      ['a', Buffer.from('1')],
      ['empty', Buffer.from('')],
      ['ü', Buffer.from([0, 255])],
    ])
    expect(Math.abs((record?.timestampMs ?? 0) - Date.now())).toBeLessThan(60_000)
  })
})

test('a time leads to the first record appended then or later, and to the end of the log when there is none', async () => {
  const topic = await freshTopic({ config: { 'message.timestamp.type': 'LogAppendTime' } })
  const of = { topic, partition: 0 }
  expect(await reader.offsetAt({ ...of, timeMs: 0 })).toBe(0n)
  for (const value of ['a', 'b', 'c', 'd']) {
    await write(topic, [value, value])
    const [last] = (await readAll({ topic })).slice(-1)
    // So that each pair has a time of its own.
    await expect.poll(() => Date.now()).toBeGreaterThan(last?.timestampMs ?? 0)
  }
  const records = await readAll({ topic })
  for (const { timestampMs } of records) {
    const first = records.find((record) => record.timestampMs >= timestampMs)
    expect(await reader.offsetAt({ ...of, timeMs: timestampMs })).toBe(first?.offset)
  }
  expect(await reader.offsetAt({ ...of, timeMs: 0 })).toBe(0n)
  expect(await reader.offsetAt({ ...of, timeMs: Date.now() + 60_000 })).toBe(8n)
})

test('what does not exist is told within the deadline, and by its name', async () => {
  const topic = await freshTopic()
  const nowhere = freshName('nowhere')
  const since = performance.now()
  const failures = await Promise.allSettled([
    readAll({ topic, partition: 4 }),
    readAll({ topic: nowhere }),
    reader.bounds({ topic: nowhere, partition: 0 }),
  ])
  expect(performance.now() - since).toBeLessThan(11_000)
  const problems = failures.map((failure) =>
    failure.status === 'rejected' ? String(failure.reason) : 'none',
  )
  expect(problems).toEqual([
    `Error: Partition 4 of ${topic} cannot be read: Kafka knows no such partition`,
    `Error: Partition 0 of ${nowhere} cannot be read: This server does not host this topic-partition`,
    `Error: Partition 0 of ${nowhere} cannot be read: This server does not host this topic-partition`,
  ])
})

test('a topic made after it was asked for is found', async () => {
  const topic = freshName('later')
  const reading = readAll({ topic })
  const { ensureTopics } = await import('./topics.ts')
  await ensureTopics(config, [{ name: topic, cleanup: 'delete' }], { log })
  expect(await reading).toEqual([])
})

test('a closed reader says so at once', async () => {
  const topic = await freshTopic()
  const closed = await openPartitionReader(config, { clientId, log })
  await closed.bounds({ topic, partition: 0 })
  await closed[Symbol.asyncDispose]()
  const since = performance.now()
  await expect(closed.bounds({ topic, partition: 0 })).rejects.toThrow('cannot be read: the reader is closed')
  expect(performance.now() - since).toBeLessThan(1_000)
})
