import assert from 'node:assert/strict'
import { parseRegistrationKey, registrationKey, type RegistrationRef } from '@signalbox/contracts/keys'
import { type LinkLog, messageOf, openRedisLink, type RedisLink } from '@signalbox/redis-link/redis-link'
import type { ChainableCommander, Redis } from 'ioredis'
import { z } from 'zod'
import { type AttentionKind, attentionKinds, createKeys, fieldOf, type Merchant, storeOf } from './keys.ts'
import { loadScript, replaceScript, saveScript } from './script.ts'
import { packStored, type StoredRegistration, unpackStored } from './stored-registration.ts'
import { isRebuildMarker, nextMarker } from './watermark.ts'

export { type AttentionKind, attentionKinds } from './keys.ts'
export type { StoredRegistration } from './stored-registration.ts'

const outcomes = ['applied', 'flagged', 'repeated', 'stale', 'quarantined'] as const

/** How many raw records had each outcome. */
export type OutcomeCounts = Record<(typeof outcomes)[number], number>

/** What the raw records of a partition came to: Σ counts = the records from `countedFrom` through `countedThrough`. */
export type Books = { countedFrom: string; countedThrough: string; counts: OutcomeCounts }

export type NamedRegistration = { registration: RegistrationRef; stored: StoredRegistration }

/** What is to be written of a registration: itself, or the text of it that was made already. */
export type WrittenRegistration = NamedRegistration | PackedRegistration
export type PackedRegistration = { registration: RegistrationRef; packed: string }

/** Since when a registration is on a list, epoch milliseconds; null: it leaves the list. */
export type AttentionMove = { kind: AttentionKind; registration: RegistrationRef; sinceMs: number | null }

/** Where a page of a list ended. */
export type AttentionCursor = { sinceMs: number; key: string }

export type Saved = { kind: 'saved' } | Fenced
/** The watermark was not the one expected, and nothing was written. */
export type Fenced = { kind: 'fenced'; watermark: string | null }

/**
 * The view of all registrations in Redis, by partition of the raw topic. Watermark, registrations and books of a
 * partition change together in one script, so whatever Redis loses, it loses as a clean suffix. Every function throws
 * an Error when Redis does not do its part in time; what was asked may still happen then.
 */
