import assert from 'node:assert/strict'
import { topics } from '@signalbox/contracts/topics'
import type { ConsumedRecord } from '@signalbox/kafka/consumer'
import type { LogRecord } from '@signalbox/kafka/producer'
import { DamagedView } from '@signalbox/registration-store/stored-registration'
import {
  formatWatermark,
  isFromStart,
  isRebuildMarker,
  parseWatermark,
} from '@signalbox/registration-store/watermark'
import { foldVersion } from '@signalbox/registration/fold'
import { describe, expect, test, vi } from 'vitest'
import { createMemoryLogs, createMemoryStore, producerOver } from './memory-ports.fixture.ts'
import { createPartitionWorker, type PartitionWorkerPorts } from './partition-worker.ts'
import {
  asOfLaterBuild,
  bodyOf,
  commandRecord,
  logStartMs,
  ofOlderForm,
  rawRecord,
} from './raw-log.fixture.ts'

const partition = 0
const position = { partition, committed: null, logStart: 0n, logEnd: 100n }
const hourMs = 3_600_000

type Scene = { memory?: ReturnType<typeof createMemoryStore>; logs?: ReturnType<typeof createMemoryLogs> }

/** A worker over ports in memory that note in `steps` what happens in which order. */
function createWorker({ outputBytes = 10_000_000, ...given }: Scene & { outputBytes?: number } = {}) {
  const { memory = createMemoryStore(), logs = createMemoryLogs() } = given
  const steps: string[] = []
  const published: LogRecord[] = []
  const lists: ConsumedRecord[][] = []
  const redelivered: number[] = []
  const audits: { looked: number; published: number }[] = []
  const attachments: string[] = []
  const unreadable: { records: number; key: string | null; offset: bigint }[] = []
  const fails = new Set<string>()
  let clock = 0
  let markers = 0
  const step = (name: string) => {
    steps.push(name)
    if (fails.has(name)) throw new Error(`${name} fails`)
  }
  /** The port, with its steps noted. */
  function noted<Given, Result>(name: string, run: (given: Given) => Promise<Result>) {
    return async (given: Given): Promise<Result> => {
      step(name)
      return run(given)
    }
  }
  const { store } = memory
  const ports: PartitionWorkerPorts = {
    store: {
      load: noted('load', (of) => store.load(of)),
      save: noted('save', (of) => store.save(of)),
      readWatermark: noted('look', (of) => store.readWatermark(of)),
      beginRebuild: noted('begin', (of) => store.beginRebuild(of)),
      clear: noted('clear', (of) => store.clear(of)),
      restore: noted('restore', (of) => store.restore(of)),
      finishRebuild: noted('finish', (of) => store.finishRebuild(of)),
    },
    producer: producerOver(async (records) => {
      const [first] = records
      if (first !== undefined) step(`publish ${first.topic}`)
      published.push(...records)
      return records.map(logs.append)
    }),
    reader: logs.reader,
    auditReader: logs.reader,
    report: {
      attached: ({ decision }) => attachments.push('because' in decision ? decision.because : decision.kind),
      rebuilding: () => undefined,
      rebuilt: () => undefined,
      settled: () => undefined,
      redelivered: ({ count }) => redelivered.push(count),
      audited: ({ looked, published: again }) => audits.push({ looked, published: again }),
      unreadable: ({ records, first }) => unreadable.push({ records, key: first.key, offset: first.offset }),
    },
    newMarker: () => `${++markers}`,
    nowMs: () => clock,
  }
  const worker = createPartitionWorker(ports, { clusterId: 'cluster', topics, outputBytes })
  return {
    /** Chunks are given as copies, since they may come again; `lists` are these. */
    worker: {
      ...worker,
      process: ({ partition, records }: { partition: number; records: readonly ConsumedRecord[] }) => {
        const list = [...records]
        lists.push(list)
        return worker.process({ partition, records: list })
      },
    },
    lists,
    memory,
    logs,
    steps,
    published,
    redelivered,
    audits,
    attachments,
    unreadable,
    fails,
    pass: (ms: number) => {
      clock += ms
    },
    /** Takes up the partition, without its steps. */
    attach: async () => {
      await worker.attach(position)
      steps.length = 0
      published.length = 0
    },
  }
}

const records = (from: number, bodies: readonly string[]): ConsumedRecord[] =>
  bodies.map((body, index) => rawRecord({ offset: BigInt(from + index), body }))

const pending = bodyOf({ round: 'R' })
const completed = bodyOf({ round: 'R', collective: 'COMPLETED' })
const inOrder = ['load', 'publish registration.changes.v1', 'publish registration.state.v1', 'save']

const watermarkAt = (offset: bigint, stateOffset = 0n) =>
  formatWatermark({
    clusterId: 'cluster',
    topic: topics.raw.name,
    partition,
    offset,
    notificationId: offset === -1n ? null : `notification-${offset}`,
    stateOffset,
    foldVersion,
  })

test('changes are confirmed before states, states before the view, and the view before the chunk is done', async () => {
  const { worker, steps, memory, attach } = createWorker()
  await attach()
  expect(await worker.process({ partition, records: records(0, [pending, 'not JSON', completed]) })).toEqual({
    kind: 'done',
  })
  expect(steps).toEqual(inOrder)
  expect(memory.held.watermark).toBe(watermarkAt(2n, 2n))
})

