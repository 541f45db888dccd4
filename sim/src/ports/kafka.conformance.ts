import type {
  Chunk,
  ChunkOutcome,
  ConsumedRecord,
  PartitionConsumerOptions,
  PartitionPosition,
} from '@signalbox/kafka/consumer'
import type { PartitionReader } from '@signalbox/kafka/partition-reader'
import type { LogRecord, Producer } from '@signalbox/kafka/producer'
import { expect, test, vi } from 'vitest'

/** A Kafka whose topics have two partitions, and the ports to it. */
export type Kafka = {
  freshTopic: () => Promise<string>
  producer: Pick<Producer, 'publish' | 'encode'>
  reader: Pick<PartitionReader, 'read' | 'bounds' | 'offsetAt'>
  openConsumer: (
    options: Pick<PartitionConsumerOptions, 'attach' | 'process' | 'tick'> & {
      topic: string
      groupId: string
    },
  ) => Promise<{ reattach: () => void; close: () => PromiseLike<void> }>
}

const deadlineMs = 10_000
const waiting = { timeout: 30_000, interval: 20 }
const partition = 1

const numbered = (topic: string, from: number, to: number): LogRecord[] =>
  Array.from({ length: to - from }, (_, index) => ({
    topic,
    partition,
    key: 'k',
    value: String(from + index),
  }))

const numbersOf = (records: readonly ConsumedRecord[]) => records.map(({ value }) => Number(value))

async function readAll(reader: Kafka['reader'], range: Parameters<Kafka['reader']['read']>[0]) {
  const records: ConsumedRecord[] = []
  for await (const some of reader.read(range)) records.push(...some)
  return records
}