export type RegistrationStore = AsyncDisposable & {
  /**
   * The watermark, the last offset in the books and the registrations, all as of one moment; null: not there. Where
   * what was asked for is large, only the first of the registrations come, at least one.
   *
   * @throws DamagedView when one of them cannot be read; AssertionError when a later build has written one
   */
  load(of: { partition: number; registrations: readonly RegistrationRef[] }): Promise<{
    watermark: string | null
    countedThrough: string | null
    registrations: (StoredRegistration | null)[]
  }>
  /**
   * Writes the registrations (each at most once), removes others, moves attention, and writes the watermark and the
   * books, or does nothing when the watermark is not the one expected. `counted` is null when the books have these
   * records already.
   */
  save(chunk: {
    partition: number
    expected: string | null
    next: string
    registrations: readonly WrittenRegistration[]
    removed: readonly RegistrationRef[]
    attention: readonly AttentionMove[]
    counted: Books | null
  }): Promise<Saved>

  // A rebuild: begin, clear until `next` is null, restore, finish. What another worker does meanwhile is fenced, and
  // when another worker begins one, so is this. Each step moves the marker on, by `nextMarker`, so that a rebuild is
  // fenced, too, when Redis has lost some of its steps. The next one may be asked for before one is answered: they come
  // to Redis in their order, and should they not, or should one not be done, the next is fenced.

  /** Puts the marker in the place of the watermark expected, and drops books and lists. */
  beginRebuild(of: {
    partition: number
    expected: string | null
    marker: string
  }): Promise<{ kind: 'begun' } | Fenced>
  /** Removes some of the registrations; `next` is the cursor for more of them, null at the end. */
  clear(of: {
    partition: number
    marker: string
    cursor: string | null
  }): Promise<{ kind: 'cleared'; marker: string; next: string | null } | Fenced>
  /** Writes registrations and removes others, some at a time. */
  restore(of: {
    partition: number
    marker: string
    registrations: readonly WrittenRegistration[]
    removed: readonly RegistrationRef[]
    attention: readonly AttentionMove[]
  }): Promise<Saved>
  /** Puts a watermark in the place of the marker. */
  finishRebuild(of: { partition: number; marker: string; next: string }): Promise<Saved>

  /**
   * Replaces the watermark, for an operator: by none, and the worker rebuilds the partition; by an earlier one, and it
   * folds again from there.
   */
  setWatermark(of: { partition: number; expected: string | null; next: string | null }): Promise<Saved>
  readWatermark(of: { partition: number }): Promise<string | null>
  /** The books of a partition; null before anything was counted. */
  readBooks(of: { partition: number }): Promise<Books | null>
  /**
   * The registrations of a merchant in the order of their encoded store ids, the one without store first. Without
   * `store` all of them, `limit` at a time: `next` is the cursor of the following page, null at the end. `complete` is
   * false while the view of the partition is being made: nobody can tell then what is not there.
   *
   * @throws as `load`
   */
  read(of: {
    partition: number
    merchant: Merchant
    store?: string | null
    cursor: string | null
    limit: number
  }): Promise<{ registrations: NamedRegistration[]; next: string | null; complete: boolean }>
  /** What is on a list since before `untilMs`, the oldest first, `limit` at a time; `next` is null at the end. */
  listAttention(of: {
    partition: number
    kind: AttentionKind
    untilMs: number
    limit: number
    after: AttentionCursor | null
  }): Promise<{
    entries: { registration: RegistrationRef; sinceMs: number }[]
    next: AttentionCursor | null
  }>
  /** Calls back after each reconnect to a Redis that is not the same run as before: what it held may be gone. */
  onNewRun: (callback: () => void) => void
} & Pick<RedisLink, 'ping'>

/** A script holds up every other client of Redis, so it stays small. */
const maxRegistrationsPerCall = 1_000
/** A registration may have megabytes; a script that moves many of these is felt too. */
const maxBytesPerLoad = 4 * 1024 * 1024
const keysPerScan = 1_000
const scansPerClear = 50

