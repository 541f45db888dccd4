import type { LinkLog } from '@signalbox/redis-link/redis-link'
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { emptyRegistration } from '@signalbox/registration/registration'
import { Redis } from 'ioredis'
import { expect, inject, onTestFinished, test, vi } from 'vitest'
import { openFaultProxy } from './fault-proxy.fixture.ts'
import {
  type AttentionCursor,
  type NamedRegistration,
  openRegistrationStore,
  type OutcomeCounts,
  type RegistrationStore,
} from './registration-store.ts'
import { nextMarker, rebuildMarker } from './watermark.ts'

const redisUrl = inject('redisUrlToHurt')
const partition = 3
const silent: LinkLog = { info: () => {}, warn: () => {} }

async function openStore({ url = redisUrl, keyPrefix = `test-${randomUUID()}:`, log = silent } = {}) {
  const store = await openRegistrationStore({ url, keyPrefix, log, openDeadlineMs: 2_000 })
  onTestFinished(() => store[Symbol.asyncDispose]())
  return store
}

async function openProxy() {
  const proxy = await openFaultProxy(redisUrl)
  onTestFinished(() => proxy[Symbol.asyncDispose]())
  return proxy
}

function openRedis(): Redis {
  const redis = new Redis(redisUrl)
  onTestFinished(() => redis.disconnect())
  return redis
}

/** Saves with nothing in it but what is named. */
function saveTo(store: RegistrationStore, of: Partial<Parameters<RegistrationStore['save']>[0]>) {
  const nothing = { registrations: [], removed: [], attention: [], counted: null }
  return store.save({ partition, expected: null, next: 'w', ...nothing, ...of })
}

const merchant = { clientId: 'client', referenceMerchantId: 'merchant' }
const noCounts: OutcomeCounts = { applied: 0, flagged: 0, repeated: 0, stale: 0, quarantined: 0 }

function named(of: { merchant?: string; store?: string | null; version?: number }): NamedRegistration {
  return {
    registration: {
      clientId: 'client',
      referenceMerchantId: of.merchant ?? 'merchant',
      referenceStoreId: of.store ?? null,
    },
    stored: {
      registration: { ...emptyRegistration, version: of.version ?? 1 },
      rev: '12',
      cause: { notificationId: 'n', requestTime: 't', offset: '11', appendTimeMs: 1_700_000_000_000 },
    },
  }
}

test('an empty view has no watermark, nothing counted and no registrations', async () => {
  const store = await openStore()
  const { registration } = named({})
  expect(await store.load({ partition, registrations: [registration] })).toEqual({
    watermark: null,
    countedThrough: null,
    registrations: [null],
  })
  expect(await store.readBooks({ partition })).toBeNull()
  expect(await store.read({ partition, merchant, cursor: null, limit: 10 })).toEqual({
    registrations: [],
    next: null,
    complete: false,
  })
})

test('what was saved is loaded in the order asked for, with its watermark', async () => {
  const store = await openStore()
  const saved = [
    named({ version: 1 }),
    named({ store: 's', version: 2 }),
    named({ merchant: 'other', store: 's', version: 3 }),
  ]
  const counted = { countedFrom: '5', countedThrough: '7', counts: { ...noCounts, applied: 3 } }
  expect(await saveTo(store, { expected: null, next: 'w1', registrations: saved, counted })).toEqual({
    kind: 'saved',
  })
  const asked = [...saved, named({ merchant: 'unknown' })].toReversed()
  expect(await store.load({ partition, registrations: asked.map((one) => one.registration) })).toEqual({
    watermark: 'w1',
    countedThrough: '7',
    registrations: [null, saved[2]?.stored, saved[1]?.stored, saved[0]?.stored],
  })
})

test('partitions and key prefixes do not see each other', async () => {
  const keyPrefix = `test-${randomUUID()}:`
  const store = await openStore({ keyPrefix })
  await saveTo(store, { expected: null, next: 'w1', registrations: [named({})], counted: null })
  const asked = { partition, registrations: [named({}).registration] }
  const empty = { watermark: null, countedThrough: null, registrations: [null] }
  expect(await store.load({ ...asked, partition: 33 })).toEqual(empty)
  expect(await (await openStore()).load(asked)).toEqual(empty)
  expect(await (await openStore({ keyPrefix })).load(asked)).toMatchObject({ watermark: 'w1' })
})

