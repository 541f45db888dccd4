import { afterEach, describe, expect, test, vi } from 'vitest'
import {
  type Chunk,
  type ChunkOutcome,
  openPartitionConsumer,
  type PartitionConsumer,
  type PartitionConsumerOptions,
  type PartitionPosition,
} from './consumer.ts'
import { withAdmin } from './client.ts'
import { silentLog } from './kafka-log.ts'
import { clientId, config, freshName, freshTopic, writeNumbers } from './kafka.fixture.ts'
import { openProducer } from './producer.ts'

const log = silentLog
const patience = { timeout: 20_000, interval: 20 }
const done: ChunkOutcome = { kind: 'done' }
const fromCommitted = async ({ committed, logStart }: PartitionPosition) =>
  ({ kind: 'from', offset: committed ?? logStart }) as const

const partitions = [0, 1, 2, 3]

const opened = new Set<PartitionConsumer>()
afterEach(async () => {
  await Promise.all([...opened].map((consumer) => consumer[Symbol.asyncDispose]()))
  opened.clear()
})

type Handlers = Partial<
  Pick<
    PartitionConsumerOptions,
    | 'attach'
    | 'process'
    | 'onChunk'
    | 'maxChunkSize'
    | 'chunkLimitMs'
    | 'holdMs'
    | 'fetch'
    | 'commitEveryMs'
    | 'turn'
    | 'tick'
    | 'log'
  >
>

async function consume(topic: string, groupId: string, handlers: Handlers): Promise<PartitionConsumer> {
  const consumer = await openPartitionConsumer(config, {
    topic,
    groupId,
    clientId,
    log,
    attach: fromCommitted,
    process: async () => done,
    ...handlers,
  })
  opened.add(consumer)
  return consumer
}

async function leave(consumer: PartitionConsumer): Promise<void> {
  opened.delete(consumer)
  await consumer[Symbol.asyncDispose]()
}

/** Keeps what was processed, per partition in order. */
function recorder() {
  const rows = new Map<number, number[]>(partitions.map((partition) => [partition, []]))
  const of = (partition: number) => rows.get(partition) ?? []
  const note = ({ partition, records }: Chunk) => {
    of(partition).push(...records.map(({ value }) => Number(value)))
  }
  return { note, of, total: () => [...rows.values()].flat() }
}

/** What `writeNumbers` puts into a partition. */
const numbersOf = (partition: number, to: number, from = 0) =>
  Array.from({ length: to - from }, (_, index) => from + index).filter(
    (number) => number % config.partitions === partition,
  )
async function committedOffsets(topic: string, groupId: string): Promise<Map<number, string>> {
  return withAdmin(config, { clientId, log }, async (admin) => {
    const [offsets] = await admin.fetchOffsets({ groupId, topics: [topic] })
    return new Map(offsets?.partitions.map(({ partition, offset }) => [partition, offset]))
  })
}

describe('reading', () => {
  test('every record is processed once, in the order of its partition, in chunks, and committed', async () => {
    const topic = await freshTopic()
    const groupId = freshName('group')
    await writeNumbers(topic, 0, 2_000)
    const seen = recorder()
    const sizes: number[] = []
    const reports: number[] = []
    const reported: number[] = []
    const attached: number[] = []
    await consume(topic, groupId, {
      maxChunkSize: 30,
      attach: async (position) => {
        attached.push(position.partition)
        return { kind: 'from', offset: position.committed ?? position.logStart }
      },
      process: async (chunk) => {
        seen.note(chunk)
        sizes.push(chunk.records.length)
        // Whoever is done with the records before the chunk is takes them out.
        chunk.records.length = 0
        return done
      },
      onChunk: ({ lagRecords, records }) => {
        reports.push(lagRecords)
        reported.push(records)
      },
    })
    await vi.waitFor(() => expect(seen.total()).toHaveLength(2_000), patience)
    for (const partition of partitions) expect(seen.of(partition)).toEqual(numbersOf(partition, 2_000))
    expect(Math.max(...sizes)).toBe(30)
    expect(reported).toEqual(sizes)
    expect(new Set(attached)).toEqual(new Set(partitions))
    expect(attached).toHaveLength(partitions.length)
    expect(reports.at(-1)).toBe(0)
    await vi.waitFor(async () => {
      expect(await committedOffsets(topic, groupId)).toEqual(new Map(partitions.map((each) => [each, '500'])))
    }, patience)

    await writeNumbers(topic, 2_000, 2_004)
    await vi.waitFor(() => expect(seen.total()).toHaveLength(2_004), patience)
  })

  test('who comes after a close goes on where it ended', async () => {
    const topic = await freshTopic()
    const groupId = freshName('group')
    await writeNumbers(topic, 0, 1_000)
    const seen = recorder()
    const process = async (chunk: Chunk) => {
      seen.note(chunk)
      return done
    }
    const first = await consume(topic, groupId, { maxChunkSize: 10, process })
    await vi.waitFor(() => expect(seen.total().length).toBeGreaterThan(50), patience)
    await leave(first)
    const processedByFirst = seen.total().length
    await consume(topic, groupId, { process })
    await vi.waitFor(() => expect(seen.total().length).toBeGreaterThanOrEqual(1_000), patience)
    expect(processedByFirst).toBeLessThan(1_000)
    for (const partition of partitions) expect(seen.of(partition)).toEqual(numbersOf(partition, 1_000))
  })

  test('a topic that does not exist fails the start with its name', async () => {
    const topic = freshName('nowhere')
    await expect(consume(topic, freshName('group'), {})).rejects.toThrow(`Kafka has no topic ${topic}`)
  })
})

