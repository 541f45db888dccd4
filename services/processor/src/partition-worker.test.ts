import assert from 'node:assert/strict'
import { registrationKey } from '@signalbox/contracts/keys'
import { topics } from '@signalbox/contracts/topics'
import type { ConsumedRecord } from '@signalbox/kafka/consumer'
import type { LogRecord } from '@signalbox/kafka/producer'
import type { RegistrationStore, StoredRegistration } from '@signalbox/registration-store/registration-store'
import { expect, test } from 'vitest'
import { createPartitionWorker } from './partition-worker.ts'
import { bodyOf, rawRecord } from './raw-log.fixture.ts'
import { formatWatermark } from './watermark.ts'

const partition = 0
const position = { partition, committed: null, logStart: 0n, logEnd: 100n }

type MemoryStore = Pick<RegistrationStore, 'load' | 'save'> & {
  watermark: string | null
  countedThrough: string | null
  registrations: Map<string, StoredRegistration>
}

/** A view in memory that compares and sets as the real one does. */
function createMemoryStore(): MemoryStore {
  const registrations = new Map<string, StoredRegistration>()
  const store: MemoryStore = {
    watermark: null,
    countedThrough: null,
    registrations,
    load: async ({ registrations: asked }) => ({
      watermark: store.watermark,
      countedThrough: store.countedThrough,
      registrations: asked.map((ref) => registrations.get(registrationKey(ref)) ?? null),
    }),
    save: async ({ expected, next, registrations: saved, counted }) => {
      if (expected !== store.watermark) return { kind: 'fenced', watermark: store.watermark }
      for (const { registration, stored } of saved) registrations.set(registrationKey(registration), stored)
      store.watermark = next
      store.countedThrough = counted?.countedThrough ?? store.countedThrough
      return { kind: 'saved' }
    },
  }
  return store
}

/** A worker over fakes that note in `steps` what happens in which order. */
function createWorker({ outputBytes = 10_000_000 } = {}) {
  const steps: string[] = []
  const published: LogRecord[] = []
  const redelivered: number[] = []
  const fails = new Set<string>()
  const memory = createMemoryStore()
  const step = (name: string) => {
    steps.push(name)
    if (fails.has(name)) throw new Error(`${name} fails`)
  }
  const worker = createPartitionWorker(
    {
      store: {
        load: async (of) => {
          step(of.registrations.length === 0 ? 'look' : 'load')
          return memory.load(of)
        },
        save: async (chunk) => {
          step('save')
          return memory.save(chunk)
        },
      },
      producer: {
        publish: async (records) => {
          const [first] = records
          if (first !== undefined) step(`publish ${first.topic}`)
          published.push(...records)
        },
      },
      report: {
        attached: () => undefined,
        settled: () => undefined,
        redelivered: ({ count }) => redelivered.push(count),
      },
    },
    { clusterId: 'cluster', topics, outputBytes },
  )
  return { worker, memory, steps, published, redelivered, fails }
}

const records = (from: number, bodies: readonly string[]): ConsumedRecord[] =>
  bodies.map((body, index) => rawRecord({ offset: BigInt(from + index), body }))

const pending = bodyOf({ round: 'R' })
const completed = bodyOf({ round: 'R', collective: 'COMPLETED' })
const inOrder = ['load', 'publish registration.changes.v1', 'publish registration.state.v1', 'save']

const watermarkAt = (offset: bigint) =>
  formatWatermark({
    clusterId: 'cluster',
    topic: topics.raw.name,
    partition,
    offset,
    notificationId: `notification-${offset}`,
  })

test('changes are confirmed before states, states before the view, and the view before the chunk is done', async () => {
  const { worker, steps, memory } = createWorker()
  await worker.attach(position)
  expect(await worker.process({ partition, records: records(0, [pending, 'not JSON', completed]) })).toEqual({
    kind: 'done',
  })
  expect(steps).toEqual(['look', ...inOrder])
  expect(memory.watermark).toBe(watermarkAt(2n))
})

test.each(inOrder)(
  'when "%s" fails nothing after it happens, and the chunk is asked for again',
  async (broken) => {
    const { worker, steps, memory, fails, published } = createWorker()
    await worker.attach(position)
    fails.add(broken)
    const chunk = { partition, records: records(0, [pending, completed]) }
    expect(await worker.process(chunk)).toEqual({ kind: 'away', what: `${broken} fails` })
    expect(steps.at(-1)).toBe(broken)
    expect(memory.watermark).toBeNull()

    fails.clear()
    published.length = 0
    expect(await worker.process(chunk)).toEqual({ kind: 'done' })
    expect(published.map(({ topic }) => topic)).toEqual([
      topics.changes.name,
      topics.changes.name,
      topics.state.name,
      topics.state.name,
    ])
  },
)

test('what was published before a failure is published again byte for byte', async () => {
  const { worker, fails, published } = createWorker()
  await worker.attach(position)
  fails.add('save')
  const chunk = { partition, records: records(0, [pending, completed, '{}']) }
  await worker.process(chunk)
  const first = published.splice(0)
  fails.clear()
  await worker.process(chunk)
  expect(published).toEqual(first)
})

test('under a watermark of somebody else nothing is published', async () => {
  const { worker, memory, published } = createWorker()
  await worker.attach(position)
  memory.watermark = watermarkAt(4n)
  expect(await worker.process({ partition, records: records(0, [pending]) })).toMatchObject({
    kind: 'reattach',
  })
  expect(published).toEqual([])
})