/** What every Kafka must do for processor and fan-out, the real one and that of the simulation. */
export function kafkaConformance(open: () => Promise<Kafka>): void {
  test('each published record has the offset that was told, and comes back as it was', async () => {
    const { producer, reader, freshTopic } = await open()
    const topic = await freshTopic()
    const value = Buffer.from([0, 255])
    const records: LogRecord[] = [
      { topic, partition: 0, key: 'ä/b', value, headers: { kind: 'x', raw: Buffer.from([1]) } },
      { topic, partition: 1, key: 'k', value: 'text' },
      { topic, partition: 0, key: 'ä/b', value: null },
    ]
    expect(await producer.publish(records, { deadlineMs })).toEqual([0n, 0n, 1n])
    expect(await producer.publish(numbered(topic, 0, 2), { deadlineMs })).toEqual([1n, 2n])
    const [first, tombstone, ...more] = await readAll(reader, { topic, partition: 0, from: 0n, to: 9n })
    expect(first).toMatchObject({ topic, partition: 0, offset: 0n, key: 'ä/b', value })
    expect([...(first?.headers ?? [])]).toEqual([
      ['kind', Buffer.from('x')],
      ['raw', Buffer.from([1])],
    ])
    expect(tombstone).toMatchObject({ offset: 1n, value: null })
    expect(more).toEqual([])
  })

  test('what was encoded is in the log when it is published, as it was given, and no sooner', async () => {
    const { producer, reader, freshTopic } = await open()
    const topic = await freshTopic()
    const [later, empty] = [producer.encode(numbered(topic, 1, 3)), producer.encode([])]
    await producer.publish(numbered(topic, 0, 1), { deadlineMs })
    expect(await later.publish({ deadlineMs })).toEqual([1n, 2n])
    expect(await empty.publish({ deadlineMs })).toEqual([])
    const records = await readAll(reader, { topic, partition, from: 0n, to: 9n })
    expect(records.map(({ key, value }) => ({ key, value }))).toEqual(
      numbered(topic, 0, 3).map(({ key, value }) => ({ key, value: Buffer.from(value ?? '') })),
    )
  })

  test('publishing nothing is done at once', async () => {
    const { producer } = await open()
    expect(await producer.publish([], { deadlineMs })).toEqual([])
  })

  test('a range is read from its first offset to before its last, and no farther than the log', async () => {
    const { producer, reader, freshTopic } = await open()
    const topic = await freshTopic()
    const range = { topic, partition }
    expect(await readAll(reader, { ...range, from: 0n, to: 5n })).toEqual([])
    expect(await reader.bounds(range)).toEqual({ start: 0n, end: 0n })
    await producer.publish(numbered(topic, 0, 30), { deadlineMs })
    expect(numbersOf(await readAll(reader, { ...range, from: 3n, to: 8n }))).toEqual([3, 4, 5, 6, 7])
    expect(numbersOf(await readAll(reader, { ...range, from: 27n, to: 99n }))).toEqual([27, 28, 29])
    expect(await readAll(reader, { ...range, from: 7n, to: 7n })).toEqual([])
    expect(await reader.bounds(range)).toEqual({ start: 0n, end: 30n })
  })

  test('a time is found by the first record appended then or later, and else by the end', async () => {
    const { producer, reader, freshTopic } = await open()
    const topic = await freshTopic()
    await producer.publish(numbered(topic, 0, 1), { deadlineMs })
    const [first] = await readAll(reader, { topic, partition, from: 0n, to: 1n })
    const timeMs = first?.timestampMs ?? 0
    expect(await reader.offsetAt({ topic, partition, timeMs })).toBe(0n)
    expect(await reader.offsetAt({ topic, partition, timeMs: timeMs - 1_000 })).toBe(0n)
    expect(await reader.offsetAt({ topic, partition, timeMs: timeMs + 60_000 })).toBe(1n)
  })

  test('each assigned partition is attached with its position, and read from where attach says', async () => {
    const kafka = await open()
    const { producer, freshTopic } = kafka
    const topic = await freshTopic()
    await producer.publish(numbered(topic, 0, 10), { deadlineMs })
    const run = await openRun(kafka, topic, { from: () => 4n })
    await vi.waitFor(() => expect(run.numbers()).toEqual([4, 5, 6, 7, 8, 9]), waiting)
    expect(run.positions.toSorted((a, b) => a.partition - b.partition)).toEqual([
      { partition: 0, committed: null, logStart: 0n, logEnd: 0n },
      { partition: 1, committed: null, logStart: 0n, logEnd: 10n },
    ])
    await producer.publish(numbered(topic, 10, 13), { deadlineMs })
    await vi.waitFor(() => expect(run.numbers()).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12]), waiting)
    await run.close()
  })

  test('what is done is committed, and the next member is told', async () => {
    const kafka = await open()
    const topic = await kafka.freshTopic()
    await kafka.producer.publish(numbered(topic, 0, 3), { deadlineMs })
    const first = await openRun(kafka, topic)
    await vi.waitFor(() => expect(first.numbers()).toEqual([0, 1, 2]), waiting)
    await first.close()
    const second = await openRun(kafka, topic)
    await vi.waitFor(() => expect(second.committed(partition)).toBe(3n), waiting)
    await second.close()
  })

  test('who attaches ahead of the committed offset commits forward, though nothing new comes', async () => {
    const kafka = await open()
    const topic = await kafka.freshTopic()
    await kafka.producer.publish(numbered(topic, 0, 5), { deadlineMs })
    const first = await openRun(kafka, topic, { from: ({ logEnd }) => logEnd })
    await vi.waitFor(() => expect(first.positions).toHaveLength(2), waiting)
    // The commit is under way behind the attach.
    await vi.waitFor(async () => {
      const next = await openRun(kafka, topic, { from: ({ logEnd }) => logEnd })
      await vi.waitFor(() => expect(next.positions.length).toBeGreaterThan(0), waiting)
      await next.close()
      expect([next.committed(partition), first.committed(partition)]).toContain(5n)
    }, waiting)
    await first.close()
  })

  test('while something is away the same records come again, and none is left out', async () => {
    const kafka = await open()
    const topic = await kafka.freshTopic()
    await kafka.producer.publish(numbered(topic, 0, 3), { deadlineMs })
    let refusals = 2
    const run = await openRun(kafka, topic, {
      outcome: () => (refusals-- > 0 ? { kind: 'away', what: 'a test' } : { kind: 'done' }),
    })
    await vi.waitFor(() => expect(run.done()).toEqual([0, 1, 2]), waiting)
    expect(run.chunks[0]?.records[0]?.offset).toBe(0n)
    expect(run.chunks[1]?.records[0]?.offset).toBe(0n)
    expect(run.chunks[2]?.records[0]?.offset).toBe(0n)
    expect(run.positions).toHaveLength(2)
    await run.close()
  })

  test('when a chunk asks for it, attach decides anew where to read', async () => {
    const kafka = await open()
    const topic = await kafka.freshTopic()
    await kafka.producer.publish(numbered(topic, 0, 4), { deadlineMs })
    let asked = false
    const run = await openRun(kafka, topic, {
      from: () => (asked ? 2n : 0n),
      outcome() {
        if (asked) return { kind: 'done' }
        asked = true
        return { kind: 'reattach', why: 'a test' }
      },
    })
    await vi.waitFor(() => expect(run.done()).toEqual([2, 3]), waiting)
    await run.close()
  })

  test('when the process asks for it, attach decides anew where to read', async () => {
    const kafka = await open()
    const topic = await kafka.freshTopic()
    await kafka.producer.publish(numbered(topic, 0, 4), { deadlineMs })
    let from = 0n
    const run = await openRun(kafka, topic, { from: () => from })
    await vi.waitFor(() => expect(run.done()).toEqual([0, 1, 2, 3]), waiting)
    from = 2n
    run.reattach()
    await vi.waitFor(() => expect(run.done()).toEqual([0, 1, 2, 3, 2, 3]), waiting)
    await run.close()
  })

  test('ticks come for each partition, never beside a chunk of it', async () => {
    const kafka = await open()
    const topic = await kafka.freshTopic()
    const ticked = new Set<number>()
    let inChunk = false
    let overlapped = false
    const run = await openRun(kafka, topic, {
      async during() {
        inChunk = true
        await new Promise((resolve) => setImmediate(resolve))
        inChunk = false
      },
      tick: async (of) => {
        ticked.add(of)
        overlapped ||= of === partition && inChunk
      },
    })
    await kafka.producer.publish(numbered(topic, 0, 50), { deadlineMs })
    await vi.waitFor(() => expect(ticked).toEqual(new Set([0, 1])), waiting)
    await vi.waitFor(() => expect(run.done()).toHaveLength(50), waiting)
    expect(overlapped).toBe(false)
    await run.close()
  })
}