describe('attaching', () => {
  test('every assigned partition is attached, also an empty one, with what Kafka knows of it', async () => {
    const topic = await freshTopic()
    await writeNumbers(topic, 0, 6)
    const positions: PartitionPosition[] = []
    const consumer = await consume(topic, freshName('group'), {
      attach: async (position) => {
        positions.push(position)
        return { kind: 'from', offset: position.logEnd }
      },
    })
    await vi.waitFor(
      () => expect(consumer.state()).toEqual({ ok: true, detail: 'reads 4 partitions' }),
      patience,
    )
    expect(positions.toSorted((a, b) => a.partition - b.partition)).toEqual([
      { partition: 0, committed: null, logStart: 0n, logEnd: 2n },
      { partition: 1, committed: null, logStart: 0n, logEnd: 2n },
      { partition: 2, committed: null, logStart: 0n, logEnd: 1n },
      { partition: 3, committed: null, logStart: 0n, logEnd: 1n },
    ])
  })

  test('reading starts where attach says: behind the committed offset again, ahead of it without the records between', async () => {
    const topic = await freshTopic()
    const groupId = freshName('group')
    await writeNumbers(topic, 0, 400)
    const first = await consume(topic, groupId, {})
    await vi.waitFor(async () => {
      expect(await committedOffsets(topic, groupId)).toEqual(new Map(partitions.map((each) => [each, '100'])))
    }, patience)
    await leave(first)

    await writeNumbers(topic, 400, 800)
    const from = new Map([
      [0, 40n],
      [1, 100n],
      [2, 150n],
      [3, 200n],
    ])
    const seen = recorder()
    await consume(topic, groupId, {
      attach: async ({ partition, committed }) => {
        expect(committed).toBe(100n)
        return { kind: 'from', offset: from.get(partition) ?? 0n }
      },
      process: async (chunk) => {
        seen.note(chunk)
        return done
      },
    })
    await vi.waitFor(() => expect(seen.total()).toHaveLength(160 + 100 + 50), patience)
    for (const partition of partitions) {
      expect(seen.of(partition)).toEqual(numbersOf(partition, 800).slice(Number(from.get(partition))))
    }
  })

  test('an offset ahead of the committed one is committed although nothing new is there', async () => {
    const topic = await freshTopic()
    const groupId = freshName('group')
    await writeNumbers(topic, 0, 40)
    await consume(topic, groupId, { attach: async ({ logEnd }) => ({ kind: 'from', offset: logEnd }) })
    await vi.waitFor(async () => {
      expect(await committedOffsets(topic, groupId)).toEqual(new Map(partitions.map((each) => [each, '10'])))
    }, patience)
  })

  test('no record is processed before its partition is attached; trouble there is tried again', async () => {
    const topic = await freshTopic()
    await writeNumbers(topic, 0, 40)
    const seen = recorder()
    let mayAttach = false
    const consumer = await consume(topic, freshName('group'), {
      attach: async (position) => {
        if (position.partition === 2 && !mayAttach) throw new Error('redis is away')
        return fromCommitted(position)
      },
      process: async (chunk) => {
        seen.note(chunk)
        return done
      },
    })
    await vi.waitFor(() => expect(seen.total()).toHaveLength(30), patience)
    await vi.waitFor(
      () =>
        expect(consumer.state()).toEqual({ ok: false, detail: 'partition 2 waits: attach: redis is away' }),
      patience,
    )
    expect(seen.of(2)).toEqual([])
    mayAttach = true
    await vi.waitFor(() => expect(seen.of(2)).toEqual(numbersOf(2, 40)), patience)
    expect(consumer.state().ok).toBe(true)
  })

  test('a partition that must not be read stops the consumer', async () => {
    const topic = await freshTopic()
    const consumer = await consume(topic, freshName('group'), {
      attach: async (position) =>
        position.partition === 1
          ? { kind: 'stop', problem: 'retention ate the gap' }
          : fromCommitted(position),
    })
    const failure = await consumer.failed
    expect(failure.message).toBe(`Partition 1 of ${topic} must not be read: retention ate the gap`)
    expect(consumer.state()).toEqual({ ok: false, detail: failure.message })
  })

  test('a partition that is held keeps no other waiting, and is read when that is right again', async () => {
    const topic = await freshTopic()
    await writeNumbers(topic, 0, 40)
    const seen = recorder()
    let mayBeRead = false
    const consumer = await consume(topic, freshName('group'), {
      holdMs: 100,
      attach: async (position) =>
        position.partition === 1 && !mayBeRead
          ? { kind: 'hold', problem: 'retention ate the gap' }
          : fromCommitted(position),
      process: async (chunk) => {
        seen.note(chunk)
        return done
      },
    })
    await vi.waitFor(() => expect(seen.of(0)).toEqual(numbersOf(0, 40)), patience)
    await vi.waitFor(
      () =>
        expect(consumer.state()).toEqual({ ok: false, detail: 'partition 1 waits: retention ate the gap' }),
      patience,
    )
    expect(seen.of(1)).toEqual([])
    mayBeRead = true
    await vi.waitFor(() => expect(seen.of(1)).toEqual(numbersOf(1, 40)), patience)
    expect(consumer.state().ok).toBe(true)
  })

  test('a log that has lost the next record is asked about again, not skipped', async () => {
    const topic = await freshTopic()
    await writeNumbers(topic, 0, 400)
    await withAdmin(config, { clientId, log }, async (admin) => {
      await admin.fetchTopicOffsets(topic)
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '50' }] })
    })
    const seen = recorder()
    const attachments: bigint[] = []
    const consumer = await consume(topic, freshName('group'), {
      attach: async ({ partition, logStart }) => {
        if (partition !== 0) return { kind: 'from', offset: 100n }
        attachments.push(logStart)
        return attachments.length === 1
          ? { kind: 'from', offset: 20n }
          : { kind: 'stop', problem: `the log starts at ${logStart}` }
      },
      process: async (chunk) => {
        seen.note(chunk)
        return done
      },
    })
    expect((await consumer.failed).message).toContain('the log starts at 50')
    expect(seen.of(0)).toEqual([])
  })
})

