import assert from 'node:assert/strict'
import { emptyRegistration } from '@signalbox/registration/registration'
import type {
  NamedRegistration,
  OutcomeCounts,
  RegistrationStore,
} from '@signalbox/registration-store/registration-store'
import { nextMarker, rebuildMarker } from '@signalbox/registration-store/watermark'
import { expect, test } from 'vitest'

export type Store = Omit<RegistrationStore, 'onNewRun' | 'ping' | typeof Symbol.asyncDispose>

const partition = 3
const noCounts: OutcomeCounts = { applied: 0, flagged: 0, repeated: 0, stale: 0, quarantined: 0 }
const merchant = { clientId: 'client', referenceMerchantId: 'merchant' }
const marker = rebuildMarker('one')
const otherMarker = rebuildMarker('two')

function named({
  store = null,
  version = 1,
  ...of
}: {
  merchant?: string
  store?: string | null
  version?: number
}) {
  return {
    registration: {
      clientId: 'client',
      referenceMerchantId: of.merchant ?? 'merchant',
      referenceStoreId: store,
    },
    stored: {
      registration: { ...emptyRegistration, version },
      rev: '12',
      cause: { notificationId: 'n', requestTime: 't', offset: '11', appendTimeMs: 1_700_000_000_000 },
    },
  } satisfies NamedRegistration
}

type Save = Parameters<Store['save']>[0]

const save = (store: Store, of: Pick<Save, 'expected' | 'next'> & Partial<Save>) =>
  store.save({ partition, registrations: [], removed: [], attention: [], counted: null, ...of })

const load = (store: Store, registrations: readonly NamedRegistration[] = []) =>
  store.load({ partition, registrations: registrations.map(({ registration }) => registration) })

const listed = (store: Store, kind: 'doubtful' | 'pending') =>
  store.listAttention({ partition, kind, untilMs: 1_000, limit: 10, after: null })

