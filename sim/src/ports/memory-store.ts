import assert from 'node:assert/strict'
import { registrationKey } from '@signalbox/contracts/keys'
import type {
  AttentionKind,
  AttentionMove,
  Books,
  NamedRegistration,
  RegistrationStore,
} from '@signalbox/registration-store/registration-store'
import { unpackStored } from '@signalbox/registration-store/stored-registration'
import { isRebuildMarker, nextMarker } from '@signalbox/registration-store/watermark'
import type { Ask } from '../scheduler.ts'
import { createHistory } from './history.ts'

type Attention = Pick<AttentionMove, 'kind' | 'registration'> & { sinceMs: number }

/** The view of one partition; never changed, only replaced. */
export type PartitionView = {
  watermark: string | null
  books: Books | null
  registrations: ReadonlyMap<string, NamedRegistration>
  /** By kind and registration key. */
  attention: ReadonlyMap<string, Attention>
}

const emptyView: PartitionView = {
  watermark: null,
  books: null,
  registrations: new Map(),
  attention: new Map(),
}

/** What the state Redis holds: a view per partition. */
export const createStateRedis = () => createHistory<ReadonlyMap<number, PartitionView>>(new Map())

export type StateRedis = ReturnType<typeof createStateRedis>

/** The view of all registrations, in memory. Each call is one script: it happens in one piece or not at all. */
export function createMemoryStore(options: {
  redis: StateRedis
  ask: Ask
  /** No more come from one load, as if each of them were large. */
  mostPerLoad?: number
  /** How many one `clear` removes. */
  mostPerClear?: number
  /** A rebuild has put something into this partition. */
  restored?: (partition: number) => void
}): Omit<RegistrationStore, 'onNewRun' | 'ping' | typeof Symbol.asyncDispose> {
  const { redis, ask, mostPerLoad = Number.POSITIVE_INFINITY, mostPerClear = 2, restored } = options
  const viewOf = (partition: number) => redis.now().get(partition) ?? emptyView

  function read<T>(partition: number, what: string, script: (view: PartitionView) => T): Promise<T> {
    return ask({ system: 'state redis', what }, () => script(viewOf(partition)))
  }

  function replace(partition: number, view: PartitionView): void {
    redis.set(new Map(redis.now()).set(partition, view))
  }

  /** Compares the watermark, then replaces the view. */
  function write(
    of: { partition: number; expected: string | null },
    what: string,
    change: (view: PartitionView) => PartitionView,
  ) {
    return ask({ system: 'state redis', what, writes: true }, () => {
      const view = viewOf(of.partition)
      if (view.watermark !== of.expected) return { kind: 'fenced' as const, watermark: view.watermark }
      replace(of.partition, change(view))
      return { kind: 'saved' as const }
    })
  }

  return {
    load: ({ partition, registrations }) =>
      read(partition, 'load', (view) => ({
        watermark: view.watermark,
        countedThrough: view.books?.countedThrough ?? null,
        registrations: registrations
          .slice(0, mostPerLoad)
          .map((ref) => view.registrations.get(registrationKey(ref))?.stored ?? null),
      })),

    save({ next, counted, ...chunk }) {
      assert(next !== '', 'a watermark is not empty')
      return write(chunk, 'save', (view) => ({
        ...changed(view, chunk),
        watermark: next,
        books: counted === null ? view.books : sumOf(view.books, counted),
      }))
    },

    async beginRebuild({ marker, ...of }) {
      const begun = await write(of, 'begin the rebuild', (view) => ({
        ...view,
        watermark: marker,
        books: null,
        attention: new Map(),
      }))
      return begun.kind === 'saved' ? { kind: 'begun' } : begun
    },

    clear: ({ partition, marker: expected }) =>
      ask({ system: 'state redis', what: 'clear', writes: true }, () => {
        const view = viewOf(partition)
        if (view.watermark !== expected) return { kind: 'fenced', watermark: view.watermark }
        const registrations = new Map([...view.registrations].slice(mostPerClear))
        const marker = nextMarker(expected)
        replace(partition, { ...view, registrations, watermark: marker })
        return { kind: 'cleared', marker, next: registrations.size > 0 ? 'more' : null }
      }),

    restore: ({ partition, marker: expected, ...batch }) =>
      write({ partition, expected }, 'restore', (view) => {
        restored?.(partition)
        return { ...changed(view, batch), watermark: nextMarker(expected) }
      }),

    finishRebuild: ({ partition, marker, next }) =>
      write({ partition, expected: marker }, 'finish the rebuild', (view) => ({ ...view, watermark: next })),

    setWatermark: ({ next, ...of }) =>
      write(of, 'set the watermark', (view) => ({ ...view, watermark: next })),

    readWatermark: ({ partition }) => read(partition, 'read the watermark', ({ watermark }) => watermark),

    readBooks: ({ partition }) => read(partition, 'read the books', ({ books }) => books),

    read: ({ partition, merchant, store, cursor, limit }) =>
      read(partition, 'read', (view) => {
        const found = [...view.registrations.values()]
          .filter(
            ({ registration }) =>
              registration.clientId === merchant.clientId &&
              registration.referenceMerchantId === merchant.referenceMerchantId &&
              (store === undefined || registration.referenceStoreId === store),
          )
          .map((named) => ({ named, key: registrationKey(named.registration) }))
          .filter(({ key }) => cursor === null || key > cursor)
          .toSorted((left, right) => (left.key < right.key ? -1 : 1))
        const page = found.slice(0, limit)
        return {
          registrations: page.map(({ named }) => named),
          next: found.length > page.length ? (page.at(-1)?.key ?? null) : null,
          complete: view.watermark !== null && !isRebuildMarker(view.watermark),
        }
      }),

    listAttention: ({ partition, kind, untilMs, limit, after }) =>
      read(partition, 'list attention', (view) => {
        const listed = [...view.attention.values()]
          .filter((one) => one.kind === kind && one.sinceMs < untilMs)
          .map(({ registration, sinceMs }) => ({ registration, sinceMs, key: registrationKey(registration) }))
          .toSorted((left, right) => left.sinceMs - right.sinceMs || (left.key < right.key ? -1 : 1))
          .filter(
            ({ sinceMs, key }) =>
              after === null || sinceMs > after.sinceMs || (sinceMs === after.sinceMs && key > after.key),
          )
        const page = listed.slice(0, limit)
        const last = listed.length > limit ? page.at(-1) : undefined
        return {
          entries: page.map(({ registration, sinceMs }) => ({ registration, sinceMs })),
          next: last === undefined ? null : { sinceMs: last.sinceMs, key: last.key },
        }
      }),
  }
}

