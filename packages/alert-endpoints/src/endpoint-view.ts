import assert from 'node:assert/strict'
import {
  endpointMerchantKey,
  everyMerchant,
  parseEndpointKey,
  readEndpointRecord,
} from '@signalbox/contracts/endpoint-record'
import { encodeKeyPart, merchantKey, type RegistrationRef } from '@signalbox/contracts/keys'
import { partitionOf } from '@signalbox/kafka/partition'
import type { ChainableCommander, Redis } from 'ioredis'
import { z } from 'zod'
import type { Endpoint } from './endpoint.ts'
import { isWhole } from './endpoints-seen.ts'

export type Merchant = Pick<RegistrationRef, 'clientId' | 'referenceMerchantId'>

/** One record of the topic; null: it was taken out for good. The text stays as it was read, whatever wrote it. */
export type EndpointEntry = { key: string; record: { revision: number; text: string } | null }

/**
 * The endpoints in the queue Redis, as the topic has them. Reading rejects with `EndpointsNotSeen` where the view is
 * lost or not yet whole, so that what is not found was never there. All of it rejects while Redis is away, and where
 * a record is one that only a later build can read.
 */
export type EndpointView = {
  /**
   * Takes records of a partition in their order and moves its watermark, all or nothing; false when another watermark
   * stands. An older revision than the known one changes nothing.
   */
  apply(move: {
    partition: number
    /** The watermark that must still stand, null for none, and the one that stands then. */
    watermark: string | null
    next: string
    records: readonly EndpointEntry[]
  }): Promise<boolean>
  /** Drops what is known of a partition, its watermark too; false when another watermark stands. */
  clear(of: { partition: number; watermark: string }): Promise<boolean>
  watermark(partition: number): Promise<string | null>
  /** By `merchantKey`: the endpoints of each merchant and those of its whole client, deleted ones too. */
  ofMerchants(merchants: readonly Merchant[]): Promise<ReadonlyMap<string, readonly Endpoint[]>>
  /** Null: there never was one of this id; a deleted one is found, with its state. */
  find(endpointId: string): Promise<Endpoint | null>
  /** The partition whose records tell of an endpoint; null: not known, or not yet. Never `EndpointsNotSeen`. */
  partitionOf(endpointId: string): Promise<number | null>
  /** A page of those that are not deleted, in no order of meaning; `next` is the cursor of the following page. */
  list(page: {
    clientId?: string
    cursor?: string
    limit: number
  }): Promise<{ endpoints: readonly Endpoint[]; next: string | null }>
}

/** The view is lost or not yet whole: it will be read again from the topic. */
export class EndpointsNotSeen extends Error {
  override name = 'EndpointsNotSeen'
}

const mostParsed = 5_000
const pageSize = 500
const texts = z.array(z.string())

