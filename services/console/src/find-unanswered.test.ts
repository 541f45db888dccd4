import { registrationKey } from '@signalbox/contracts/keys'
import type { RegistrationStore } from '@signalbox/registration-store/registration-store'
import { expect, test } from 'vitest'
import { cursorText, findUnanswered, parseCursor, type Unanswered } from './find-unanswered.ts'

const partitions = 3

/** A list of the store in memory, in its order: by time, then key. */
function createStore(
  entries: readonly Unanswered[],
  pageLimit = 500,
): Pick<RegistrationStore, 'listAttention'> {
  return {
    async listAttention({ partition, untilMs, limit, after }) {
      const following = entries
        .filter((_, index) => index % partitions === partition)
        .filter(({ sinceMs }) => sinceMs <= untilMs)
        .map((entry) => ({ ...entry, key: registrationKey(entry.registration) }))
        .toSorted((a, b) => a.sinceMs - b.sinceMs || (a.key < b.key ? -1 : 1))
        .filter(
          ({ sinceMs, key }) =>
            after === null || sinceMs > after.sinceMs || (sinceMs === after.sinceMs && key > after.key),
        )
      const page = following.slice(0, Math.min(limit, pageLimit))
      const last = page.at(-1)
      const next =
        following.length > page.length && last !== undefined ? { sinceMs: last.sinceMs, key: last.key } : null
      return { entries: page.map(({ registration, sinceMs }) => ({ registration, sinceMs })), next }
    },
  }
}

/** The same for many entries, which it sorts once. */
function createSortedStore(entries: readonly Unanswered[]): Pick<RegistrationStore, 'listAttention'> {
  const lists = Array.from({ length: partitions }, (_, partition) =>
    entries
      .filter((_, index) => index % partitions === partition)
      .map((entry) => ({ ...entry, key: registrationKey(entry.registration) }))
      .toSorted((a, b) => a.sinceMs - b.sinceMs || (a.key < b.key ? -1 : 1)),
  )
  return {
    async listAttention({ partition, untilMs, limit, after }) {
      const all = lists[partition] ?? []
      const from = all.findIndex(
        ({ sinceMs, key }) =>
          after === null || sinceMs > after.sinceMs || (sinceMs === after.sinceMs && key > after.key),
      )
      const following = from === -1 ? [] : all.slice(from).filter(({ sinceMs }) => sinceMs < untilMs)
      const page = following.slice(0, limit)
      const last = page.at(-1)
      return {
        entries: page.map(({ registration, sinceMs }) => ({ registration, sinceMs })),
        next:
          following.length > page.length && last !== undefined
            ? { sinceMs: last.sinceMs, key: last.key }
            : null,
      }
    },
  }
}

const unanswered = (number: number, clientId = 'C1'): Unanswered => ({
  registration: { clientId, referenceMerchantId: `M ${number}`, referenceStoreId: null },
  // Three of each time, so that the key has to decide.
  sinceMs: Math.floor(number / 3),
})

async function readAll(store: Pick<RegistrationStore, 'listAttention'>, limit: number) {
  const seen: string[] = []
  let after: ReturnType<typeof parseCursor> = null
  for (let page = 0; page < 10_000; page++) {
    const query = { clientId: 'C1', untilMs: 1_000_000, limit, after }
    const found: Awaited<ReturnType<typeof findUnanswered>> = await findUnanswered(
      { store, partitions },
      query,
    )
    expect(found.unanswered.length).toBeLessThanOrEqual(limit)
    seen.push(...found.unanswered.map(({ registration }) => registration.referenceMerchantId))
    if (found.next === null) return seen
    after = parseCursor(cursorText(found.next))
  }
  throw new Error('the pages do not end')
}

test.each([1, 7, 100])('in pages of %i everything comes once, the longest first', async (limit) => {
  const entries = Array.from({ length: 50 }, (_, number) => unanswered(number)).toReversed()
  const inOrder = entries
    .toSorted(
      (a, b) =>
        a.sinceMs - b.sinceMs || (registrationKey(a.registration) < registrationKey(b.registration) ? -1 : 1),
    )
    .map(({ registration }) => registration.referenceMerchantId)
  expect(await readAll(createStore(entries), limit)).toEqual(inOrder)
})