test('a view that was flushed under the worker is noticed before anything is published', async () => {
  const { worker, memory, published } = createWorker()
  await worker.attach(position)
  await worker.process({ partition, records: records(0, [pending]) })
  published.length = 0
  memory.watermark = null
  memory.registrations.clear()
  expect(await worker.process({ partition, records: records(1, [completed]) })).toMatchObject({
    kind: 'reattach',
  })
  expect(published).toEqual([])
  expect(await worker.attach({ ...position, committed: 1n })).toEqual({
    kind: 'from',
    offset: 0n,
    because: 'view_lost',
  })
})

test('a worker that is overtaken between its load and its save is fenced', async () => {
  const { worker, memory, fails } = createWorker()
  await worker.attach(position)
  fails.add('save')
  await worker.process({ partition, records: records(0, [pending]) })
  fails.clear()
  const { load } = memory
  memory.load = async (of) => {
    const found = await load(of)
    memory.watermark = watermarkAt(0n)
    return found
  }
  expect(await worker.process({ partition, records: records(0, [pending]) })).toEqual({
    kind: 'reattach',
    why: 'another worker has written the view',
  })
})

test('records that the view contains are not folded again', async () => {
  const { worker, steps, redelivered } = createWorker()
  await worker.attach(position)
  await worker.process({ partition, records: records(0, [pending, completed]) })
  steps.length = 0
  expect(await worker.process({ partition, records: records(0, [pending, completed]) })).toEqual({
    kind: 'done',
  })
  expect(steps).toEqual([])
  expect(redelivered).toEqual([0, 2])

  expect(await worker.process({ partition, records: records(1, [completed, completed]) })).toEqual({
    kind: 'done',
  })
  expect(steps).toEqual(['load', 'publish registration.state.v1', 'save'])
})

test('a chunk with large outputs is settled in turns, each with its own watermark', async () => {
  const { worker, steps, memory, fails } = createWorker({ outputBytes: 1 })
  await worker.attach(position)
  const chunk = { partition, records: records(0, [pending, completed]) }
  expect(await worker.process(chunk)).toEqual({ kind: 'done' })
  expect(steps).toEqual(['look', ...inOrder, ...inOrder])
  expect(memory.watermark).toBe(watermarkAt(1n))

  const more = { partition, records: records(2, [bodyOf({ round: 'S' }), bodyOf({ round: 'T' })]) }
  const { save } = memory
  memory.save = async (saved) => {
    fails.add('load')
    return save(saved)
  }
  expect(await worker.process(more)).toMatchObject({ kind: 'away' })
  expect(memory.watermark).toBe(watermarkAt(2n))
  fails.clear()
  expect(await worker.process(more)).toEqual({ kind: 'done' })
  expect(memory.watermark).toBe(watermarkAt(3n))
})

test('records that leave a gap break the worker and are not taken for the next ones', async () => {
  const { worker, memory } = createWorker()
  await worker.attach(position)
  await expect(worker.process({ partition, records: records(1, [pending]) })).rejects.toThrow(
    /watermark stands/,
  )
  expect(memory.watermark).toBeNull()
})

test('a view that cannot be read breaks the worker: coming again would not help', async () => {
  const { worker, memory } = createWorker()
  await worker.attach(position)
  memory.load = () => assert.fail('damaged')
  await expect(worker.process({ partition, records: records(0, [pending]) })).rejects.toThrow('damaged')
})

test('a partition that must not be read is not taken up', async () => {
  const { worker } = createWorker()
  expect(await worker.attach({ ...position, logStart: 7n, committed: 9n })).toMatchObject({ kind: 'stop' })
})

test('a watermark that another worker set after the end of the log was read does not stop the partition', async () => {
  const { worker, memory } = createWorker()
  memory.watermark = watermarkAt(9n)
  await expect(worker.attach({ ...position, logEnd: 8n })).rejects.toThrow(/made anew/)
  expect(await worker.attach({ ...position, logEnd: 10n })).toMatchObject({ kind: 'from', offset: 10n })
})

test('a watermark that stays beyond the end of the log stops the partition', async () => {
  const { worker, memory } = createWorker()
  memory.watermark = watermarkAt(9n)
  await expect(worker.attach({ ...position, logEnd: 8n })).rejects.toThrow(/made anew/)
  expect(await worker.attach({ ...position, logEnd: 8n })).toMatchObject({ kind: 'stop' })
})

test('poison is settled record by record, and the partition gives way between them', async () => {
  const { worker, steps } = createWorker({ outputBytes: 4 * 1024 * 1024 })
  await worker.attach(position)
  const reason = 'r'.repeat(75_400)
  const codes = Array.from({ length: 100 }, (_, index) => `P${index}`)
  const poison = bodyOf({ entries: [{ codes, status: 'REJECTED', reason }] })
  await worker.process({ partition, records: records(0, [poison, poison, pending]) })
  const quarantined = ['load', 'publish registration.quarantine.v1', 'save']
  expect(steps).toEqual(['look', ...quarantined, ...quarantined, ...inOrder])
})

test('while Redis is away a partition is not taken up', async () => {
  const { worker, fails } = createWorker()
  fails.add('look')
  await expect(worker.attach(position)).rejects.toThrow('look fails')
})