/** @param partitions of the endpoints topic, the same as of the changes */
export function createEndpointView({
  redis,
  keyPrefix,
  partitions,
}: {
  redis: Redis
  keyPrefix: string
  partitions: number
}): EndpointView {
  const tagged = (partition: number) => `${keyPrefix}{c${partition}}`
  const keys = {
    watermark: (partition: number) => `${tagged(partition)}:endpoints-seen`,
    /** A sorted set of all endpoint keys of a partition, by their names. */
    all: (partition: number) => `${tagged(partition)}:endpoint-keys`,
    /** A hash of the records of one merchant, by endpoint id. */
    merchant: (partition: number, merchant: string) => `${tagged(partition)}:endpoints:${merchant}`,
    byId: (endpointId: string) => `${keyPrefix}{e-${endpointId}}:endpoint`,
  }
  const partitionOfMerchant = (merchant: string) => partitionOf(merchant, partitions)
  const parse = createParser()

  /** Where a record stands. */
  function placeOf(key: string) {
    const parsed = parseEndpointKey(key)
    assert(parsed !== null, 'an endpoint key names merchant and endpoint')
    const partition = partitionOfMerchant(parsed.merchantKey)
    return { ...parsed, partition, hash: keys.merchant(partition, parsed.merchantKey) }
  }

  /** Reads hashes of one partition as they are at one moment, and whether they are all that was written. */
  function readHashes(
    pipeline: ChainableCommander,
    { partition, merchants }: { partition: number; merchants: readonly string[] },
  ): void {
    const hashes = merchants.map((merchant) => keys.merchant(partition, merchant))
    pipeline.eval(readScript, 1 + hashes.length, keys.watermark(partition), ...hashes)
  }

  async function requireWhole(some: readonly number[]): Promise<void> {
    const pipeline = redis.pipeline()
    for (const partition of some) pipeline.get(keys.watermark(partition))
    const found = z.array(z.string().nullable()).parse(await answersOf(pipeline))
    for (const [index, watermark] of found.entries()) requireSeen(some[index] ?? -1, watermark)
  }

  async function keyOf(endpointId: string): Promise<string | null> {
    return redis.get(keys.byId(endpointId))
  }

  /** Keys of one partition behind `after`, in their order. */
  async function keysAfter(
    partition: number,
    { prefix, after, limit }: { prefix: string; after: string; limit: number },
  ): Promise<string[]> {
    const from = after === '' ? (prefix === '' ? '-' : `[${prefix}`) : `(${after}`
    // No encoded key part holds a character above `~`.
    const to = prefix === '' ? '+' : `(${prefix}\x7f`
    return redis.zrange(keys.all(partition), from, to, 'BYLEX', 'LIMIT', 0, limit)
  }

  async function recordsOf(found: readonly string[]): Promise<Endpoint[]> {
    const pipeline = redis.pipeline()
    for (const key of found) {
      const { hash, endpointId } = placeOf(key)
      pipeline.hget(hash, endpointId)
    }
    const answers = z.array(z.string().nullable()).parse(await answersOf(pipeline))
    return answers.flatMap((text) => (text === null ? [] : [parse(text)]))
  }

  return {
    async apply({ partition, watermark, next, records }) {
      const places = records.map(({ key, record }) => ({ key, record, ...placeOf(key) }))
      const known = places.filter(({ record }) => record !== null)
      if (known.length > 0) {
        // First, so that whatever Redis keeps of the two, a record that it has can be found by its id.
        const pipeline = redis.pipeline()
        for (const { key, endpointId } of known) pipeline.set(keys.byId(endpointId), key)
        await answersOf(pipeline)
      }
      const answer = await redis.eval(
        applyScript,
        2 + places.length,
        keys.watermark(partition),
        keys.all(partition),
        ...places.map(({ merchantKey: merchant }) => keys.merchant(partition, merchant)),
        watermark ?? '',
        next,
        ...places.flatMap(({ endpointId, key, record }) => [
          endpointId,
          key,
          record === null ? '' : String(record.revision),
          record?.text ?? '',
        ]),
      )
      return answer === 1
    },
    async clear({ partition, watermark }) {
      const found = await redis.zrange(keys.all(partition), 0, '-1')
      const merchants = new Set(found.flatMap((key) => parseEndpointKey(key)?.merchantKey ?? []))
      const answer = await redis.eval(
        clearScript,
        2 + merchants.size,
        keys.watermark(partition),
        keys.all(partition),
        ...[...merchants].map((merchant) => keys.merchant(partition, merchant)),
        watermark,
      )
      return answer === 1
    },
    watermark: (partition) => redis.get(keys.watermark(partition)),
    async ofMerchants(merchants) {
      const wanted = new Map<number, Set<string>>()
      for (const merchant of merchants.flatMap(keysFor)) {
        const partition = partitionOfMerchant(merchant)
        wanted.set(partition, (wanted.get(partition) ?? new Set()).add(merchant))
      }
      const pipeline = redis.pipeline()
      const asked = [...wanted].map(([partition, some]) => ({ partition, merchants: [...some] }))
      for (const question of asked) readHashes(pipeline, question)
      const answers = readAnswers.parse(await answersOf(pipeline))

      const found = new Map<string, readonly Endpoint[]>()
      for (const [index, { partition, merchants: names }] of asked.entries()) {
        const [watermark = null, ...hashes] = answers[index] ?? []
        requireSeen(partition, typeof watermark === 'string' ? watermark : null)
        for (const [place, name] of names.entries()) found.set(name, texts.parse(hashes[place]).map(parse))
      }
      return new Map(
        merchants.map((merchant) => [
          merchantKey(merchant),
          keysFor(merchant).flatMap((key) => found.get(key) ?? []),
        ]),
      )
    },
    async find(endpointId) {
      const key = await keyOf(endpointId)
      if (key === null) {
        await requireWhole(Array.from({ length: partitions }, (_, partition) => partition))
        return null
      }
      const { partition, hash } = placeOf(key)
      const pipeline = redis.pipeline().hget(hash, endpointId).get(keys.watermark(partition))
      const [text = null, watermark = null] = z.array(z.string().nullable()).parse(await answersOf(pipeline))
      requireSeen(partition, watermark)
      return text === null ? null : parse(text)
    },
    async partitionOf(endpointId) {
      const key = await keyOf(endpointId)
      return key === null ? null : placeOf(key).partition
    },
    async list({ clientId, cursor, limit }) {
      const prefix = clientId === undefined ? '' : `${encodeKeyPart(clientId)}/`
      const start = parseCursor(cursor)
      const endpoints: Endpoint[] = []
      for (let partition = start.partition; partition < partitions; partition += 1) {
        await requireWhole([partition])
        let after = partition === start.partition ? start.after : ''
        for (;;) {
          const found = await keysAfter(partition, { prefix, after, limit: limit - endpoints.length })
          const last = found.at(-1)
          if (last === undefined) break
          after = last
          endpoints.push(...(await recordsOf(found)).filter(({ state }) => state !== 'deleted'))
          if (endpoints.length >= limit) return { endpoints, next: `${partition}:${after}` }
        }
      }
      return { endpoints, next: null }
    },
  }
}

