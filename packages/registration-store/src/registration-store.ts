import assert from 'node:assert/strict'
import type { RegistrationRef } from '@signalbox/contracts/keys'
import { type LinkLog, messageOf, openRedisLink, type RedisLink } from '@signalbox/redis-link/redis-link'
import { z } from 'zod'
import { fieldOf, keysOf, type Merchant, storeOf } from './keys.ts'

import { loadScript, saveScript } from './script.ts'
import { packStored, type StoredRegistration, unpackStored } from './stored-registration.ts'

export type { StoredRegistration } from './stored-registration.ts'

const outcomes = ['applied', 'flagged', 'repeated', 'stale', 'quarantined'] as const

/** How many raw records had each outcome. */
export type OutcomeCounts = Record<(typeof outcomes)[number], number>

/** What the raw records of a partition came to: Σ counts = the records from `countedFrom` through `countedThrough`. */
export type Books = { countedFrom: string; countedThrough: string; counts: OutcomeCounts }

export type NamedRegistration = { registration: RegistrationRef; stored: StoredRegistration }

/**
 * The view of all registrations in Redis, by partition of the raw topic. Watermark, registrations and books of a
 * partition change together in one script, so whatever Redis loses, it loses as a clean suffix. Every function throws
 * when Redis does not do its part in time; what was asked may still happen then.
 */
export type RegistrationStore = AsyncDisposable & {
  /** The watermark, the last offset in the books and the registrations, all as of one moment; null: not there. */
  load(of: { partition: number; registrations: readonly RegistrationRef[] }): Promise<{
    watermark: string | null
    countedThrough: string | null
    registrations: (StoredRegistration | null)[]
  }>
  /**
   * Writes the registrations (each at most once), the watermark and the books, or nothing when the watermark is not
   * the expected one. `counted` is null when the books have these records already.
   */
  save(chunk: {
    partition: number
    expected: string | null
    next: string
    registrations: readonly NamedRegistration[]
    counted: Books | null
  }): Promise<{ kind: 'saved' } | { kind: 'fenced'; watermark: string | null }>
  /**
   * The registrations of a merchant in the order of their encoded store ids, the one without store first. Without
   * `store` all of them, `limit` at a time: `next` is the cursor of the following page, null at the end.
   */
  read(of: {
    partition: number
    merchant: Merchant
    store?: string | null
    cursor: string | null
    limit: number
  }): Promise<{ registrations: NamedRegistration[]; next: string | null }>
  /** The books of a partition; null before anything was counted. */
  readBooks(of: { partition: number }): Promise<Books | null>
  /** Calls back after each reconnect to a Redis that is not the same run as before: what it held may be gone. */
  onNewRun: (callback: () => void) => void
} & Pick<RedisLink, 'ping'>

/** A script holds up every other client of Redis, so it stays small. */
const maxRegistrationsPerCall = 1_000

const loadReply = z.tuple([z.string().nullable(), z.string().nullable()], z.string().nullable())
const saveReply = z.tuple([z.enum(['OK', 'FENCED']), z.string()])
const count = z.coerce.number().int().default(0)
const booksReply = z.object({
  countedFrom: z.string(),
  countedThrough: z.string(),
  applied: count,
  flagged: count,
  repeated: count,
  stale: count,
  quarantined: count,
})

/**
 * Opens the view. It reconnects by itself.
 *
 * @throws an Error for the operator when Redis cannot be reached within `openDeadlineMs` or may evict keys
 */
export async function openRegistrationStore(options: {
  url: string
  keyPrefix: string
  log: LinkLog
  openDeadlineMs?: number
}): Promise<RegistrationStore> {
  const { keyPrefix: prefix } = options
  const link = await openRedisLink({ ...options, variable: 'REDIS_URL' })
  const { redis } = link

  return {
    async load({ partition, registrations }) {
      assert(registrations.length <= maxRegistrationsPerCall, 'too many registrations for one script')
      const keys = keysOf({ prefix, partition })
      const reply = await asked('load registrations', () =>
        loadScript(redis, {
          keys: [keys.watermark, keys.books, ...registrations.map((ref) => keys.merchant(ref))],
          args: registrations.map((ref) => fieldOf(ref.referenceStoreId)),
        }),
      )
      const [watermark, countedThrough, ...texts] = loadReply.parse(reply)
      return {
        watermark,
        countedThrough,
        registrations: texts.map((text) => (text === null ? null : unpackStored(text))),
      }
    },

    async save({ partition, expected, next, registrations, counted }) {
      assert(registrations.length <= maxRegistrationsPerCall, 'too many registrations for one script')
      assert(next !== '', 'a watermark is not empty')
      const keys = keysOf({ prefix, partition })
      const reply = await asked('save registrations', () =>
        saveScript(redis, {
          keys: [
            keys.watermark,
            keys.books,
            ...registrations.map(({ registration }) => keys.merchant(registration)),
          ],
          args: [
            expected ?? '',
            next,
            counted?.countedFrom ?? '',
            counted?.countedThrough ?? '',
            ...outcomes.flatMap((outcome) => [outcome, String(counted?.counts[outcome] ?? 0)]),
            ...registrations.flatMap(({ registration, stored }) => [
              fieldOf(registration.referenceStoreId),
              packStored(stored),
            ]),
          ],
        }),
      )
      const [answer, watermark] = saveReply.parse(reply)
      if (answer === 'OK') return { kind: 'saved' }
      return { kind: 'fenced', watermark: watermark === '' ? null : watermark }
    },

    async read({ partition, merchant, store, cursor, limit }) {
      const key = keysOf({ prefix, partition }).merchant(merchant)
      const fields =
        store === undefined ? await asked('list stores', () => redis.hkeys(key)) : [fieldOf(store)]
      const following = fields.filter((field) => cursor === null || field > cursor).toSorted()
      const page = following.slice(0, limit)
      if (page.length === 0) return { registrations: [], next: null }
      const texts = await asked('read registrations', () => redis.hmget(key, ...page))
      return {
        registrations: page.flatMap((field, index) => {
          const text = texts[index] ?? null
          return text === null ? [] : [named(merchant, field, text)]
        }),
        next: following.length > page.length ? (page.at(-1) ?? null) : null,
      }
    },

    async readBooks({ partition }) {
      const reply = await asked('read the books', () => redis.hgetall(keysOf({ prefix, partition }).books))
      if (Object.keys(reply).length === 0) return null
      const { countedFrom, countedThrough, ...counts } = booksReply.parse(reply)
      return { countedFrom, countedThrough, counts }
    },

    ping: link.ping,
    onNewRun: (callback) =>
      link.onReconnect(({ isNewRun }) => {
        if (isNewRun) callback()
      }),
    [Symbol.asyncDispose]: () => link[Symbol.asyncDispose](),
  }
}

function named(merchant: Merchant, field: string, text: string): NamedRegistration {
  const { clientId, referenceMerchantId } = merchant
  return {
    registration: { clientId, referenceMerchantId, referenceStoreId: storeOf(field) },
    stored: unpackStored(text),
  }
}

/** Says what Redis did not do; its own errors name neither. */
async function asked<T>(what: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (cause) {
    throw new Error(`Redis does not ${what}: ${messageOf(cause)}`, { cause })
  }
}