const loadReply = z.tuple([z.string().nullable(), z.string().nullable()], z.string().nullable())
const writeReply = z.tuple([z.enum(['OK', 'FENCED']), z.string()])
const attentionReply = z.tuple([z.string(), z.coerce.number()])
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
  const keysOf = createKeys(options.keyPrefix)
  const link = await openRedisLink({ ...options, variable: 'REDIS_URL' })
  const { redis } = link
  await warnOfSmallListpacks(redis, options)

  async function write(chunk: Parameters<RegistrationStore['save']>[0]): Promise<Saved> {
    const { partition, expected, next, registrations, removed, attention, counted } = chunk
    assert(registrations.length + removed.length <= maxRegistrationsPerCall, tooMany)
    assert(next !== '', 'a watermark is not empty')
    const keys = keysOf(partition)
    const reply = await asked('save registrations', () =>
      saveScript(redis, {
        keys: [
          keys.watermark,
          keys.books,
          ...attentionKinds.map(keys.attention),
          ...registrations.map(registrationIn).map(keys.merchant),
          ...removed.map(keys.merchant),
        ],
        args: [
          expected ?? '',
          next,
          counted?.countedFrom ?? '',
          counted?.countedThrough ?? '',
          ...outcomes.flatMap((outcome) => [outcome, String(counted?.counts[outcome] ?? 0)]),
          ...[attentionKinds.length, registrations.length, removed.length].map(String),
          ...registrations.flatMap(fieldAndText),
          ...removed.map(fieldFor),
          ...attention.flatMap(moveInTexts),
        ],
      }),
    )
    return saved(reply)
  }

  async function replaceWatermark(of: {
    partition: number
    expected: string | null
    next: string | null
    /** What is removed with it. */
    drop?: readonly string[]
  }): Promise<Saved> {
    const { partition, expected, next, drop = [] } = of
    const reply = await asked('replace the watermark', () =>
      replaceScript(redis, {
        keys: [keysOf(partition).watermark, ...drop],
        args: [expected ?? '', next ?? ''],
      }),
    )
    return saved(reply)
  }

  return {
    async load({ partition, registrations }) {
      assert(registrations.length <= maxRegistrationsPerCall, tooMany)
      const keys = keysOf(partition)
      const reply = await asked('load registrations', () =>
        loadScript(redis, {
          keys: [keys.watermark, keys.books, ...registrations.map(keys.merchant)],
          args: [String(maxBytesPerLoad), ...registrations.map(fieldFor)],
        }),
      )
      const [watermark, countedThrough, ...texts] = loadReply.parse(reply)
      return {
        watermark,
        countedThrough,
        registrations: texts.map(unpackedIn),
      }
    },

    save: write,

    async beginRebuild({ partition, expected, marker }) {
      const keys = keysOf(partition)
      const drop = [keys.books, ...attentionKinds.map(keys.attention)]
      const begun = await replaceWatermark({ partition, expected, next: marker, drop })
      return begun.kind === 'saved' ? { kind: 'begun' } : begun
    },

    async clear({ partition, marker, cursor }) {
      const pattern = keysOf(partition).everyMerchant
      const scanFrom = (from: string) =>
        asked('list the keys of a partition', () => redis.scan(from, 'MATCH', pattern, 'COUNT', keysPerScan))
      let [next, drop] = await scanFrom(cursor ?? '0')
      // Where there are many partitions, most keys that a scan comes by are of others.
      for (let scans = 1; drop.length === 0 && next !== '0' && scans < scansPerClear; scans++) {
        ;[next, drop] = await scanFrom(next)
      }
      const cleared = await replaceWatermark({ partition, expected: marker, next: nextMarker(marker), drop })
      if (cleared.kind === 'fenced') return cleared
      return { kind: 'cleared', marker: nextMarker(marker), next: next === '0' ? null : next }
    },

    restore: async ({ marker, ...batch }) =>
      write({ ...batch, expected: marker, next: nextMarker(marker), counted: null }),

    finishRebuild: ({ partition, marker, next }) => replaceWatermark({ partition, expected: marker, next }),
    setWatermark: replaceWatermark,

    readWatermark: ({ partition }) =>
      asked('read the watermark', () => redis.get(keysOf(partition).watermark)),

    async readBooks({ partition }) {
      const reply = await asked('read the books', () => redis.hgetall(keysOf(partition).books))
      if (Object.keys(reply).length === 0) return null
      const { countedFrom, countedThrough, ...counts } = booksReply.parse(reply)
      return { countedFrom, countedThrough, counts }
    },

    async read({ partition, merchant, store, cursor, limit }) {
      const keys = keysOf(partition)
      const key = keys.merchant(merchant)
      // The watermark of the same moment as each answer: a rebuild may begin or end between the two.
      const listed =
        store === undefined
          ? await asked('list stores', () =>
              atOnce(redis.multi().get(keys.watermark).hkeys(key), z.array(z.string())),
            )
          : { complete: true, found: [fieldOf(store)] }
      const following = listed.found.filter((field) => cursor === null || field > cursor).toSorted()
      const page = following.slice(0, limit)
      const read = await asked('read registrations', () =>
        // A command without fields is an error.
        atOnce(
          redis
            .multi()
            .get(keys.watermark)
            .hmget(key, ...page, noField),
          z.array(z.string().nullable()),
        ),
      )
      return {
        registrations: page.flatMap((field, index) => {
          const text = read.found[index] ?? null
          return text === null ? [] : [named(merchant, field, text)]
        }),
        next: following.length > page.length ? (page.at(-1) ?? null) : null,
        complete: listed.complete && read.complete,
      }
    },

    async listAttention({ partition, kind, untilMs, limit, after }) {
      const key = keysOf(partition).attention(kind)
      const page: { registration: RegistrationRef; sinceMs: number; key: string }[] = []
      // Those of the same moment as the cursor come again, in the order of their keys.
      for (let skip = 0; page.length <= limit; ) {
        const from = after?.sinceMs ?? '-inf'
        const reply = await asked('list attention', () =>
          redis.zrangebyscore(key, from, `(${untilMs}`, 'WITHSCORES', 'LIMIT', skip, limit + 1),
        )
        if (reply.length === 0) break
        for (let at = 0; at < reply.length; at += 2) {
          const [member, score] = attentionReply.parse(reply.slice(at, at + 2))
          if (after !== null && score === after.sinceMs && member <= after.key) continue
          const registration = parseRegistrationKey(member)
          assert(registration !== null, 'a list holds registration keys')
          page.push({ registration, sinceMs: score, key: member })
        }
        skip += reply.length / 2
      }
      const last = page.length > limit ? page[limit - 1] : undefined
      return {
        entries: page.slice(0, limit).map(({ registration, sinceMs }) => ({ registration, sinceMs })),
        next: last === undefined ? null : { sinceMs: last.sinceMs, key: last.key },
      }
    },

    ping: link.ping,
    onNewRun: (callback) =>
      link.onReconnect(({ isNewRun }) => {
        if (isNewRun) callback()
      }),
    [Symbol.asyncDispose]: () => link[Symbol.asyncDispose](),
  }
}