test('among those of many others none is left out', async () => {
  const entries = Array.from({ length: 3_000 }, (_, number) =>
    unanswered(number, number % 97 === 0 ? 'C1' : 'C2'),
  )
  const mine = entries.filter(({ registration }) => registration.clientId === 'C1')
  expect((await readAll(createStore(entries, 20), 5)).toSorted()).toEqual(
    mine.map(({ registration }) => registration.referenceMerchantId).toSorted(),
  )
})

/** Every cursor that a client gets when it goes through the list, as it gets it. */
async function cursorsOf(store: Pick<RegistrationStore, 'listAttention'>, clientId: string) {
  const cursors: string[] = []
  const seen: string[] = []
  let after: ReturnType<typeof parseCursor> = null
  do {
    const query = { clientId, untilMs: 1_000_000, limit: 10, after }
    const found: Awaited<ReturnType<typeof findUnanswered>> = await findUnanswered(
      { store, partitions },
      query,
    )
    seen.push(...found.unanswered.map(({ registration }) => registration.referenceMerchantId))
    const text = found.next === null ? null : cursorText(found.next)
    if (text !== null) cursors.push(text)
    if (cursors.length > 1_000) throw new Error('the pages do not end')
    after = text === null ? null : parseCursor(text)
  } while (after !== null)
  return { cursors, seen }
}

test.each([
  ['at times of their own', (number: number) => number],
  ['all of one time', () => 7],
  ['some at a time', (number: number) => Math.floor(number / 1_000)],
])('with thousands of others between, %s, no cursor holds anything of theirs', async (_, timeOf) => {
  // Before and after the client's in the order of keys, and one that begins like it.
  const others = ['A0', 'C', 'C1-', 'C10', 'Z9']
  const entries = Array.from({ length: 40_000 }, (_, number) => ({
    registration: {
      clientId: number % 5_000 === 4_999 ? 'C1' : (others[number % others.length] ?? ''),
      referenceMerchantId: `${number % 5_000 === 4_999 ? 'MINE' : 'THEIRS'}-${number}`,
      referenceStoreId: null,
    },
    sinceMs: timeOf(number),
  }))
  const store = createSortedStore(entries)
  const { cursors, seen } = await cursorsOf(store, 'C1')
  expect(seen.toSorted()).toEqual(
    Array.from({ length: 8 }, (_, index) => `MINE-${index * 5_000 + 4_999}`).toSorted(),
  )
  expect(cursors.length).toBeGreaterThan(1)
  for (const cursor of cursors) expect(cursor).toMatch(/^[0-9]+\.(MINE-[0-9]+\/)?$/)
})

test('a cursor that somebody made up leads to nothing of others', async () => {
  const entries = Array.from({ length: 5_000 }, (_, number) =>
    unanswered(number, number % 1_000 === 0 ? 'C1' : 'C2'),
  )
  const store = createSortedStore(entries)
  for (const text of ['0.', '5.C2/M%205/', '900.\x7f', '900.../C2/M%20900/', '1666.']) {
    const after = parseCursor(text)
    const found = await findUnanswered(
      { store, partitions },
      { clientId: 'C1', untilMs: 1_000_000, limit: 1, after },
    )
    expect(found.unanswered.map(({ registration }) => registration.clientId)).not.toContain('C2')
    expect(found.next === null ? '0.' : cursorText(found.next)).toMatch(/^[0-9]+\.(M%20(0|[0-9]000)\/)?$/)
  }
})

test('what is younger than asked for is left out', async () => {
  const store = createStore([unanswered(0), unanswered(30)])
  const query = { clientId: 'C1', untilMs: 5, limit: 10, after: null }
  expect(await findUnanswered({ store, partitions }, query)).toEqual({
    unanswered: [unanswered(0)],
    next: null,
  })
})

test.each(['', '5', 'x.M1/', '.M1/', '-1.M1/'])('"%s" is no cursor', (text) => {
  expect(parseCursor(text)).toBeNull()
})