/** What every view of registrations must do, whatever keeps it. `open` gives an empty one. */
export function storeConformance(open: () => Promise<Store>): void {
  test('an empty view has no watermark, nothing counted and no registrations', async () => {
    const store = await open()
    expect(await load(store, [named({})])).toEqual({
      watermark: null,
      countedThrough: null,
      registrations: [null],
    })
    expect(await store.readWatermark({ partition })).toBeNull()
    expect(await store.readBooks({ partition })).toBeNull()
  })

  test('what was saved is loaded in the order asked for, with its watermark', async () => {
    const store = await open()
    const saved = [named({}), named({ store: 's', version: 2 }), named({ merchant: 'other', version: 3 })]
    expect(await save(store, { expected: null, next: 'w1', registrations: saved })).toEqual({ kind: 'saved' })
    expect(await load(store, [named({ merchant: 'unknown' }), ...saved.toReversed()])).toMatchObject({
      watermark: 'w1',
      registrations: [null, ...saved.toReversed().map(({ stored }) => stored)],
    })
    expect(await store.load({ partition: 4, registrations: [named({}).registration] })).toMatchObject({
      watermark: null,
      registrations: [null],
    })
  })

  test('a save that expects another watermark is fenced and changes nothing', async () => {
    const store = await open()
    await save(store, { expected: null, next: 'w1', registrations: [named({})] })
    for (const expected of [null, 'w0', 'w11']) {
      const late = await save(store, {
        expected,
        next: 'w2',
        registrations: [named({ version: 9 })],
        removed: [named({ store: 's' }).registration],
        attention: [{ kind: 'pending', registration: named({}).registration, sinceMs: 1 }],
        counted: { countedFrom: '0', countedThrough: '0', counts: noCounts },
      })
      expect(late).toEqual({ kind: 'fenced', watermark: 'w1' })
    }
    expect(await load(store, [named({})])).toEqual({
      watermark: 'w1',
      countedThrough: null,
      registrations: [named({}).stored],
    })
    expect((await listed(store, 'pending')).entries).toEqual([])
  })

  test('the books add up and keep where they began', async () => {
    const store = await open()
    const first = { countedFrom: '5', countedThrough: '7', counts: { ...noCounts, applied: 2, stale: 1 } }
    const second = { countedFrom: '8', countedThrough: '8', counts: { ...noCounts, applied: 1 } }
    await save(store, { expected: null, next: 'w1', counted: first })
    await save(store, { expected: 'w1', next: 'w2', counted: second })
    await save(store, { expected: 'w2', next: 'w3', counted: null })
    expect(await store.readBooks({ partition })).toEqual({
      countedFrom: '5',
      countedThrough: '8',
      counts: { ...noCounts, applied: 3, stale: 1 },
    })
    expect((await load(store)).countedThrough).toBe('8')
  })

  test('what is removed is gone, and a removed one that was never there is no matter', async () => {
    const store = await open()
    await save(store, { expected: null, next: 'w1', registrations: [named({}), named({ store: 's' })] })
    const removed = [named({}).registration, named({ store: 'never' }).registration]
    await save(store, { expected: 'w1', next: 'w2', removed })
    expect((await load(store, [named({}), named({ store: 's' })])).registrations).toEqual([
      null,
      named({ store: 's' }).stored,
    ])
  })

  test('attention is listed by kind, the oldest first, and what is over is not', async () => {
    const store = await open()
    const [a, b, c] = ['a', 'b', 'c'].map((id) => named({ store: id }).registration)
    if (a === undefined || b === undefined || c === undefined) return
    await save(store, {
      expected: null,
      next: 'w1',
      attention: [
        { kind: 'pending', registration: b, sinceMs: 10 },
        { kind: 'pending', registration: a, sinceMs: 20 },
        { kind: 'pending', registration: c, sinceMs: 10 },
        { kind: 'doubtful', registration: c, sinceMs: 5 },
      ],
    })
    const page = (limit: number, after: Parameters<Store['listAttention']>[0]['after'], untilMs = 100) =>
      store.listAttention({ partition, kind: 'pending', untilMs, limit, after })
    const first = await page(2, null)
    expect(first.entries).toEqual([
      { registration: b, sinceMs: 10 },
      { registration: c, sinceMs: 10 },
    ])
    expect(await page(2, first.next)).toEqual({ entries: [{ registration: a, sinceMs: 20 }], next: null })
    expect((await page(10, null, 20)).entries).toHaveLength(2)

    const moves = [
      { kind: 'pending', registration: b, sinceMs: null },
      { kind: 'pending', registration: c, sinceMs: 30 },
    ] as const
    await save(store, { expected: 'w1', next: 'w2', attention: moves })
    expect((await page(10, null)).entries).toEqual([
      { registration: a, sinceMs: 20 },
      { registration: c, sinceMs: 30 },
    ])
  })

  test('a rebuild fences whoever worked on the view, and makes it anew', async () => {
    const store = await open()
    const old = Array.from({ length: 7 }, (_, index) => named({ merchant: `m${index}` }))
    await save(store, {
      expected: null,
      next: 'w1',
      registrations: old,
      attention: [{ kind: 'pending', registration: named({}).registration, sinceMs: 1 }],
      counted: { countedFrom: '0', countedThrough: '6', counts: { ...noCounts, applied: 7 } },
    })
    expect(await store.beginRebuild({ partition, expected: 'w0', marker })).toEqual({
      kind: 'fenced',
      watermark: 'w1',
    })
    expect(await store.beginRebuild({ partition, expected: 'w1', marker })).toEqual({ kind: 'begun' })
    expect(await save(store, { expected: 'w1', next: 'w2' })).toEqual({ kind: 'fenced', watermark: marker })
    expect(await store.readBooks({ partition })).toBeNull()
    expect((await listed(store, 'pending')).entries).toEqual([])

    const cleared = await clearAll(store)
    expect((await load(store, old)).registrations).toEqual(old.map(() => null))
    const batch = { registrations: [named({ version: 4 })], removed: [], attention: [] }
    const restored = nextMarker(cleared)
    expect(await store.restore({ partition, marker: cleared, ...batch })).toEqual({ kind: 'saved' })
    expect(await store.finishRebuild({ partition, marker: restored, next: 'w9' })).toEqual({ kind: 'saved' })
    expect(await load(store, [named({})])).toEqual({
      watermark: 'w9',
      countedThrough: null,
      registrations: [named({ version: 4 }).stored],
    })
  })

  test('a rebuild that another one has overtaken is fenced in each of its steps', async () => {
    const store = await open()
    await store.beginRebuild({ partition, expected: null, marker })
    await store.beginRebuild({ partition, expected: marker, marker: otherMarker })
    const fenced = { kind: 'fenced', watermark: otherMarker }
    const batch = { registrations: [named({})], removed: [], attention: [] }
    expect(await store.clear({ partition, marker, cursor: null })).toEqual(fenced)
    expect(await store.restore({ partition, marker, ...batch })).toEqual(fenced)
    expect(await store.finishRebuild({ partition, marker, next: 'w1' })).toEqual(fenced)
    expect((await load(store, [named({})])).registrations).toEqual([null])
  })

  test('a rebuild of which a step was lost is fenced in the next one', async () => {
    const store = await open()
    await store.beginRebuild({ partition, expected: null, marker })
    const at = await clearAll(store)
    const batch = { registrations: [named({})], removed: [], attention: [] }
    // What is left of a view that has lost its tail.
    await store.setWatermark({ partition, expected: at, next: marker })
    const fenced = { kind: 'fenced', watermark: marker }
    expect(await store.clear({ partition, marker: at, cursor: null })).toEqual(fenced)
    expect(await store.restore({ partition, marker: at, ...batch })).toEqual(fenced)
    expect(await store.finishRebuild({ partition, marker: at, next: 'w1' })).toEqual(fenced)
    expect((await load(store, [named({})])).registrations).toEqual([null])
  })

  test('an operator replaces the watermark that he has seen, and no other', async () => {
    const store = await open()
    await save(store, { expected: null, next: 'w5' })
    expect(await store.setWatermark({ partition, expected: 'w4', next: 'w1' })).toEqual({
      kind: 'fenced',
      watermark: 'w5',
    })
    expect(await store.setWatermark({ partition, expected: 'w5', next: 'w1' })).toEqual({ kind: 'saved' })
    expect(await store.readWatermark({ partition })).toBe('w1')
    expect(await store.setWatermark({ partition, expected: 'w1', next: null })).toEqual({ kind: 'saved' })
    expect(await store.readWatermark({ partition })).toBeNull()
  })

  test('the registrations of a merchant are read page by page, and whether the view is complete', async () => {
    const store = await open()
    const all = [named({}), named({ store: 'a' }), named({ store: 'b' })]
    const ask = { partition, merchant, cursor: null, limit: 2 }
    expect(await store.read(ask)).toEqual({ registrations: [], next: null, complete: false })
    await save(store, { expected: null, next: 'w1', registrations: [...all, named({ merchant: 'x' })] })
    const first = await store.read(ask)
    expect(first).toMatchObject({ registrations: all.slice(0, 2), complete: true })
    expect(await store.read({ ...ask, cursor: first.next })).toEqual({
      registrations: all.slice(2),
      next: null,
      complete: true,
    })
    expect(await store.read({ ...ask, store: 'a' })).toMatchObject({ registrations: all.slice(1, 2) })
    await store.beginRebuild({ partition, expected: 'w1', marker })
    expect((await store.read(ask)).complete).toBe(false)
  })
}

/** Gives the marker for the next step. */
async function clearAll(store: Store): Promise<string> {
  let at = marker
  let cursor: string | null = null
  do {
    const cleared: Awaited<ReturnType<Store['clear']>> = await store.clear({ partition, marker: at, cursor })
    assert(cleared.kind === 'cleared')
    expect(cleared.marker).toBe(nextMarker(at))
    at = cleared.marker
    cursor = cleared.next
  } while (cursor !== null)
  return at
}