/** Every endpoint that is not deleted, page by page; those that change meanwhile may be told as they were. */
export async function* everyEndpoint(view: Pick<EndpointView, 'list'>): AsyncGenerator<Endpoint> {
  let cursor: string | undefined
  do {
    const page = await view.list({ ...(cursor === undefined ? {} : { cursor }), limit: pageSize })
    yield* page.endpoints
    cursor = page.next ?? undefined
  } while (cursor !== undefined)
}

/** The keys of what a merchant hears from; one that calls itself `*` shares that of the wildcard. */
function keysFor(merchant: Merchant): string[] {
  const { clientId } = merchant
  return [...new Set([merchantKey(merchant), endpointMerchantKey({ clientId, merchant: everyMerchant })])]
}

const readAnswers = z.array(z.array(z.union([z.string().nullable(), texts])))

function requireSeen(partition: number, watermark: string | null): void {
  if (watermark !== null && isWhole(watermark)) return
  throw new EndpointsNotSeen(`The endpoints of partition ${partition} are not read from the topic yet.`)
}

function parseCursor(cursor: string | undefined): { partition: number; after: string } {
  const [, partition, after] = /^([0-9]{1,4}):(.*)$/s.exec(cursor ?? '') ?? []
  return { partition: Number(partition ?? 0), after: after ?? '' }
}

/** Records are read far more often than they change, and their audit trails make them long. */
function createParser(): (text: string) => Endpoint {
  const parsed = new Map<string, Endpoint>()
  return (text) => {
    const known = parsed.get(text)
    if (known !== undefined) return known
    const endpoint = readEndpointRecord(text)
    if (endpoint === null) {
      throw new Error(
        'The record of an endpoint was written by a later version of Signalbox: upgrade this one.',
      )
    }
    if (parsed.size >= mostParsed) parsed.clear()
    parsed.set(text, endpoint)
    return endpoint
  }
}

async function answersOf(pipeline: ChainableCommander): Promise<unknown[]> {
  const answers = (await pipeline.exec()) ?? []
  return answers.map(([error, answer]) => {
    if (error !== null) throw error
    return answer
  })
}

/** KEYS: watermark, then hashes. Gives the watermark and the values of each hash. */
const readScript = `
local found = { redis.call('GET', KEYS[1]) }
for i = 2, #KEYS do found[i] = redis.call('HVALS', KEYS[i]) end
return found`

/**
 * KEYS: watermark, all endpoint keys, then the hash of each record. ARGV: watermark expected ('' for none) and the next,
 * then per record endpoint id, endpoint key, revision ('' to take it out) and text. Gives 1, or 0 when another watermark
 * stands.
 */
const applyScript = `
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
if #ARGV ~= 2 + 4 * (#KEYS - 2) then return redis.error_reply('ERR wrong number of arguments') end
for i = 3, #KEYS do
  local at = 4 * i - 9
  local id, key, revision, text = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  if revision == '' then
    redis.call('HDEL', KEYS[i], id)
    redis.call('ZREM', KEYS[2], key)
  else
    local known = redis.call('HGET', KEYS[i], id)
    if not known or cjson.decode(known).revision <= tonumber(revision) then
      redis.call('HSET', KEYS[i], id, text)
      redis.call('ZADD', KEYS[2], 0, key)
    end
  end
end
redis.call('SET', KEYS[1], ARGV[2])
return 1`

/** KEYS: watermark, all endpoint keys, then hashes. ARGV: watermark expected. */
const clearScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
for i = 1, #KEYS do redis.call('UNLINK', KEYS[i]) end
return 1`