test.each(inOrder)(
  'when "%s" fails nothing after it happens, and the chunk is asked for again',
  async (broken) => {
    const { worker, steps, memory, fails, published, attach } = createWorker()
    await attach()
    fails.add(broken)
    const chunk = { partition, records: records(0, [pending, completed]) }
    expect(await worker.process(chunk)).toEqual({ kind: 'away', what: `${broken} fails` })
    expect(steps.at(-1)).toBe(broken)
    expect(memory.held.watermark).toBe(watermarkAt(-1n))

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
  const { worker, fails, published, attach } = createWorker()
  await attach()
  fails.add('save')
  const chunk = { partition, records: records(0, [pending, completed, '{}']) }
  await worker.process(chunk)
  const first = published.splice(0)
  fails.clear()
  await worker.process(chunk)
  expect(published).toEqual(first)
})

test('under a watermark of somebody else nothing is published', async () => {
  const { worker, memory, published, attach } = createWorker()
  await attach()
  memory.held.watermark = watermarkAt(4n)
  expect(await worker.process({ partition, records: records(0, [pending]) })).toMatchObject({
    kind: 'reattach',
  })
  expect(published).toEqual([])
})

test('a worker that is overtaken between its load and its save is fenced', async () => {
  const { worker, memory, attach } = createWorker()
  await attach()
  const { load } = memory.store
  memory.store.load = async (of) => {
    const found = await load(of)
    memory.held.watermark = watermarkAt(0n)
    return found
  }
  expect(await worker.process({ partition, records: records(0, [pending]) })).toEqual({
    kind: 'reattach',
    why: 'another worker has written the view',
  })
})