describe('attaching again', () => {
  test('a chunk may ask for it: the records come again from where attach says', async () => {
    const topic = await freshTopic()
    await writeNumbers(topic, 0, 400)
    const seen = recorder()
    const attached: number[] = []
    let fenced = false
    await consume(topic, freshName('group'), {
      maxChunkSize: 10,
      attach: async ({ partition }) => {
        attached.push(partition)
        return { kind: 'from', offset: attached.length > 4 ? 15n : 0n }
      },
      process: async (chunk) => {
        if (chunk.partition === 1 && !fenced && seen.of(1).length === 50) {
          fenced = true
          return { kind: 'reattach', why: 'fenced' }
        }
        seen.note(chunk)
        return done
      },
    })
    const row = numbersOf(1, 400)
    await vi.waitFor(() => expect(seen.of(1)).toHaveLength(50 + 85), patience)
    expect(seen.of(1)).toEqual([...row.slice(0, 50), ...row.slice(15)])
    expect(attached.slice(4)).toEqual([1])
  })

  test('the service may ask for all partitions at any time, and no row ever has a hole', async () => {
    const topic = await freshTopic()
    await writeNumbers(topic, 0, 4_000)
    const seen = recorder()
    const processed = new Map<number, bigint>()
    let attachments = 0
    const consumer = await consume(topic, freshName('group'), {
      maxChunkSize: 25,
      attach: async ({ partition }) => {
        attachments += 1
        const watermark = processed.get(partition) ?? 0n
        const back = watermark > 60n ? watermark - 60n : 0n
        processed.set(partition, back)
        return { kind: 'from', offset: back }
      },
      process: async (chunk) => {
        const first = chunk.records[0]?.offset ?? -1n
        expect(first).toBe(processed.get(chunk.partition))
        await new Promise((resolve) => setImmediate(resolve))
        seen.note(chunk)
        processed.set(chunk.partition, first + BigInt(chunk.records.length))
        return done
      },
    })
    for (const milestone of [200, 900, 1_800, 2_500]) {
      await vi.waitFor(() => expect(seen.total().length).toBeGreaterThan(milestone), patience)
      consumer.reattach('redis came back with another run id')
    }
    await vi.waitFor(
      () => expect([...processed.values()]).toEqual([1_000n, 1_000n, 1_000n, 1_000n]),
      patience,
    )
    expect(attachments).toBe(20)
    for (const partition of partitions) {
      const row = seen.of(partition)
      const holes = row.filter((number, index) => number > (row[index - 1] ?? partition) + config.partitions)
      expect(holes).toEqual([])
      expect(new Set(row)).toEqual(new Set(numbersOf(partition, 4_000)))
    }
  })
})