test('a save that expects another watermark is fenced and changes nothing', async () => {
  const store = await openStore()
  const counted = { countedFrom: '0', countedThrough: '0', counts: { ...noCounts, stale: 1 } }
  const first = [named({ version: 1 })]
  await saveTo(store, { expected: null, next: 'w1', registrations: first, counted })

  const second = [named({ version: 2 }), named({ store: 'new' })]
  for (const expected of [null, 'w0', 'w11']) {
    expect(await saveTo(store, { expected, next: 'w2', registrations: second, counted })).toEqual({
      kind: 'fenced',
      watermark: 'w1',
    })
  }
  const { registrations, watermark } = await store.load({
    partition,
    registrations: second.map((one) => one.registration),
  })
  expect(watermark).toBe('w1')
  expect(registrations).toEqual([first[0]?.stored, null])
  expect((await store.readBooks({ partition }))?.counts.stale).toBe(1)
})

test('a save that expects a watermark where there is none is fenced by its absence', async () => {
  const store = await openStore()
  expect(await saveTo(store, { expected: 'lost', next: 'w2', registrations: [], counted: null })).toEqual({
    kind: 'fenced',
    watermark: null,
  })
})

test('of savers that run at once exactly one wins', async () => {
  const keyPrefix = `test-${randomUUID()}:`
  const stores = await Promise.all(Array.from({ length: 5 }, () => openStore({ keyPrefix })))
  const answers = await Promise.all(
    stores.map((store, index) =>
      saveTo(store, {
        expected: null,
        next: `w${index}`,
        registrations: [named({ version: index + 1 })],
        counted: { countedFrom: '0', countedThrough: '0', counts: { ...noCounts, applied: 1 } },
      }),
    ),
  )
  const winner = answers.findIndex(({ kind }) => kind === 'saved')
  expect(answers.filter(({ kind }) => kind === 'saved')).toHaveLength(1)
  const [store] = stores
  const view = await store?.load({ partition, registrations: [named({}).registration] })
  expect(view?.watermark).toBe(`w${winner}`)
  expect(view?.registrations[0]?.registration.version).toBe(winner + 1)
  expect((await store?.readBooks({ partition }))?.counts.applied).toBe(1)
})

test('the books add up and remember where they began', async () => {
  const store = await openStore()
  const save = (
    expected: string | null,
    next: string,
    counted: Parameters<RegistrationStore['save']>[0]['counted'],
  ) => saveTo(store, { expected, next, registrations: [], counted })
  await save(null, 'w1', {
    countedFrom: '9007199254740993',
    countedThrough: '9007199254740994',
    counts: { applied: 1, flagged: 0, repeated: 1, stale: 0, quarantined: 0 },
  })
  await save('w1', 'w0', null)
  await save('w0', 'w2', {
    countedFrom: '9007199254740995',
    countedThrough: '9007199254740999',
    counts: { applied: 1, flagged: 1, repeated: 1, stale: 1, quarantined: 1 },
  })
  expect(await store.readBooks({ partition })).toEqual({
    countedFrom: '9007199254740993',
    countedThrough: '9007199254740999',
    counts: { applied: 2, flagged: 1, repeated: 2, stale: 1, quarantined: 1 },
  })
})

test('the stores of a merchant are read in pages that neither skip nor repeat', async () => {
  const store = await openStore()
  const stores = [null, '!', '*', '-', '0', 'A', 'Z', '~', 'ä', '小', '%21', ' ', 'a/b']
  const saved = stores.map((id, index) => named({ store: id, version: index + 1 }))
  const others = [named({ merchant: 'merchant2' }), named({ merchant: 'merch' })]
  await saveTo(store, {
    expected: null,
    next: 'w',
    registrations: [...saved, ...others],
    counted: null,
  })

  const read: NamedRegistration[] = []
  let cursor: string | null = null
  do {
    const page: Awaited<ReturnType<typeof store.read>> = await store.read({
      partition,
      merchant,
      cursor,
      limit: 4,
    })
    expect(page.registrations.length).toBeLessThanOrEqual(4)
    read.push(...page.registrations)
    cursor = page.next
  } while (cursor !== null)

  expect(read).toHaveLength(saved.length)
  expect(read).toEqual(expect.arrayContaining(saved))
  expect(read[0]?.registration.referenceStoreId).toBeNull()
})

