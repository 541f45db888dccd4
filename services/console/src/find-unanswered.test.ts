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

test('what is younger than asked for is left out', async () => {
  const store = createStore([unanswered(0), unanswered(30)])
  const query = { clientId: 'C1', untilMs: 5, limit: 10, after: null }
  expect(await findUnanswered({ store, partitions }, query)).toEqual({
    unanswered: [unanswered(0)],
    next: null,
  })
})

test.each(['', '5', '5.', 'x.C1/M1/', '.C1/M1/'])('"%s" is no cursor', (text) => {
  expect(parseCursor(text)).toBeNull()
})