describe('trouble', () => {
  test('while something is away the partition waits, the others go on, and then nothing is missing', async () => {
    const topic = await freshTopic()
    const groupId = freshName('group')
    await writeNumbers(topic, 0, 400)
    const seen = recorder()
    let redisIsAway = true
    let refusals = 0
    const consumer = await consume(topic, groupId, {
      process: async (chunk) => {
        if (chunk.partition === 3 && redisIsAway) {
          refusals += 1
          return { kind: 'away', what: 'redis' }
        }
        seen.note(chunk)
        return done
      },
    })
    await vi.waitFor(() => expect(seen.total()).toHaveLength(300), patience)
    await vi.waitFor(() => expect(refusals).toBeGreaterThan(2), patience)
    expect(consumer.state()).toEqual({ ok: false, detail: 'partition 3 waits: redis' })
    expect((await committedOffsets(topic, groupId)).get(3)).toBe('0')
    redisIsAway = false
    await vi.waitFor(() => expect(seen.of(3)).toEqual(numbersOf(3, 400)), patience)
    expect(consumer.state().ok).toBe(true)
  })

  test('a chunk that throws comes again', async () => {
    const topic = await freshTopic()
    await writeNumbers(topic, 0, 40)
    const seen = recorder()
    let throws = 2
    await consume(topic, freshName('group'), {
      process: async (chunk) => {
        if (chunk.partition === 0 && throws-- > 0) throw new Error('produce was not confirmed')
        seen.note(chunk)
        return done
      },
    })
    await vi.waitFor(() => expect(seen.total()).toHaveLength(40), patience)
    for (const partition of partitions) expect(seen.of(partition)).toEqual(numbersOf(partition, 40))
  })

  test('a chunk that takes too long fails the consumer', async () => {
    const topic = await freshTopic()
    await writeNumbers(topic, 0, 1)
    const hang = Promise.withResolvers<ChunkOutcome>()
    const consumer = await consume(topic, freshName('group'), {
      chunkLimitMs: 500,
      process: () => hang.promise,
    })
    expect((await consumer.failed).message).toBe(`A chunk of ${topic}, partition 0, takes longer than 500 ms`)
    hang.resolve(done)
  })
})