test('one store of a merchant is read by its id, null being the one without store', async () => {
  const store = await openStore()
  const saved = [named({}), named({ store: 's', version: 2 })]
  await saveTo(store, { expected: null, next: 'w', registrations: saved, counted: null })
  const read = (id: string | null) => store.read({ partition, merchant, store: id, cursor: null, limit: 1 })
  expect(await read(null)).toEqual({ registrations: [saved[0]], next: null, complete: true })
  expect(await read('s')).toEqual({ registrations: [saved[1]], next: null, complete: true })
  expect(await read('t')).toEqual({ registrations: [], next: null, complete: true })
})

test('a registration that is removed is gone, and its merchant with the last of them', async () => {
  const keyPrefix = `test-${randomUUID()}:`
  const store = await openStore({ keyPrefix })
  const saved = [named({}), named({ store: 's' })]
  await saveTo(store, { next: 'w1', registrations: saved })
  const removed = saved.map((one) => one.registration)
  await saveTo(store, { expected: 'w1', next: 'w2', removed: removed.slice(0, 1) })
  expect((await store.load({ partition, registrations: removed })).registrations).toEqual([
    null,
    saved[1]?.stored,
  ])
  await saveTo(store, { expected: 'w2', next: 'w3', removed })
  expect(await openRedis().keys(`${keyPrefix}*`)).toEqual([`${keyPrefix}{p3}:watermark`])
})

test('of large registrations only the first come at once', async () => {
  const store = await openStore()
  const rejectionReason = 'x'.repeat(2_000_000)
  const entry = { pspName: 'P', productCode: 'C', status: 'REJECTED', rejectionReason } as const
  const view = { ...emptyRegistration.view, entries: [entry] }
  const large = ['a', 'b', 'c'].map((id) => {
    const { registration, stored } = named({ store: id })
    return { registration, stored: { ...stored, registration: { ...stored.registration, view } } }
  })
  for (const [index, one] of large.entries()) {
    await saveTo(store, {
      expected: index === 0 ? null : `w${index}`,
      next: `w${index + 1}`,
      registrations: [one],
    })
  }
  const asked = large.map((one) => one.registration)
  const { registrations } = await store.load({ partition, registrations: [...asked, ...asked] })
  expect(registrations.length).toBeGreaterThanOrEqual(1)
  expect(registrations.length).toBeLessThan(4)
})

// Lists of what asks for attention

const since = (merchant: string, sinceMs: number | null, kind: 'pending' | 'doubtful' = 'pending') => ({
  kind,
  registration: named({ merchant }).registration,
  sinceMs,
})

test('lists hold what was put on them, the oldest first, in pages that neither skip nor repeat', async () => {
  const store = await openStore()
  const times = [5, 5, 5, 5, 5, 9, 1, 7, 7]
  await saveTo(store, { next: 'w1', attention: times.map((time, index) => since(`m${index}`, time)) })
  const list = { partition, kind: 'pending', untilMs: 9 } as const
  const found: { merchant: string; sinceMs: number }[] = []
  let after: AttentionCursor | null = null
  do {
    const page: Awaited<ReturnType<typeof store.listAttention>> = await store.listAttention({
      ...list,
      limit: 2,
      after,
    })
    expect(page.entries.length).toBeLessThanOrEqual(2)
    for (const { registration, sinceMs } of page.entries) {
      found.push({ merchant: registration.referenceMerchantId, sinceMs })
    }
    after = page.next
  } while (after !== null)
  expect(found.map(({ sinceMs }) => sinceMs)).toEqual([1, 5, 5, 5, 5, 5, 7, 7])
  expect(new Set(found.map(({ merchant }) => merchant)).size).toBe(8)
})

test('what moves on one list leaves the others alone', async () => {
  const store = await openStore()
  const moves = [since('a', 1), since('b', 2), since('a', 3, 'doubtful')]
  await saveTo(store, { next: 'w1', attention: moves })
  await saveTo(store, { expected: 'w1', next: 'w2', attention: [since('a', null), since('b', 4)] })
  const listed = async (kind: 'pending' | 'doubtful') => {
    const page = await store.listAttention({ partition, kind, untilMs: 10, limit: 10, after: null })
    return page.entries.map(({ registration, sinceMs }) => [registration.referenceMerchantId, sinceMs])
  }
  expect(await listed('pending')).toEqual([['b', 4]])
  expect(await listed('doubtful')).toEqual([['a', 3]])
})

