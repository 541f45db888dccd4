import { randomUUID } from 'node:crypto'
import { openRedisLink } from '@signalbox/redis-link/redis-link'
import { createLogger } from '@signalbox/runtime/log'
import type { ConsumedRecord } from '@signalbox/kafka/consumer'
import { expect, onTestFinished, test } from 'vitest'
import type { JobState } from '../adapters/alert-queue.ts'
import { createAlertBook } from '../adapters/alert-book.ts'
import { redisUrl } from '../infra.fixture.ts'
import { loseKeys } from '../lose-keys.fixture.ts'
import { createAlertsOfEndpoints } from './alerts-of-endpoints.ts'
import { endpointOf } from './endpoint.fixture.ts'
import { createFanOut, type FanOutPorts } from './fan-out.ts'
import { openEndpointsFanOut } from './open-endpoints-fan-out.ts'

const log = createLogger('alerts-test', { level: 'silent' })
const waiting = { timeout: 20_000, interval: 20 }
const startMs = Date.UTC(2026, 0, 10)
const hourMs = 3_600_000
const at = { clusterId: 'cluster', topic: 'endpoints' }

function recordOf(offset: number, revision: number, action: string): ConsumedRecord {
  const changedAt = new Date(startMs + offset).toISOString()
  const endpoint = endpointOf({
    endpointId: 'till',
    revision,
    changedAt,
    history: [{ at: changedAt, by: 'alerts', action, detail: null }],
  })
  const value = Buffer.from(JSON.stringify(endpoint))
  const of = { topic: at.topic, partition: 0, offset: BigInt(offset), timestampMs: startMs + offset }
  return { ...of, key: 'client/merchant/till', value, headers: new Map(), bytes: 0 }
}

/** A compacted log, a real queue Redis, and operators who hear of everything. */
async function openScene() {
  const keyPrefix = `test-${randomUUID().slice(0, 8)}:`
  const link = await openRedisLink({ url: redisUrl, variable: 'QUEUE_REDIS_URL', log })
  onTestFinished(() => link[Symbol.asyncDispose]())
  const state = {
    records: [recordOf(3, 1, 'warned'), recordOf(7, 3, 'disabled')],
    end: 9n,
    asked: [0],
    batch: 'absent' as JobState,
  }
  const again: number[] = []
  const added: { version: number; priority: number; batchId: string | null }[] = []
  const operators = endpointOf({ endpointId: 'operators', audience: 'operator', merchant: '*' })
  const book = createAlertBook({ redis: link.redis, keyPrefix, fanOut: 'endpoints', now: () => startMs })
  const ports: FanOutPorts & Parameters<typeof openEndpointsFanOut>[0] = {
    book,
    queue: {
      async add(alerts) {
        again.push(...alerts.map(({ version }) => version))
      },
      stateOf: async () => state.batch,
      async addFirst(owed, { priorityOf }) {
        const told = owed.map(({ alert, batchId }) => ({
          version: alert.version,
          priority: priorityOf(alert),
          batchId,
        }))
        added.push(...told)
      },
    },
    alertsOf: createAlertsOfEndpoints({
      endpoints: { ofMerchants: async () => new Map([['client/merchant', [operators]]]) },
    }),
    endpoints: { caughtUpAll: async () => undefined },
    receiptsSeen: { reached: async () => 0n },
    skipped: () => undefined,
    now: () => startMs,
    reader: {
      async *read({ from, to }) {
        yield state.records.filter(({ offset }) => offset >= from && offset < to)
      },
      bounds: async () => ({ start: 0n, end: state.end }),
      async offsetAt({ timeMs }) {
        state.asked.push(timeMs)
        return 0n
      },
    },
    ...at,
    partitions: 1,
    everyMs: 20,
    log,
  }
  const versions = () => added.map(({ version }) => version)
  return { state, added, again, versions, book, ports, redis: link.redis, keyPrefix }
}

test('operators hear of endpoints over gaps in the log, once each, the later ones with a greater rank', async () => {
  const { state, added, versions, book, ports } = await openScene()
  await using fanOut = openEndpointsFanOut(ports)
  await expect.poll(versions, waiting).toEqual([1, 3])
  expect(added.map(({ priority }) => priority)).toEqual([1, 2])
  state.records.push(recordOf(12, 5, 'enabled'))
  state.end = 13n
  await expect.poll(versions, waiting).toEqual([1, 3, 5])
  await expect.poll(() => book.watermark(0), waiting).toBe('cluster endpoints 13')
  expect(fanOut.state().ok).toBe(true)
  expect(await book.owedCount(0)).toBe(3)
})

test('when Redis forgets everything, all that has no marker is owed again', async () => {
  const { versions, book, ports, redis, keyPrefix } = await openScene()
  const fanOut = openEndpointsFanOut(ports)
  onTestFinished(() => fanOut[Symbol.asyncDispose]())
  await expect.poll(versions, waiting).toEqual([1, 3])
  await loseKeys(redis, `${keyPrefix}*`)
  await expect.poll(versions, waiting).toEqual([1, 3, 1, 3])
  expect(await book.owedCount(0)).toBe(2)
})

test('without a watermark a fan-out goes 72 hours back, and says so before it owes anything', async () => {
  const { state, book, ports } = await openScene()
  const fanOut = createFanOut(ports, at)
  const position = { partition: 0, committed: 8n, logStart: 0n, logEnd: 9n }
  expect(await fanOut.attach(position)).toMatchObject({ kind: 'from', offset: 0n })
  expect(state.asked.at(-1)).toBe(startMs - 72 * hourMs)
  expect(await book.watermark(0)).toBe('cluster endpoints 0')
})