// What is called for every registration stands here, once. A function that is made anew by each call is compiled anew,
// too, after every collection of garbage in which none of it was there.

const registrationIn = ({ registration }: WrittenRegistration) => registration

const fieldFor = ({ referenceStoreId }: RegistrationRef) => fieldOf(referenceStoreId)

const fieldAndText = (written: WrittenRegistration) => [
  fieldFor(written.registration),
  'packed' in written ? written.packed : packStored(written.stored),
]

const moveInTexts = ({ kind, registration, sinceMs }: AttentionMove) => [
  String(attentionKinds.indexOf(kind) + 1),
  registrationKey(registration),
  sinceMs === null ? '' : String(sinceMs),
]

const unpackedIn = (text: string | null) => (text === null ? null : unpackStored(text))

/** Above that length Redis keeps a registration in a form that takes almost twice the memory. */
const listpackValueBytes = 1_100

async function warnOfSmallListpacks(
  redis: Redis,
  { url, log }: { url: string; log: LinkLog },
): Promise<void> {
  const name = 'hash-max-listpack-value'
  // Not everybody may ask, and nothing but memory depends on it.
  const reply = await redis.config('GET', name).catch(() => null)
  const bytes = z.tuple([z.literal(name), z.coerce.number()]).safeParse(reply).data?.[1]
  if (bytes === undefined || bytes >= listpackValueBytes) return
  log.warn(
    { host: new URL(url).host, [name]: bytes, recommended: listpackValueBytes },
    'redis.listpacks_small',
  )
}

const tooMany = 'too many registrations for one script'

/** What no hash of a merchant holds. */
const noField = ''

function saved(reply: unknown): Saved {
  const [answer, watermark] = writeReply.parse(reply)
  if (answer === 'OK') return { kind: 'saved' }
  return { kind: 'fenced', watermark: watermark === '' ? null : watermark }
}

/** The second of two commands that Redis runs together, the first of which gets the watermark. */
async function atOnce<T>(transaction: ChainableCommander, found: z.ZodType<T>) {
  const [watermark, answer] = (await transaction.exec()) ?? []
  const text = z.string().nullable().parse(answerOf(watermark))
  return { complete: text !== null && !isRebuildMarker(text), found: found.parse(answerOf(answer)) }
}

function answerOf(reply: [Error | null, unknown] | undefined): unknown {
  const [error, answer] = reply ?? [new Error('the transaction was dropped'), null]
  if (error !== null) throw error
  return answer
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