describe('a tick', () => {
  test('recurs for every partition that is read, without records too, never beside its chunk or attach', async () => {
    const topic = await freshTopic()
    await writeNumbers(topic, 0, 400)
    const working = new Set<number>()
    const ticks = new Map<number, number>()
    const attached = new Set<number>()
    const alone = async <T>(partition: number, result: T): Promise<T> => {
      expect(working.has(partition)).toBe(false)
      working.add(partition)
      await new Promise((resolve) => setTimeout(resolve, 3))
      working.delete(partition)
      return result
    }
    const seen = recorder()
    const consumer = await consume(topic, freshName('group'), {
      maxChunkSize: 5,
      attach: async (position) => {
        attached.add(position.partition)
        return alone(position.partition, await fromCommitted(position))
      },
      process: async (chunk) => {
        seen.note(chunk)
        return alone(chunk.partition, done)
      },
      tick: {
        everyMs: 1,
        run: async (partition) => {
          expect(attached.has(partition)).toBe(true)
          ticks.set(partition, (ticks.get(partition) ?? 0) + 1)
          await alone(partition, undefined)
        },
      },
    })
    await vi.waitFor(() => expect(seen.total()).toHaveLength(400), patience)
    consumer.reattach('to attach beside ticks')
    const before = new Map(ticks)
    await vi.waitFor(() => {
      for (const each of partitions) expect(ticks.get(each)).toBeGreaterThan((before.get(each) ?? 0) + 5)
    }, patience)
    expect(consumer.state().ok).toBe(true)
  })

  test('that throws is told once and changes nothing; one that hangs fails the consumer', async () => {
    const topic = await freshTopic()
    await writeNumbers(topic, 0, 40)
    const warned: string[] = []
    const hang = Promise.withResolvers<void>()
    let throws = 0
    let hangs = false
    const seen = recorder()
    const consumer = await consume(topic, freshName('group'), {
      log: { ...log, warn: (_, event) => warned.push(event) },
      chunkLimitMs: 500,
      process: async (chunk) => {
        seen.note(chunk)
        return done
      },
      tick: {
        everyMs: 5,
        run: async (partition) => {
          if (partition !== 2) return
          if (hangs) return hang.promise
          throws += 1
          throw new Error('Kafka is away')
        },
      },
    })
    await vi.waitFor(() => expect(throws).toBeGreaterThan(5), patience)
    await writeNumbers(topic, 40, 80)
    await vi.waitFor(() => expect(seen.total()).toHaveLength(80), patience)
    expect(consumer.state().ok).toBe(true)
    expect(warned.filter((event) => event === 'kafka.tick_failed')).toHaveLength(1)
    hangs = true
    expect((await consumer.failed).message).toBe(`A tick of ${topic}, partition 2, takes longer than 500 ms`)
    hang.resolve()
  })

  test('does not come while its partition waits or is not attached, nor after the close', async () => {
    const topic = await freshTopic()
    await writeNumbers(topic, 0, 40)
    const ticked: number[] = []
    let awaySince = Number.POSITIVE_INFINITY
    const untilTick: number[] = []
    const consumer = await consume(topic, freshName('group'), {
      attach: async (position) => {
        if (position.partition === 1) throw new Error('redis is away')
        return fromCommitted(position)
      },
      process: async ({ partition }) => {
        if (partition !== 3) return done
        // So that a tick already waits for the end of this chunk.
        await new Promise((resolve) => setTimeout(resolve, 10))
        awaySince = performance.now()
        return { kind: 'away', what: 'redis' }
      },
      tick: {
        everyMs: 1,
        run: async (partition) => {
          ticked.push(partition)
          if (partition === 3 && awaySince < performance.now()) untilTick.push(performance.now() - awaySince)
        },
      },
    })
    await vi.waitFor(() => expect(consumer.state().detail).toMatch('waits'), patience)
    const ticksOf = (partition: number) => ticked.filter((each) => each === partition).length
    await vi.waitFor(() => expect(Math.min(ticksOf(0), ticksOf(2))).toBeGreaterThan(200), patience)
    await vi.waitFor(() => expect(untilTick.length).toBeGreaterThan(2), patience)
    expect(ticksOf(1)).toBe(0)
    // The shortest time that a partition waits before it is read again.
    expect(Math.min(...untilTick)).toBeGreaterThan(95)
    await leave(consumer)
    const atClose = ticked.length
    // That takes many times as long as a tick.
    await writeNumbers(topic, 40, 44)
    expect(ticked).toHaveLength(atClose)
  })
})