test('a save that is fenced moves nobody on a list and removes nothing', async () => {
  const store = await openStore()
  await saveTo(store, { next: 'w1', registrations: [named({})], attention: [since('a', 1)] })
  const removed = [named({}).registration]
  expect(
    await saveTo(store, { expected: 'w0', next: 'w2', removed, attention: [since('a', null)] }),
  ).toMatchObject({ kind: 'fenced' })
  expect((await store.load({ partition, registrations: removed })).registrations).toEqual([named({}).stored])
  expect(
    await store.listAttention({ partition, kind: 'pending', untilMs: 9, limit: 9, after: null }),
  ).toMatchObject({ entries: [{ sinceMs: 1 }] })
})

// Rebuilding

test('a rebuild replaces everything that a partition holds, and nobody else sees it complete before', async () => {
  const keyPrefix = `test-${randomUUID()}:`
  const store = await openStore({ keyPrefix })
  const counted = { countedFrom: '0', countedThrough: '0', counts: noCounts }
  const old = Array.from({ length: 30 }, (_, index) => named({ merchant: `old-${index}` }))
  await saveTo(store, { next: 'w1', registrations: old, attention: [since('old-1', 1)], counted })
  await saveTo(store, { partition: 33, registrations: [named({ merchant: 'other' })] })
  // Most keys are of other partitions: a scan finds few of this one's, or none.
  const others = Array.from({ length: 20_000 }, (_, index) => `${keyPrefix}{p34}:m:client/${index}`)
  await openRedis().mset(others.flatMap((key) => [key, '']))
  const readOne = () => store.read({ partition, merchant, cursor: null, limit: 9 })
  expect(await readOne()).toMatchObject({ complete: true })

  let marker = rebuildMarker('1')
  expect(await store.beginRebuild({ partition, expected: 'w1', marker })).toEqual({ kind: 'begun' })
  expect(await store.readBooks({ partition })).toBeNull()
  expect(await readOne()).toMatchObject({ complete: false })
  let cursor: string | null = null
  do {
    const cleared: Awaited<ReturnType<typeof store.clear>> = await store.clear({ partition, marker, cursor })
    assert(cleared.kind === 'cleared')
    expect(cleared.marker).toBe(nextMarker(marker))
    marker = cleared.marker
    cursor = cleared.next
  } while (cursor !== null)

  const batch = { partition, attention: [since('merchant', 7)] }
  const removed = [named({ store: 's' }).registration]
  const both = [named({}), named({ store: 's' })]
  for (const step of [
    { registrations: both, removed: [] },
    { registrations: [], removed },
  ]) {
    expect(await store.restore({ ...batch, marker, ...step })).toEqual({ kind: 'saved' })
    marker = nextMarker(marker)
    expect(await store.readWatermark({ partition })).toBe(marker)
  }
  expect(await readOne()).toMatchObject({ complete: false, registrations: [named({})] })
  expect(await store.finishRebuild({ partition, marker, next: 'w2' })).toEqual({ kind: 'saved' })

  expect(await readOne()).toEqual({ complete: true, registrations: [named({})], next: null })
  expect(
    await store.listAttention({ partition, kind: 'pending', untilMs: 9, limit: 9, after: null }),
  ).toMatchObject({ entries: [{ sinceMs: 7 }], next: null })
  const keys = await openRedis().keys(`${keyPrefix}{p3}*`)
  expect(keys.map((key) => key.slice(keyPrefix.length)).toSorted()).toEqual([
    '{p3}:attention:pending',
    '{p3}:m:client/merchant',
    '{p3}:watermark',
  ])
  expect(await store.readWatermark({ partition: 33 })).toBe('w')
  const foreign = [named({ merchant: 'other' }).registration]
  expect((await store.load({ partition: 33, registrations: foreign })).registrations).not.toEqual([null])
  expect(await openRedis().exists(...others)).toBe(others.length)
})