test('a chunk owes nothing when Redis has changed since the partition was attached', async () => {
  const { state, book, ports, versions } = await openScene()
  const fanOut = createFanOut(ports, at)
  await fanOut.attach({ partition: 0, committed: null, logStart: 0n, logEnd: 9n })
  expect(await fanOut.isOvertaken(0)).toBe(false)
  await book.advance({ partition: 0, from: 'cluster endpoints 0', to: 'cluster endpoints 1' })
  expect(await fanOut.isOvertaken(0)).toBe(true)
  const outcome = await fanOut.process({ partition: 0, records: state.records })
  expect([outcome.kind, versions(), await book.owedCount(0)]).toEqual(['reattach', [], 0])
})

test('a chunk owes nothing when the markers have fallen behind the receipts that were seen', async () => {
  const { state, book, ports, versions } = await openScene()
  const fanOut = createFanOut({ ...ports, receiptsSeen: { reached: async () => 5n } }, at)
  await fanOut.attach({ partition: 0, committed: null, logStart: 0n, logEnd: 9n })
  const chunk = { partition: 0, records: state.records }
  expect([(await fanOut.process(chunk)).kind, versions()]).toEqual(['reattach', []])
  const next = 'cluster receipts 5'
  await book.markSettled({ partition: 0, watermark: null, next, ids: [], nowMs: startMs })
  expect([(await fanOut.process(chunk)).kind, versions()]).toEqual(['done', [1, 3]])
})

test('what an endpoint gets of a chunk goes in batches of thirty-two, ranked in their order', async () => {
  const { added, versions, ports } = await openScene()
  const fanOut = createFanOut(ports, at)
  await fanOut.attach({ partition: 0, committed: null, logStart: 0n, logEnd: 65n })
  const numbers = Array.from({ length: 65 }, (_, index) => index + 1)
  const records = numbers.map((number) => recordOf(number - 1, number, 'warned'))
  expect((await fanOut.process({ partition: 0, records })).kind).toBe('done')
  expect(versions()).toEqual(numbers)
  expect(added.map(({ priority }) => priority)).toEqual(numbers)
  const batches = Map.groupBy(added, ({ batchId }) => batchId)
  expect([...batches.values()].map(({ length }) => length)).toEqual([32, 32, 1])
  expect([...batches.keys()]).toEqual([
    expect.stringMatching(/^b-[\w-]{22}$/),
    expect.stringMatching(/^b-[\w-]{22}$/),
    null,
  ])
})

test.each<[string, JobState, number[]]>([
  ['no job, and each gets its own', 'absent', [1, 2]],
  ['one that runs, and get no other', 'live', []],
  ['one that has ended, and each gets its own', 'completed', [1, 2]],
])('alerts of a batch that are fanned out again had %s', async (_, batch, expected) => {
  const { state, added, again, ports } = await openScene()
  state.batch = batch
  const records = [1, 2, 3, 4].map((number) => recordOf(number - 1, number, 'warned'))
  const position = { partition: 0, committed: null, logStart: 0n, logEnd: 9n }
  const queue = { ...ports.queue, addFirst: () => Promise.reject(new Error('killed')) }
  const dying = createFanOut({ ...ports, queue }, at)
  await dying.attach(position)
  await expect(dying.process({ partition: 0, records: records.slice(0, 2) })).rejects.toThrow('killed')

  const next = createFanOut({ ...ports, now: () => startMs + 1_000 }, at)
  await next.attach(position)
  expect(await next.process({ partition: 0, records })).toEqual({ kind: 'done' })
  expect(again).toEqual(expected)
  expect(added.map(({ version }) => version)).toEqual([3, 4])
  expect(new Set(added.map(({ batchId }) => batchId)).size).toBe(1)
})

test('a Redis that forgets the last slice of what a chunk owes is noticed', async () => {
  const { ports, book, redis, keyPrefix } = await openScene()
  const slices: number[] = []
  const owe: typeof book.owe = async (of) => {
    const owed = await book.owe(of)
    if (slices.push(of.alerts.length) === 2) {
      await redis.set(`${keyPrefix}{c0}:endpoints-fan-out`, of.watermark ?? '')
    }
    return owed
  }
  const fanOut = createFanOut({ ...ports, book: { ...book, owe } }, at)
  await fanOut.attach({ partition: 0, committed: null, logStart: 0n, logEnd: 150n })
  const numbers = Array.from({ length: 150 }, (_, index) => index + 1)
  const records = numbers.map((number) => recordOf(number - 1, number, 'warned'))
  expect(await fanOut.process({ partition: 0, records })).toMatchObject({ kind: 'reattach' })
  expect(slices).toEqual([100, 50])
})

test('a chunk that is cut off before its jobs are there makes them when it comes again, without ranking them twice', async () => {
  const { state, again, ports } = await openScene()
  const position = { partition: 0, committed: null, logStart: 0n, logEnd: 9n }
  const chunk = { partition: 0, records: state.records }
  const dying = createFanOut(
    { ...ports, queue: { ...ports.queue, addFirst: () => Promise.reject(new Error('killed')) } },
    at,
  )
  await dying.attach(position)
  await expect(dying.process(chunk)).rejects.toThrow('killed')

  const next = createFanOut({ ...ports, now: () => startMs + 1_000 }, at)
  expect(await next.attach(position)).toMatchObject({ kind: 'from', offset: 3n })
  expect(await next.process(chunk)).toEqual({ kind: 'done' })
  expect(again).toEqual([1, 3])
  expect(await ports.book.raiseOutstanding(new Map([['operators', 1]]))).toEqual(new Map([['operators', 3]]))
})