describe('the size of chunks', () => {
  test('grows while they are quick, up to the maximum, and shrinks when they are slow', async () => {
    const topic = await freshTopic()
    const sizes: number[] = []
    let isSlow = false
    await consume(topic, freshName('group'), {
      maxChunkSize: 300,
      process: async ({ partition, records }) => {
        if (partition === 0) sizes.push(records.length)
        // The time is what is measured here.
        if (isSlow) await new Promise((resolve) => setTimeout(resolve, 1_600))
        return done
      },
    })
    await writeNumbers(topic, 0, 8_000)
    await vi.waitFor(() => expect(sum(sizes)).toBe(2_000), patience)
    expect(sizes[0]).toBe(100)
    expect(Math.max(...sizes)).toBe(300)
    isSlow = true
    const quick = sizes.length
    await writeNumbers(topic, 8_000, 10_400)
    await vi.waitFor(() => expect(sizes.length).toBeGreaterThan(quick + 3), patience)
    const slow = sizes.slice(quick)
    expect(slow.filter((size, index) => size > Math.max(10, 300 / 2 ** index))).toEqual([])
  })

  test('is bounded by bytes too, and one larger record passes', async () => {
    const topic = await freshTopic({ maxMessageBytes: 6_000_000 })
    await using producer = await openProducer(config, { clientId, log })
    const values = [...Array.from({ length: 12 }, () => 900_000), 5_000_000, 10, 900_000]
    const row = values.map((bytes) => ({ topic, partition: 0, key: 'k', value: Buffer.alloc(bytes) }))
    await producer.publish(row, { deadlineMs: 30_000 })
    const chunks: number[][] = []
    await consume(topic, freshName('group'), {
      process: async ({ records }) => {
        chunks.push(records.map(({ value }) => value?.length ?? 0))
        return done
      },
    })
    await vi.waitFor(() => expect(chunks.flat()).toEqual(values), patience)
    expect(chunks.filter((chunk) => chunk.length > 1 && sum(chunk) > 4 * 1024 * 1024)).toEqual([])
  })
})

const sum = (numbers: readonly number[]) => numbers.reduce((total, each) => total + each, 0)

describe('two consumers', () => {
  test('nothing is lost, skipped or reordered when a second one joins and the first one leaves', async () => {
    const topic = await freshTopic()
    const groupId = freshName('group')
    const watermarks = new Map<number, bigint>()
    const seen = recorder()
    const byWorker = { a: 0, b: 0 }
    const worker = (name: 'a' | 'b'): Handlers => ({
      maxChunkSize: 20,
      // As the processor does it: the view's watermark counts, not what was committed.
      attach: async ({ partition, logStart }) => ({
        kind: 'from',
        offset: watermarks.get(partition) ?? logStart,
      }),
      process: async (chunk) => {
        const first = chunk.records[0]?.offset ?? -1n
        await new Promise((resolve) => setTimeout(resolve, 2))
        if (first !== (watermarks.get(chunk.partition) ?? 0n)) return { kind: 'reattach', why: 'fenced' }
        watermarks.set(chunk.partition, first + BigInt(chunk.records.length))
        seen.note(chunk)
        byWorker[name] += chunk.records.length
        return done
      },
    })
    let written = 0
    const stopWriting = new AbortController()
    const writer = (async () => {
      await using producer = await openProducer(config, { clientId, log })
      while (!stopWriting.signal.aborted) {
        const records = Array.from({ length: 100 }, () => {
          const number = written++
          return { topic, partition: number % config.partitions, key: String(number), value: String(number) }
        })
        await producer.publish(records, { deadlineMs: 10_000 })
        // So much ahead of the readers that they always have work, and no more.
        await vi.waitFor(() => expect(byWorker.a + byWorker.b).toBeGreaterThan(written - 3_000), patience)
      }
    })()

    const first = await consume(topic, groupId, worker('a'))
    await vi.waitFor(() => expect(byWorker.a).toBeGreaterThan(1_000), patience)
    const second = await consume(topic, groupId, worker('b'))
    await vi.waitFor(() => expect(byWorker.b).toBeGreaterThan(1_000), patience)
    await vi.waitFor(
      () =>
        expect([first.state().detail, second.state().detail]).toEqual([
          'reads 2 partitions',
          'reads 2 partitions',
        ]),
      patience,
    )
    await leave(first)
    const before = byWorker.b
    await vi.waitFor(() => expect(byWorker.b).toBeGreaterThan(before + 2_000), patience)
    stopWriting.abort()
    await writer

    await vi.waitFor(() => expect(seen.total()).toHaveLength(written), patience)
    for (const partition of partitions) expect(seen.of(partition)).toEqual(numbersOf(partition, written))
    await vi.waitFor(async () => {
      const committed = await committedOffsets(topic, groupId)
      expect(partitions.map((each) => BigInt(committed.get(each) ?? -1))).toEqual(
        partitions.map((each) => watermarks.get(each)),
      )
    }, patience)
  })
})