test('of a rebuild that another one has taken over, no step does anything', async () => {
  const store = await openStore()
  await saveTo(store, { next: 'w1', registrations: [named({})] })
  const [one, two] = [rebuildMarker('one'), rebuildMarker('two')]
  await store.beginRebuild({ partition, expected: 'w1', marker: one })
  await store.beginRebuild({ partition, expected: one, marker: two })

  const stale = { partition, marker: one }
  const fenced = { kind: 'fenced', watermark: two }
  const batch = { registrations: [named({ version: 9 })], removed: [], attention: [] }
  expect(await store.beginRebuild({ ...stale, expected: 'w1' })).toEqual(fenced)
  expect(await store.clear({ ...stale, cursor: null })).toEqual(fenced)
  expect(await store.restore({ ...stale, ...batch })).toEqual(fenced)
  expect(await store.finishRebuild({ ...stale, next: 'w9' })).toEqual(fenced)
  expect(await saveTo(store, { expected: 'w1', next: 'w9' })).toEqual(fenced)
  expect(await store.load({ partition, registrations: [named({}).registration] })).toMatchObject({
    watermark: two,
    registrations: [named({}).stored],
  })
})

test('an operator replaces the watermark that he has read, and no other', async () => {
  const store = await openStore()
  await saveTo(store, { next: 'w1' })
  expect(await store.setWatermark({ partition, expected: 'w0', next: null })).toEqual({
    kind: 'fenced',
    watermark: 'w1',
  })
  expect(await store.setWatermark({ partition, expected: 'w1', next: 'w0' })).toEqual({ kind: 'saved' })
  expect(await store.readWatermark({ partition })).toBe('w0')
  expect(await store.setWatermark({ partition, expected: 'w0', next: null })).toEqual({ kind: 'saved' })
  expect(await store.readWatermark({ partition })).toBeNull()
})

// Redis in trouble

test.each([
  [
    'is full',
    /OOM/,
    async (redis: Redis) => {
      await redis.config('SET', 'maxmemory', '1')
      return () => redis.config('SET', 'maxmemory', '0')
    },
  ],
  [
    'has become a read-only replica',
    /READONLY/,
    async (redis: Redis) => {
      await redis.replicaof('127.0.0.1', 1)
      return () => redis.replicaof('NO', 'ONE')
    },
  ],
])('a Redis that %s writes nothing, and what is there can be read', async (_, problem, hurt) => {
  const store = await openStore()
  await saveTo(store, { next: 'w1', registrations: [named({})] })
  const mend = await hurt(openRedis())
  try {
    const registrations = [named({ version: 2 }), named({ store: 's' })]
    const attention = [since('a', 1)]
    await expect(saveTo(store, { expected: 'w1', next: 'w2', registrations, attention })).rejects.toThrow(
      problem,
    )
    await expect
      .poll(() => store.load({ partition, registrations: [named({}).registration] }).catch(String))
      .toMatchObject({ watermark: 'w1', registrations: [named({}).stored] })
  } finally {
    await mend()
  }
  await expect
    .poll(() => saveTo(store, { expected: 'w1', next: 'w2' }).catch(String))
    .toEqual({ kind: 'saved' })
})

test('a Redis with small listpacks is warned of', async () => {
  const proxy = await openProxy()
  const warn = vi.fn<(fields: object, event: string) => void>()
  proxy.rewrite({ from: /\$4\r\n1100/, to: '$2\r\n64' })
  await openStore({ url: proxy.url, log: { ...silent, warn } })
  expect(warn.mock.calls).toEqual([
    [expect.objectContaining({ 'hash-max-listpack-value': 64 }), 'redis.listpacks_small'],
  ])
})

test('scripts that Redis has forgotten are given to it again', async () => {
  const store = await openStore()
  await saveTo(store, { expected: null, next: 'w1', registrations: [], counted: null })
  await openRedis().script('FLUSH')
  expect(
    await saveTo(store, { expected: 'w1', next: 'w2', registrations: [named({})], counted: null }),
  ).toEqual({ kind: 'saved' })
  await openRedis().script('FLUSH')
  expect(await store.load({ partition, registrations: [] })).toMatchObject({ watermark: 'w2' })
})

test('keys of another type are reported before anything is written', async () => {
  const keyPrefix = `test-${randomUUID()}:`
  const store = await openStore({ keyPrefix })
  const foreign = `${keyPrefix}{p${partition}}:m:client/merchant`
  await openRedis().set(foreign, 'not ours')
  await expect(store.load({ partition, registrations: [named({}).registration] })).rejects.toThrow(
    /does not load registrations: .*WRONGTYPE/s,
  )
})