/** A member of the topic's group, and what happened to it. */
async function openRun(
  kafka: Kafka,
  topic: string,
  options: {
    from?: (position: PartitionPosition) => bigint
    outcome?: () => ChunkOutcome
    during?: () => Promise<void>
    tick?: (partition: number) => Promise<void>
  } = {},
) {
  const {
    from = ({ committed }) => committed ?? 0n,
    outcome = () => ({ kind: 'done' }),
    during,
    tick,
  } = options
  const positions: PartitionPosition[] = []
  const chunks: Chunk[] = []
  const done: number[] = []
  const consumer = await kafka.openConsumer({
    topic,
    groupId: `group-of-${topic}`,
    async attach(position) {
      positions.push(position)
      return { kind: 'from', offset: position.partition === partition ? from(position) : position.logEnd }
    },
    async process(chunk) {
      chunks.push(chunk)
      await during?.()
      const came = outcome()
      if (came.kind === 'done') done.push(...numbersOf(chunk.records))
      return came
    },
    ...(tick === undefined ? {} : { tick: { everyMs: 100, run: tick } }),
  })
  return {
    ...consumer,
    positions,
    chunks,
    numbers: () => chunks.flatMap(({ records }) => numbersOf(records)),
    done: () => done,
    committed: (of: number) => positions.findLast((position) => position.partition === of)?.committed,
  }
}