type Batch = Pick<Parameters<RegistrationStore['restore']>[0], 'registrations' | 'removed' | 'attention'>

function changed(view: PartitionView, { registrations, removed, attention }: Batch): PartitionView {
  const known = new Map(view.registrations)
  for (const written of registrations) {
    const { registration } = written
    const stored = 'packed' in written ? unpackStored(written.packed) : written.stored
    known.set(registrationKey(registration), { registration, stored })
  }
  for (const registration of removed) known.delete(registrationKey(registration))
  const listed = new Map(view.attention)
  for (const { kind, registration, sinceMs } of attention) {
    const place = placeOf({ kind, registration })
    if (sinceMs === null) listed.delete(place)
    else listed.set(place, { kind, registration, sinceMs })
  }
  return { ...view, registrations: known, attention: listed }
}

function placeOf({ kind, registration }: Pick<Attention, 'kind' | 'registration'>): string {
  return `${kind satisfies AttentionKind} ${registrationKey(registration)}`
}

function sumOf(books: Books | null, { countedFrom, countedThrough, counts }: Books): Books {
  if (books === null) return { countedFrom, countedThrough, counts }
  return {
    countedFrom: books.countedFrom,
    countedThrough,
    counts: {
      applied: books.counts.applied + counts.applied,
      flagged: books.counts.flagged + counts.flagged,
      repeated: books.counts.repeated + counts.repeated,
      stale: books.counts.stale + counts.stale,
      quarantined: books.counts.quarantined + counts.quarantined,
    },
  }
}