test('every key of a partition has one hash tag', async () => {
  const keyPrefix = `test-${randomUUID()}:`
  const store = await openStore({ keyPrefix })
  const counted = { countedFrom: '0', countedThrough: '0', counts: noCounts }
  const registrations = [named({}), named({ merchant: '{x}' })]
  await saveTo(store, { expected: null, next: 'w', registrations, counted })
  const keys = await openRedis().keys(`${keyPrefix}*`)
  expect(keys.map((key) => /\{[^}]*\}/.exec(key)?.[0])).toEqual(['{p3}', '{p3}', '{p3}', '{p3}'])
})

test('a cut link is felt at once, and the store comes back by itself', async () => {
  const proxy = await openProxy()
  const store = await openStore({ url: proxy.url })
  const newRun = vi.fn<() => void>()
  store.onNewRun(newRun)
  const load = () => store.load({ partition, registrations: [] })

  proxy.cut()
  await expect.poll(() => load().catch(String)).toMatch(/does not load registrations/)
  expect(await store.ping()).toMatchObject({ ok: false })
  const started = performance.now()
  await expect(load()).rejects.toThrow(/does not load registrations/)
  expect(performance.now() - started).toBeLessThan(500)

  proxy.mend()
  await expect.poll(() => store.ping(), { timeout: 10_000 }).toMatchObject({ ok: true })
  await expect(load()).resolves.toMatchObject({ watermark: null })
  expect(newRun).not.toHaveBeenCalled()
})

test('a link that has gone silent is given up within seconds and replaced', async () => {
  const proxy = await openProxy()
  const store = await openStore({ url: proxy.url })
  proxy.freeze()
  const started = performance.now()
  await expect(store.load({ partition, registrations: [] })).rejects.toThrow(/does not load registrations/)
  expect(performance.now() - started).toBeLessThan(4_000)
  proxy.mend()
  await expect
    .poll(() => store.load({ partition, registrations: [] }).catch(String), { timeout: 15_000 })
    .toMatchObject({ watermark: null })
})

test('a reconnect to another run of Redis is told', async () => {
  const proxy = await openProxy()
  const store = await openStore({ url: proxy.url })
  const newRun = vi.fn<() => void>()
  store.onNewRun(newRun)
  proxy.rewrite({ from: /run_id:[0-9a-f]{40}/, to: `run_id:${'0'.repeat(40)}` })
  proxy.cut()
  proxy.mend()
  await expect.poll(() => newRun.mock.calls.length, { timeout: 10_000 }).toBe(1)
})

test('a primary that has become a replica is left for a new connection', async () => {
  const proxy = await openProxy()
  const info = vi.fn<(fields: object, event: string) => void>()
  const store = await openStore({ url: proxy.url, log: { ...silent, info } })
  proxy.rewrite({ from: /\+PONG/, to: '-READONLY You can not write against a read only replica.' })
  expect(await store.ping()).toMatchObject({ ok: false })
  await expect.poll(() => info.mock.calls.map(([, event]) => event)).toContain('redis.recovered')
})

test('a Redis that may evict keys is refused in words for the operator', async () => {
  const proxy = await openProxy()
  proxy.rewrite({ from: /maxmemory_policy:noeviction/, to: 'maxmemory_policy:other_rule' })
  const problem = await openingProblem(proxy.url)
  expect(problem).toMatch(/other_rule.*set it to noeviction/)
})

test('a Redis that is not there is named without the password', async () => {
  const proxy = await openProxy()
  proxy.cut()
  const url = proxy.url.replace('://', '://user:secret@')
  const problem = await openingProblem(url)
  expect(problem).toMatch(/^The Redis at 127\.0\.0\.1:\d+ \(REDIS_URL\) cannot be used\. It does not answer/)
  expect(problem).not.toContain('secret')
})

/** Messages of the error and of its cause. */
async function openingProblem(url: string): Promise<string> {
  const problem: unknown = await openStore({ url }).catch((error: unknown) => error)
  assert(problem instanceof Error && problem.cause instanceof Error, 'the store does not open')
  return `${problem.message} ${problem.cause.message}`
}
