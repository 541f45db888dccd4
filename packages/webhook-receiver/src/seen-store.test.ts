import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { createSqliteSeenStore } from '../examples/sqlite-store.ts'
import { createMemorySeenStore, type SeenStore } from './seen-store.ts'

let nowMs = 0
const now = () => nowMs

const stores: [string, () => SeenStore][] = [
  ['memory', () => createMemorySeenStore({ now })],
  ['sqlite', () => createSqliteSeenStore(new DatabaseSync(':memory:'), now)],
]
const leaseMs = 1_000
const one = { subject: 's', id: 'i-1', holder: 'h-1' }
const two = { subject: 's', id: 'i-2', holder: 'h-2' }
const again = { ...one, holder: 'h-3' }

test.each(stores)('%s: of several that claim a subject at once one has it', async (_, create) => {
  const seen = create()
  const claims = await Promise.all([one, two, again].map((claim) => seen.claim({ ...claim, leaseMs })))
  expect(claims.map(({ kind }) => kind).toSorted()).toEqual(['busy', 'busy', 'claimed'])
  expect(await seen.claim({ ...one, subject: 'other', id: 'i-9', leaseMs })).toMatchObject({
    kind: 'claimed',
  })
})

test.each(stores)('%s: what is confirmed is a repeat, and its versions are known', async (_, create) => {
  const seen = create()
  expect(await seen.claim({ ...one, leaseMs })).toEqual({ kind: 'claimed', known: new Map() })
  await seen.confirm({
    ...one,
    versions: new Map([
      ['', 3],
      ['a', 3],
    ]),
  })
  expect(await seen.claim({ ...again, leaseMs })).toEqual({ kind: 'repeat' })
  expect(await seen.claim({ ...two, leaseMs })).toEqual({
    kind: 'claimed',
    known: new Map([
      ['', 3],
      ['a', 3],
    ]),
  })
  await seen.confirm({
    ...two,
    versions: new Map([
      ['', 2],
      ['b', 2],
    ]),
  })
  const known = new Map([
    ['', 3],
    ['a', 3],
    ['b', 2],
  ])
  expect(await seen.claim({ ...two, id: 'i-3', leaseMs })).toEqual({ kind: 'claimed', known })
})

test.each(stores)('%s: what is released is handed out again at once', async (_, create) => {
  const seen = create()
  await seen.claim({ ...one, leaseMs })
  await seen.release(one)
  expect(await seen.claim({ ...again, leaseMs })).toMatchObject({ kind: 'claimed' })
})

test.each(stores)('%s: a claim of one that died ends with its lease, not before', async (_, create) => {
  const seen = create()
  nowMs = 0
  await seen.claim({ ...one, leaseMs })
  nowMs = leaseMs - 1
  expect(await seen.claim({ ...again, leaseMs })).toMatchObject({ kind: 'busy' })
  nowMs = leaseMs
  expect(await seen.claim({ ...again, leaseMs })).toMatchObject({ kind: 'claimed' })
})

test.each(stores)('%s: one whose lease has ended takes nothing from the next', async (_, create) => {
  const seen = create()
  nowMs = 0
  await seen.claim({ ...one, leaseMs })
  nowMs = leaseMs
  await seen.claim({ ...two, leaseMs })
  await seen.release(one)
  expect(await seen.claim({ ...again, leaseMs })).toMatchObject({ kind: 'busy' })
  // Its work is done nevertheless.
  await seen.confirm({ ...one, versions: new Map([['', 1]]) })
  expect((await seen.claim({ ...again, leaseMs })).kind).toBe('repeat')
  expect(await seen.claim({ ...two, id: 'i-3', leaseMs })).toMatchObject({ kind: 'busy' })
})

test('memory keeps the latest and no more', async () => {
  const seen = createMemorySeenStore({ capacity: 2, now })
  for (const n of [1, 2, 3]) {
    const claim = { subject: `s-${n}`, id: `i-${n}`, holder: 'h' }
    await seen.claim({ ...claim, leaseMs })
    await seen.confirm({ ...claim, versions: new Map([['', n]]) })
  }
  expect(await seen.claim({ subject: 's-3', id: 'i-3', holder: 'h', leaseMs })).toEqual({ kind: 'repeat' })
  const known = new Map([['', 2]])
  expect(await seen.claim({ subject: 's-2', id: 'i-9', holder: 'h', leaseMs })).toEqual({
    kind: 'claimed',
    known,
  })
  expect(await seen.claim({ subject: 's-1', id: 'i-1', holder: 'h', leaseMs })).toEqual({
    kind: 'claimed',
    known: new Map(),
  })
})