test('records that the view contains are not folded again', async () => {
  const { worker, steps, redelivered, attach } = createWorker()
  await attach()
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

test('while its outputs are on their way, nothing is held of a chunk', async () => {
  const { worker, memory, lists, attach } = createWorker()
  await attach()
  const held: (number | undefined)[] = []
  const { load, save } = memory.store
  memory.store.load = async (asked) => {
    held.push(lists.at(-1)?.length)
    return load(asked)
  }
  memory.store.save = async (saved) => {
    held.push(lists.at(-1)?.length)
    return save(saved)
  }
  await worker.process({ partition, records: records(0, [pending, completed]) })
  expect(held).toEqual([0, 0])
})

test('a chunk with large outputs is settled in turns, each with its own watermark', async () => {
  const { worker, steps, memory, fails, attach } = createWorker({ outputBytes: 1 })
  await attach()
  const chunk = { partition, records: records(0, [pending, completed]) }
  expect(await worker.process(chunk)).toEqual({ kind: 'done' })
  expect(steps).toEqual([...inOrder, ...inOrder])
  expect(memory.held.watermark).toBe(watermarkAt(1n, 2n))

  const more = { partition, records: records(2, [bodyOf({ round: 'S' }), bodyOf({ round: 'T' })]) }
  const { save } = memory.store
  memory.store.save = async (saved) => {
    fails.add('load')
    return save(saved)
  }
  expect(await worker.process(more)).toMatchObject({ kind: 'away' })
  expect(memory.held.watermark).toBe(watermarkAt(2n, 3n))
  fails.clear()
  expect(await worker.process(more)).toEqual({ kind: 'done' })
  expect(memory.held.watermark).toBe(watermarkAt(3n, 4n))
})

test('a chunk whose registrations do not all come at once is settled in turns', async () => {
  const { worker, steps, memory, attach } = createWorker()
  await attach()
  memory.held.mostLoaded = 2
  const stores = ['A', 'B', 'A', 'C', 'D', 'E'].map((store) => bodyOf({ store }))
  expect(
    await worker.process({
      partition,
      records: records(0, [...stores.slice(0, 3), 'not JSON', ...stores.slice(3)]),
    }),
  ).toEqual({ kind: 'done' })
  expect(steps.filter((step) => step === 'load')).toHaveLength(3)
  expect([...memory.held.registrations.keys()]).toEqual(
    ['A', 'B', 'C', 'D', 'E'].map((id) => `client/M/${id}`),
  )
})

test('a chunk that takes long gives way between two turns', async () => {
  const { worker, memory, attach, pass } = createWorker({ outputBytes: 1 })
  await attach()
  const { save } = memory.store
  memory.store.save = async (saved) => {
    pass(6_000)
    return save(saved)
  }
  expect(await worker.process({ partition, records: records(0, [pending, completed]) })).toEqual({
    kind: 'reattach',
    why: 'the chunk takes long',
  })
  expect(memory.held.watermark).toBe(watermarkAt(0n, 1n))
})

test('records that leave a gap break the worker and are not taken for the next ones', async () => {
  const { worker, memory, attach } = createWorker()
  await attach()
  await expect(worker.process({ partition, records: records(1, [pending]) })).rejects.toThrow(
    /watermark stands/,
  )
  expect(memory.held.watermark).toBe(watermarkAt(-1n))
})

test('a mistake of ours breaks the worker: coming again would not help', async () => {
  const { worker, memory, logs, attach } = createWorker()
  await attach()
  logs.append({ topic: topics.state.name, partition, key: 'client/M/', value: 'of somebody else' })
  memory.store.load = () => assert.fail('mistaken')
  await expect(worker.process({ partition, records: records(0, [pending]) })).rejects.toThrow('mistaken')
  await expect(worker.audit(partition)).rejects.toThrow('mistaken')
})

test('poison is settled record by record, and the partition gives way between them', async () => {
  const { worker, steps, attach } = createWorker({ outputBytes: 4 * 1024 * 1024 })
  await attach()
  const reason = 'r'.repeat(75_400)
  const codes = Array.from({ length: 100 }, (_, index) => `P${index}`)
  const poison = bodyOf({ entries: [{ codes, status: 'REJECTED', reason }] })
  await worker.process({ partition, records: records(0, [poison, poison, pending]) })
  const quarantined = ['load', 'publish registration.quarantine.v1', 'save']
  expect(steps).toEqual([...quarantined, ...quarantined, ...inOrder])
})

// Attaching

test('while Redis is away a partition is not taken up', async () => {
  const { worker, fails } = createWorker()
  fails.add('look')
  await expect(worker.attach(position)).rejects.toThrow('look fails')
})

test('a partition that must not be read is not taken up', async () => {
  const { worker, memory } = createWorker()
  memory.held.watermark = watermarkAt(2n)
  expect(await worker.attach({ ...position, logStart: 7n, committed: 9n })).toMatchObject({ kind: 'hold' })
})

test('a watermark that another worker set after the end of the log was read does not stop the partition', async () => {
  const { worker, memory } = createWorker()
  memory.held.watermark = watermarkAt(9n)
  await expect(worker.attach({ ...position, logEnd: 8n })).rejects.toThrow(/made anew/)
  expect(await worker.attach({ ...position, logEnd: 10n })).toMatchObject({ kind: 'from', offset: 10n })
})

test('a view that is beyond the end of its log for good is made anew', async () => {
  const { worker, memory, attachments } = createWorker()
  memory.held.watermark = watermarkAt(9n)
  await expect(worker.attach({ ...position, logEnd: 8n })).rejects.toThrow(/made anew/)
  expect(await worker.attach({ ...position, logEnd: 8n })).toEqual({
    kind: 'from',
    offset: 0n,
    because: 'rebuilt',
  })
  expect(attachments).toEqual(['log_replaced'])
})

test('a watermark of the time before the auditor is gone on from', async () => {
  const { worker, memory } = createWorker()
  memory.held.watermark = watermarkAt(2n).replace(/,"stateOffset":"0"/, '')
  expect(await worker.attach({ ...position, committed: 3n })).toMatchObject({ offset: 3n, because: 'equal' })
  expect(await worker.process({ partition, records: records(3, [pending]) })).toEqual({ kind: 'done' })
})

// Rebuilding

/** A log of some hours, folded by a worker; the second record is the last one older than 48 h. */
async function foldedScene() {
  const scene = createWorker()
  const bodies = ['A', 'B', 'C', 'A'].map((store) => bodyOf({ store, collective: 'PENDING' }))
  const log = [...bodies, bodyOf({ store: 'B', collective: 'COMPLETED' }), 'not JSON'].map((body, index) =>
    rawRecord({ offset: BigInt(index), body, appendTimeMs: logStartMs + index * 20 * hourMs }),
  )
  scene.logs.put(log)
  await scene.attach()
  await scene.worker.process({ partition, records: log })
  const at = { ...position, logEnd: 6n, committed: 6n }
  return { ...scene, log, at }
}

function withoutContents(held: ReturnType<typeof createMemoryStore>['held']) {
  return new Map(
    [...held.registrations].map(([key, stored]) => [
      key,
      { ...stored, registration: { ...stored.registration, contents: [] } },
    ]),
  )
}

test('a view that was lost is made anew from the state topic, and 48 h are folded again without a new change', async () => {
  const { memory, logs, log, at } = await foldedScene()
  const before = { registrations: withoutContents(memory.held), attention: new Map(memory.held.attention) }
  const changes = logs.records(topics.changes.name).length

  const next = createWorker({ logs })
  expect(await next.worker.attach(at)).toEqual({ kind: 'from', offset: 3n, because: 'rebuilt' })
  expect(next.attachments).toEqual(['view_lost'])
  expect(next.memory.held.registrations).toEqual(before.registrations)
  expect(next.memory.held.attention).toEqual(before.attention)
  expect(next.memory.held.countedThrough).toBeNull()

  expect(await next.worker.process({ partition, records: log.slice(3) })).toEqual({ kind: 'done' })
  expect(logs.records(topics.changes.name)).toHaveLength(changes)
  expect(withoutContents(next.memory.held)).toEqual(before.registrations)
  expect(next.memory.held.countedThrough).toBe('5')
})

test.each([
  ['no offset is committed', { committed: null }, 0n],
  ['the committed offset is beyond the log', { committed: 9n }, 0n],
  ['the log begins later than 48 h before', { logStart: 4n }, 4n],
  ['nothing was committed but the start', { committed: 0n }, 0n],
])('after a rebuild the log is folded from its start when %s', async (_, other, offset) => {
  const { logs, at } = await foldedScene()
  const next = createWorker({ logs })
  expect(await next.worker.attach({ ...at, ...other })).toEqual({ kind: 'from', offset, because: 'rebuilt' })
})

test('a rebuild that somebody has left half done is begun anew, and what it left is cleared', async () => {
  const { memory, logs, at } = await foldedScene()
  const before = withoutContents(memory.held)
  const left = createWorker({ logs })
  left.fails.add('finish')
  await expect(left.worker.attach(at)).rejects.toThrow('finish fails')
  assert(left.memory.held.watermark !== null && isRebuildMarker(left.memory.held.watermark))
  const [first] = left.memory.held.registrations
  assert(first !== undefined)
  left.memory.held.registrations.set('client/M/left-over', first[1])

  const next = createWorker({ logs, memory: left.memory })
  expect(await next.worker.attach(at)).toMatchObject({ because: 'rebuilt' })
  expect(next.attachments).toEqual(['interrupted'])
  expect(next.memory.held.registrations).toEqual(before)
})

test.each(['clear', 'restore', 'finish'])(
  'a rebuild that is overtaken before "%s" writes nothing more, and the position is asked for again',
  async (name) => {
    const { logs, at } = await foldedScene()
    const next = createWorker({ logs })
    const { held, store } = next.memory
    const overtake = <Given, Result>(run: (given: Given) => Promise<Result>) => {
      return (given: Given) => {
        held.watermark = watermarkAt(1n)
        held.registrations.clear()
        return run(given)
      }
    }
    if (name === 'clear') store.clear = overtake(store.clear)
    if (name === 'restore') store.restore = overtake(store.restore)
    if (name === 'finish') store.finishRebuild = overtake(store.finishRebuild)
    await expect(next.worker.attach(at)).rejects.toThrow(/another worker/)
    expect(held.watermark).toBe(watermarkAt(1n))
    expect([...held.registrations]).toEqual([])
  },
)

test('of the state records of a registration the newest counts, and it is published again when it is not the last', async () => {
  const { logs, at } = await foldedScene()
  const states = logs.records(topics.state.name)
  const older = states.find(({ key }) => key === 'client/M/B')
  const newest = states.findLast(({ key }) => key === 'client/M/B')
  assert(older !== undefined && newest !== undefined && older !== newest)
  logs.append({ ...asWritten(older) })

  const next = createWorker({ logs })
  await next.worker.attach(at)
  expect(next.memory.held.registrations.get('client/M/B')?.registration.version).toBe(2)
  expect(next.published).toEqual([asWritten(newest)])
})

test('what was forgotten stays so, also when an older record stands behind the forgetting', async () => {
  const { memory, worker, logs, at } = await foldedScene()
  const erasedMs = logStartMs + 200 * hourMs
  const commands = [
    { command: 'registration.erased', referenceStoreId: 'A' },
    { command: 'registration.forgotten', referenceStoreId: 'A' },
  ].map((command, index) =>
    commandRecord({
      offset: BigInt(6 + index),
      appendTimeMs: erasedMs + index * 32 * 24 * hourMs,
      command,
    }),
  )
  logs.put(commands)
  await worker.process({ partition, records: commands })
  expect([...memory.held.registrations.keys()]).toEqual(['client/M/B', 'client/M/C'])
  const [older] = logs.records(topics.state.name)
  assert(older?.key === 'client/M/A')
  logs.append(asWritten(older))

  const next = createWorker({ logs })
  await next.worker.attach({ ...at, logEnd: 8n, committed: 8n })
  expect([...next.memory.held.registrations.keys()].toSorted()).toEqual(['client/M/B', 'client/M/C'])
  expect([...next.memory.held.attention.keys()].filter((key) => key.endsWith('/A'))).toEqual([])
  expect(next.published).toMatchObject([{ key: 'client/M/A', value: null, headers: { rev: '7' } }])
})

test('a state record of a later build stops the worker with what to do', async () => {
  const { logs, at } = await foldedScene()
  const [first] = logs.records(topics.state.name)
  assert(first !== undefined)
  const record = asWritten(first)
  logs.append({
    ...record,
    headers: { ...record.headers, kept: asOfLaterBuild(String(record.headers?.['kept'])) },
  })

  const next = createWorker({ logs })
  const problem = expect.stringMatching(/run the later build/) as unknown
  expect(await next.worker.attach(at)).toEqual({ kind: 'stop', problem })
})

test('what claims to be the newest state of a registration and is damaged changes nothing, and is put right', async () => {
  const { memory, logs, at } = await foldedScene()
  const before = withoutContents(memory.held)
  const newest = logs.records(topics.state.name).findLast(({ key }) => key === 'client/M/A')
  assert(newest !== undefined)
  const record = asWritten(newest)
  const kept = String(record.headers?.['kept'])
  for (const damaged of [kept.slice(0, -1), kept.replace('R', 'Q'), '']) {
    logs.append({ ...record, headers: { ...record.headers, kept: damaged, ce_sequence: '0000000000000009' } })
  }

  const next = createWorker({ logs })
  await next.worker.attach(at)
  expect(next.memory.held.registrations).toEqual(before)
  expect(next.published).toEqual([record])
  expect(next.unreadable).toMatchObject([{ key: 'client/M/A' }])
})

test('records that somebody else has put into the state topic change nothing', async () => {
  const { memory, logs, at } = await foldedScene()
  const before = withoutContents(memory.held)
  const foreign = { topic: topics.state.name, partition }
  logs.append({ ...foreign, key: 'not ours', value: 'text' })
  logs.append({ ...foreign, key: 'client/M/A', value: '{}' })
  logs.append({ ...foreign, key: 'client/M/unknown', value: null })

  const next = createWorker({ logs })
  await next.worker.attach(at)
  expect(next.memory.held.registrations).toEqual(before)
  expect(next.published.map(({ key }) => key)).toEqual(['client/M/A'])
  const end = BigInt(logs.records(topics.state.name).length)
  // The last one is ours again.
  expect(next.unreadable).toEqual([{ records: 3, key: 'not ours', offset: end - 4n }])
})

test('a forgetting that does not say as of when changes nothing, and what it hides is published again', async () => {
  const { memory, logs, at } = await foldedScene()
  const before = withoutContents(memory.held)
  logs.append({ topic: topics.state.name, partition, key: 'client/M/A', value: null })
  const next = createWorker({ logs })
  await next.worker.attach(at)
  expect(next.memory.held.registrations).toEqual(before)
  expect(next.published.map(({ key }) => key)).toEqual(['client/M/A'])
  expect(next.unreadable).toMatchObject([{ records: 1, key: 'client/M/A' }])
})

test.each([
  ['damaged', () => ({ kept: 'damaged' })],
  ['of a form that is not known any more', (kept: string) => ({ kept: ofOlderForm(kept) })],
  ['without its place', () => ({ rev: '' })],
])(
  'a partition is held while the newest state of a registration is %s, and made anew once a readable one stands behind it',
  async (_, spoilt: (kept: string) => Record<string, string>) => {
    const { memory, logs: whole, at } = await foldedScene()
    const before = withoutContents(memory.held)
    const logs = createMemoryLogs()
    logs.put(whole.records(topics.raw.name))
    const states = whole.records(topics.state.name).map(asWritten)
    const sound = states.find(({ key }) => key === 'client/M/C')
    assert(sound !== undefined)
    for (const state of states) {
      const headers = {
        ...state.headers,
        ...(state === sound ? spoilt(String(state.headers?.['kept'])) : {}),
      }
      logs.append({ ...state, headers })
    }

    const next = createWorker({ logs })
    const problem = expect.stringMatching(/client\/M\/C at offset 2\..*header rev=/) as unknown
    expect(await next.worker.attach(at)).toEqual({ kind: 'hold', problem })
    expect(next.unreadable).toEqual([{ records: 1, key: 'client/M/C', offset: 2n }])
    const marker = next.memory.held.watermark
    assert(marker !== null && isRebuildMarker(marker))

    next.steps.length = 0
    expect(await next.worker.attach(at)).toEqual({ kind: 'hold', problem })
    expect(next.steps).toEqual(['look'])

    logs.append(sound)
    expect(await next.worker.attach(at)).toMatchObject({ kind: 'from', because: 'rebuilt' })
    expect(next.memory.held.registrations).toEqual(before)
  },
)

test('a registration whose newest state cannot be read can be given up', async () => {
  const { logs, at } = await foldedScene()
  const newest = logs.records(topics.state.name).findLast(({ key }) => key === 'client/M/B')
  assert(newest !== undefined)
  const record = asWritten(newest)
  logs.append({ ...record, headers: { ...record.headers, rev: '7', kept: 'damaged' } })
  const next = createWorker({ logs })
  const held = await next.worker.attach(at)
  const [, rev] = /header rev=([0-9]+)/.exec('problem' in held ? held.problem : '') ?? []
  assert(rev !== undefined)
  logs.append({ topic: topics.state.name, partition, key: 'client/M/B', value: null, headers: { rev } })
  expect(await next.worker.attach(at)).toMatchObject({ because: 'rebuilt' })
  expect([...next.memory.held.registrations.keys()].toSorted()).toEqual(['client/M/A', 'client/M/C'])
})

test('a state record whose list entries cannot be read is put on the lists that it belongs to', async () => {
  const { memory, logs, at } = await foldedScene()
  const newest = logs.records(topics.state.name).findLast(({ key }) => key === 'client/M/A')
  assert(newest !== undefined)
  const record = asWritten(newest)
  logs.append({ ...record, headers: { ...record.headers, attention: '{' } })
  const next = createWorker({ logs })
  await next.worker.attach(at)
  expect(next.memory.held.attention).toEqual(memory.held.attention)
})

test('of two state records the one with the greater rev is the newer, whatever their versions', async () => {
  const { logs, at } = await foldedScene()
  const states = logs.records(topics.state.name)
  const [first] = states
  const newest = states.findLast(({ key }) => key === 'client/M/B')
  assert(first?.key === 'client/M/A' && newest !== undefined)
  // Heard of again after a forgetting: its versions begin anew.
  const record = asWritten(first)
  logs.append({ ...record, key: 'client/M/B', headers: { ...record.headers, rev: '9' } })
  logs.append(asWritten(newest))
  const next = createWorker({ logs })
  await next.worker.attach(at)
  expect(next.memory.held.registrations.get('client/M/B')?.registration.version).toBe(1)
  expect(next.published.map(({ key }) => key)).toEqual(['client/M/B'])
})

/** A state topic that takes six batches, and a Redis that takes them in their order, each when it is told to. */
async function longScene() {
  const { memory, logs, at } = await foldedScene()
  const [first] = logs.records(topics.state.name)
  assert(first !== undefined)
  // Copies of one record, which is the newest of its registration each time: in each part of the log three batches.
  for (let copies = 0; copies < 2_400; copies++) logs.append(asWritten(first))
  const next = createWorker({ logs })
  const { restore } = next.memory.store
  const asked: PromiseWithResolvers<void>[] = []
  next.memory.store.restore = async (of) => {
    const turn = Promise.withResolvers<void>()
    asked.push(turn)
    await turn.promise
    return restore(of)
  }
  return { before: withoutContents(memory.held), next, at, asked }
}

describe('a rebuild of more than one batch', () => {
  test('has two of them on their way to Redis, and no more', async () => {
    const { before, next, at, asked } = await longScene()
    const attached = next.worker.attach(at)
    for (let done = 0; done < 6; done++) {
      await vi.waitUntil(() => asked.length === Math.min(done + 2, 6))
      asked[done]?.resolve()
    }
    expect(await attached).toMatchObject({ because: 'rebuilt' })
    expect(asked.length).toBe(6)
    expect(next.memory.held.registrations).toEqual(before)
  })

  test('writes nothing behind one that Redis has not written', async () => {
    const { next, at, asked } = await longScene()
    const attached = next.worker.attach(at)
    await vi.waitUntil(() => asked.length === 2)
    asked[0]?.reject(new Error('Redis is away'))
    asked[1]?.resolve()
    await expect(attached).rejects.toThrow('Redis is away')
    expect(asked.length).toBe(2)
    expect(next.memory.held.registrations.size).toBe(0)
  })
})

const lossesBefore = ['clear', 'restore', 'finish'] as const

test.each(lossesBefore)(
  'a rebuild before whose "%s" Redis loses its last second begins anew, and nothing is missing',
  async (name) => {
    const { memory, logs, at } = await foldedScene()
    const before = withoutContents(memory.held)
    const next = createWorker({ logs })
    const { held, store } = next.memory
    let earlier: string | null = null
    let losses = 0
    /** The view as it was when the rebuild had begun. */
    const lose = <Given, Result>(run: (given: Given) => Promise<Result>) => {
      return (given: Given) => {
        if (losses++ === 0) {
          held.watermark = earlier
          held.registrations.clear()
          held.attention.clear()
        }
        return run(given)
      }
    }
    const { beginRebuild } = store
    store.beginRebuild = async (of) => {
      const begun = await beginRebuild(of)
      earlier ??= held.watermark
      return begun
    }
    if (name === 'clear') {
      const { clear } = store
      store.clear = async (of) => {
        // A clear that Redis has confirmed and lost.
        const cleared = await clear(of)
        if (losses++ === 0) held.watermark = earlier
        return cleared
      }
    }
    if (name === 'restore') {
      const { restore } = store
      let restores = 0
      const losing = lose(restore)
      store.restore = (of) => (restores++ === 0 ? restore(of) : losing(of))
    }
    if (name === 'finish') store.finishRebuild = lose(store.finishRebuild)
    await expect(next.worker.attach(at)).rejects.toThrow(/Redis has lost/)
    expect(losses).toBeGreaterThan(0)
    expect(await next.worker.attach(at)).toMatchObject({ kind: 'from', because: 'rebuilt' })
    expect(next.attachments).toEqual(['view_lost', 'interrupted'])
    expect(held.registrations).toEqual(before)
  },
)

test('behind a log that was made anew all of it is folded, also when that rebuild has to begin again', async () => {
  const { logs, at } = await foldedScene()
  const other = watermarkAt(5n).replace('notification-5', 'of another log')
  const next = createWorker({ logs })
  next.memory.held.watermark = other
  next.fails.add('finish')
  await expect(next.worker.attach(at)).rejects.toThrow('finish fails')
  assert(next.memory.held.watermark !== null && isFromStart(next.memory.held.watermark))
  const again = createWorker({ logs, memory: next.memory })
  expect(await again.worker.attach(at)).toEqual({ kind: 'from', offset: 0n, because: 'rebuilt' })
  expect(again.attachments).toEqual(['interrupted'])
})

test('a rebuild that takes so long that retention reaches its fold starts where the log starts by then', async () => {
  const { logs, at } = await foldedScene()
  const next = createWorker({ logs })
  const { restore } = next.memory.store
  next.memory.store.restore = (of) => {
    logs.starts.set(topics.raw.name, 5n)
    return restore(of)
  }
  expect(await next.worker.attach(at)).toEqual({ kind: 'from', offset: 5n, because: 'rebuilt' })
  expect(await next.worker.attach({ ...at, logStart: 5n })).toMatchObject({ kind: 'from', offset: 5n })
})

test('a view of an earlier build is made anew, and that build is fenced before we publish', async () => {
  const { memory, logs, at } = await foldedScene()
  const lists = new Map(memory.held.attention)
  assert(lists.size > 0)
  memory.held.attention.clear()
  const older = createWorker({ logs, memory })
  await older.worker.attach(at)
  const theirs = watermarkAt(5n, BigInt(logs.records(topics.state.name).length)).replace(
    `"foldVersion":${foldVersion}`,
    `"foldVersion":${foldVersion - 1}`,
  )
  memory.held.watermark = theirs

  const next = createWorker({ logs, memory })
  expect(await next.worker.attach(at)).toMatchObject({ kind: 'from', because: 'rebuilt' })
  expect(next.attachments).toEqual(['older_fold'])
  expect(next.published).toEqual([])
  expect(memory.held.attention).toEqual(lists)
  expect(parseWatermark(memory.held.watermark)?.foldVersion).toBe(foldVersion)

  older.published.length = 0
  const chunk = records(6, [bodyOf({ store: 'C', collective: 'COMPLETED' })])
  expect(await older.worker.process({ partition, records: chunk })).toMatchObject({ kind: 'reattach' })
  expect(older.published).toEqual([])
})

test('under a view of a later build the worker stops, and publishes nothing', async () => {
  const { memory, logs, at } = await foldedScene()
  memory.held.watermark = watermarkAt(5n).replace(
    `"foldVersion":${foldVersion}`,
    `"foldVersion":${foldVersion + 1}`,
  )
  const next = createWorker({ logs, memory })
  const problem = expect.stringMatching(/run the later build/) as unknown
  expect(await next.worker.attach(at)).toEqual({ kind: 'stop', problem })
  expect(next.steps).toEqual(['look'])
})

/** From now on registrations that are loaded cannot be read. */
function damage({ store }: ReturnType<typeof createMemoryStore>) {
  const { load } = store
  store.load = async () => {
    throw new DamagedView('It cannot be read.')
  }
  return () => {
    store.load = load
  }
}

test.each(['chunk', 'audit'])(
  'a registration in the view that cannot be read, met by a %s, has the view made anew',
  async (met) => {
    const { worker, memory, logs, at, attachments, pass } = await foldedScene()
    const before = withoutContents(memory.held)
    pass(hourMs)
    logs.append({ topic: topics.state.name, partition, key: 'client/M/A', value: 'of somebody else' })
    const mend = damage(memory)
    const chunk = records(6, [bodyOf({ store: 'C', collective: 'COMPLETED' })])
    const outcome = met === 'chunk' ? worker.process({ partition, records: chunk }) : worker.audit(partition)
    expect(await outcome).toEqual({ kind: 'reattach', why: 'It cannot be read.' })
    mend()
    expect(await worker.attach(at)).toMatchObject({ kind: 'from', because: 'rebuilt' })
    expect(attachments.at(-1)).toBe('view_damaged')
    expect(withoutContents(memory.held)).toEqual(before)
  },
)

test('a view that is damaged again right after a rebuild is held, and made anew some minutes later', async () => {
  const { worker, memory, at, pass } = await foldedScene()
  const chunk = { partition, records: records(6, [bodyOf({ store: 'C', collective: 'COMPLETED' })]) }
  const again = () => worker.attach(at)
  pass(hourMs)
  damage(memory)
  await worker.process(chunk)
  expect(await again()).toMatchObject({ because: 'rebuilt' })
  const refold = { partition, records: records(3, [pending]) }
  expect(await worker.process(refold)).toMatchObject({ kind: 'reattach' })
  const problem = expect.stringMatching(/did not help/) as unknown
  expect(await again()).toEqual({ kind: 'hold', problem })
  pass(hourMs / 10)
  expect(await again()).toMatchObject({ kind: 'hold' })
  pass(hourMs / 10)
  expect(await again()).toMatchObject({ because: 'rebuilt' })
})

test('a view that somebody has replaced is not held for what was found in the one before', async () => {
  const { worker, memory, at } = await foldedScene()
  const mend = damage(memory)
  await worker.process({ partition, records: records(6, [bodyOf({ store: 'C' })]) })
  mend()
  memory.held.watermark = watermarkAt(4n)
  expect(await worker.attach(at)).toMatchObject({ kind: 'from', because: 'behind' })
})

test('partitions are rebuilt one after the other', async () => {
  const { logs, at } = await foldedScene()
  const { worker, memory, steps } = createWorker({ logs })
  const { finishRebuild } = memory.store
  memory.store.finishRebuild = async (of) => {
    const finished = await finishRebuild(of)
    memory.held.watermark = null
    return finished
  }
  await Promise.all([worker.attach(at), worker.attach({ ...at, partition: 1 })])
  const rebuilds = steps.filter((step) => step !== 'look' && step !== 'clear' && step !== 'restore')
  expect(rebuilds).toEqual(['begin', 'finish', 'begin', 'finish'])
})

// The auditor

/** Key, value and headers as they were published. */
function asWritten({ topic, key, value, headers }: ConsumedRecord): LogRecord {
  assert(key !== null)
  return {
    topic,
    partition,
    key,
    value: value === null ? null : String(value),
    headers: Object.fromEntries([...headers].map(([name, text]) => [name, String(text)])),
  }
}

test('an audit whose reading takes long gives way, and goes on where it stopped', async () => {
  const { worker, logs, published, pass } = await foldedScene()
  const older = logs.records(topics.state.name).filter(({ offset }) => offset === 0n || offset === 1n)
  for (const record of older) logs.append(asWritten(record))
  published.length = 0
  const { read } = logs.reader
  const asked: bigint[] = []
  logs.reader.read = async function* (range) {
    asked.push(range.from)
    for await (const some of read(range)) {
      pass(2_000)
      yield some
    }
  }
  await worker.audit(partition)
  expect(published.map(({ key }) => key)).toEqual(['client/M/A'])
  await worker.audit(partition)
  expect(published.map(({ key }) => key)).toEqual(['client/M/A', 'client/M/B'])
  const [first = 0n] = asked
  expect(asked).toEqual([first, first + 1n])
})

test('records of others that cannot be read are told by the auditor', async () => {
  const { worker, logs, unreadable } = await foldedScene()
  const end = BigInt(logs.records(topics.state.name).length)
  logs.append({ topic: topics.state.name, partition, key: 'client/M/A', value: '{}' })
  logs.append({ topic: topics.state.name, partition, key: 'client/M/B', value: null })
  await worker.audit(partition)
  expect(unreadable).toEqual([{ records: 2, key: 'client/M/A', offset: end }])
})

test('while nobody else writes, the auditor reads nothing', async () => {
  const { worker, audits, logs } = await foldedScene()
  logs.reader.read = () => assert.fail('it reads')
  expect(await worker.audit(partition)).toEqual({ kind: 'audited' })
  expect(audits).toEqual([])
})

test('an older state record of somebody else is answered with the current one, once', async () => {
  const { worker, published, audits, logs } = await foldedScene()
  const states = logs.records(topics.state.name)
  const older = states.find(({ key }) => key === 'client/M/B')
  const newest = states.findLast(({ key }) => key === 'client/M/B')
  assert(older !== undefined && newest !== undefined)
  logs.append(asWritten(older))
  published.length = 0
  await worker.audit(partition)
  expect(published).toEqual([asWritten(newest)])
  await worker.audit(partition)
  expect(published).toHaveLength(1)
  expect(audits).toEqual([{ looked: 1, published: 1 }])
})

test('an older state record that came among ours is found, and the watermark does not pass it before', async () => {
  const { worker, memory, published, logs } = await foldedScene()
  const [older] = logs.records(topics.state.name)
  assert(older?.key === 'client/M/A')
  const end = BigInt(logs.records(topics.state.name).length)
  logs.append(asWritten(older))
  await worker.process({ partition, records: records(6, [bodyOf({ store: 'C', collective: 'COMPLETED' })]) })
  expect(memory.held.watermark).toContain(`"stateOffset":"${end}"`)
  published.length = 0
  await worker.audit(partition)
  expect(published).toMatchObject([{ key: 'client/M/A' }])
  await worker.process({ partition, records: records(7, ['not JSON']) })
  expect(memory.held.watermark).toContain(`"stateOffset":"${logs.records(topics.state.name).length}"`)
})

test('the next worker audits from where the last one had come', async () => {
  const { memory, logs, at } = await foldedScene()
  const [older] = logs.records(topics.state.name)
  assert(older !== undefined)
  logs.append(asWritten(older))
  const next = createWorker({ logs, memory })
  expect(await next.worker.attach(at)).toMatchObject({ because: 'equal' })
  await next.worker.audit(partition)
  expect(next.published).toMatchObject([{ key: 'client/M/A' }])
})

test('a state record that is ahead of the view is left to the fold', async () => {
  const { worker, published, logs } = await foldedScene()
  const newest = logs.records(topics.state.name).findLast(({ key }) => key === 'client/M/B')
  assert(newest !== undefined)
  const record = asWritten(newest)
  const ahead = { ...record, headers: { ...record.headers, rev: '7' } }
  logs.append(ahead)
  logs.append({ ...ahead, key: 'client/M/Z' })
  published.length = 0
  await worker.audit(partition)
  expect(published).toEqual([])
})

test('a state record of what is forgotten is answered with a record without a value', async () => {
  const { worker, published, logs } = await foldedScene()
  const newest = logs.records(topics.state.name).findLast(({ key }) => key === 'client/M/B')
  assert(newest !== undefined)
  logs.append({ ...asWritten(newest), key: 'client/M/Z' })
  published.length = 0
  await worker.audit(partition)
  expect(published).toMatchObject([{ key: 'client/M/Z', value: null, headers: { rev: '5' } }])
})

test('over a view that is not its own any more the auditor publishes nothing, and the partition is attached again', async () => {
  const { worker, memory, published, logs } = await foldedScene()
  const [older] = logs.records(topics.state.name)
  assert(older !== undefined)
  logs.append(asWritten(older))
  published.length = 0
  memory.held.watermark = null
  memory.held.registrations.clear()
  expect(await worker.audit(partition)).toMatchObject({ kind: 'reattach' })
  expect(published).toEqual([])
})

test('a view that is lost while nothing comes is noticed by the auditor', async () => {
  const { worker, memory } = await foldedScene()
  memory.held.watermark = null
  expect(await worker.audit(partition)).toMatchObject({ kind: 'reattach' })
})

test.each([1, 2])('a view that is lost at load %d of an audit makes nobody forgotten', async (lost) => {
  const { worker, memory, published, logs } = await foldedScene()
  const [older] = logs.records(topics.state.name)
  assert(older !== undefined)
  logs.append(asWritten(older))
  published.length = 0
  const { load } = memory.store
  let loads = 0
  memory.store.load = (of) => {
    loads += 1
    if (loads === lost) {
      memory.held.watermark = null
      memory.held.registrations.clear()
    }
    return load(of)
  }
  expect(await worker.audit(partition)).toMatchObject({ kind: 'reattach' })
  expect(loads).toBe(lost)
  expect(published).toEqual([])
})