const all = (offset: string) => new Map(partitions.map((each) => [each, offset]))

describe('a reader in no hurry', () => {
  test('commits now and then, and what is left on closing', async () => {
    const topic = await freshTopic()
    const groupId = freshName('group')
    const seen = recorder()
    const process = async (chunk: Chunk) => {
      seen.note(chunk)
      return done
    }
    const soon = await consume(topic, groupId, { process, commitEveryMs: 100 })
    await writeNumbers(topic, 0, 400)
    await vi.waitFor(async () => expect(await committedOffsets(topic, groupId)).toEqual(all('100')), patience)
    await leave(soon)

    const late = await consume(topic, groupId, { process, commitEveryMs: 3_600_000 })
    await writeNumbers(topic, 400, 800)
    await vi.waitFor(() => expect(seen.total()).toHaveLength(800), patience)
    expect(await committedOffsets(topic, groupId)).toEqual(all('100'))
    await leave(late)
    expect(await committedOffsets(topic, groupId)).toEqual(all('200'))
  })

  test('gets what came meanwhile in one chunk of each partition', async () => {
    const topic = await freshTopic()
    const sizes: number[] = []
    await consume(topic, freshName('group'), {
      fetch: { minBytes: 1024 * 1024, maxWaitMs: 2_000 },
      process: async ({ records }) => {
        sizes.push(records.length)
        return done
      },
    })
    const read = () => sizes.reduce((sum, size) => sum + size, 0)
    // Ends a fetch, after which the next one waits for all of the others.
    await writeNumbers(topic, 0, 1)
    await vi.waitFor(() => expect(read()).toBe(1), patience)
    for (let number = 1; number < 41; number += 4) await writeNumbers(topic, number, number + 4)
    await vi.waitFor(() => expect(read()).toBe(41), patience)
    expect(sizes).toEqual([1, 10, 10, 10, 10])
  })
})

describe('turns', () => {
  test('a chunk begins when it has its turn, however long that takes, and ends it', async () => {
    const topic = await freshTopic()
    await writeNumbers(topic, 0, 400)
    const gate = Promise.withResolvers<void>()
    const seen = recorder()
    let underWay = 0
    let asked = 0
    const consumer = await consume(topic, freshName('group'), {
      chunkLimitMs: 200,
      maxChunkSize: 30,
      async turn() {
        asked += 1
        await gate.promise
        underWay += 1
        return () => void (underWay -= 1)
      },
      process: async (chunk) => {
        expect(underWay).toBeGreaterThan(0)
        seen.note(chunk)
        return done
      },
    })
    await vi.waitFor(() => expect(asked).toBe(4), patience)
    const askedAtMs = performance.now()
    await vi.waitFor(() => expect(performance.now() - askedAtMs).toBeGreaterThan(400), patience)
    expect([seen.total().length, consumer.state().ok]).toEqual([0, true])
    gate.resolve()
    await vi.waitFor(() => expect(seen.total()).toHaveLength(400), patience)
    for (const partition of partitions) expect(seen.of(partition)).toEqual(numbersOf(partition, 400))
    await vi.waitFor(() => expect(underWay).toBe(0), patience)
  })

  test('what waits for its turn while its partition is attached anew is not processed', async () => {
    const topic = await freshTopic()
    await writeNumbers(topic, 0, 40)
    const gate = Promise.withResolvers<void>()
    const seen = recorder()
    let asked = 0
    let start = 0n
    const consumer = await consume(topic, freshName('group'), {
      attach: async () => ({ kind: 'from', offset: start }),
      async turn() {
        asked += 1
        await gate.promise
        return () => undefined
      },
      process: async (chunk) => {
        seen.note(chunk)
        return done
      },
    })
    await vi.waitFor(() => expect(asked).toBe(4), patience)
    start = 5n
    consumer.reattach('a test')
    await vi.waitFor(() => expect(consumer.state().ok).toBe(true), patience)
    gate.resolve()
    await vi.waitFor(() => expect(seen.total()).toHaveLength(20), patience)
    for (const partition of partitions) expect(seen.of(partition)).toEqual(numbersOf(partition, 40, 20))
  })
})
