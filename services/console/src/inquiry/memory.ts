import type { RegistrationRef } from '@signalbox/contracts/keys'
import type { RedisLink } from '@signalbox/redis-link/redis-link'
import { z } from 'zod'
import type { Asked } from './due.ts'

/**
 * What consoles share about inquiries, in Redis beside the view: who of them asks, what a person wants asked, and what
 * was asked when. All of it may be lost: then a registration is asked for once more. Every function throws when Redis
 * does not do its part in time.
 */
export type InquiryMemory = {
  /** Takes or prolongs the lease on asking; false: another console has it. */
  lead(holder: string, leaseMs: number): Promise<boolean>
  /** Gives the lease back, if it is this holder's. */
  resign(holder: string): Promise<void>
  /** Keeps a person's wish until it is fulfilled; `full`: too many wait, of this client or in all. */
  wish(registration: RegistrationRef, nowMs: number): Promise<'kept' | 'full'>
  /** The oldest wishes. */
  wishes(limit: number): Promise<{ registration: RegistrationRef; sinceMs: number }[]>
  fulfil(registration: RegistrationRef): Promise<void>
  /** When each was last asked for, in their order; null: not within memory. */
  asked(registrations: readonly RegistrationRef[]): Promise<(Asked | null)[]>
  remember(registration: RegistrationRef, asked: Asked, forMs: number): Promise<void>
}

/** More than anybody can mean by hand; a program that asks for more is told to wait, and no client keeps out others. */
const mostWishes = 1_000
const mostWishesOfClient = 100

const leadScript = `
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`

const resignScript = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 0`

const wishScript = `
local most, mostOfClient = tonumber(ARGV[1]), tonumber(ARGV[2])
local nowMs, member, client = ARGV[3], ARGV[4], ARGV[5]
if redis.call('ZSCORE', KEYS[1], member) then return 1 end
local waiting = redis.call('ZRANGE', KEYS[1], 0, -1)
if #waiting >= most then return 0 end
local ofClient = 0
for _, one in ipairs(waiting) do
  if string.sub(one, 1, #client) == client then ofClient = ofClient + 1 end
end
if ofClient >= mostOfClient then return 0 end
redis.call('ZADD', KEYS[1], nowMs, member)
return 1`

const member = z.tuple([z.string(), z.string(), z.string().nullable()])
const askedText = z.tuple([z.number(), z.number(), z.boolean(), z.number().nullable()])

export function createInquiryMemory({
  redis,
  keyPrefix,
}: {
  redis: RedisLink['redis']
  keyPrefix: string
}): InquiryMemory {
  // One hash tag keeps them together in Redis Cluster.
  const tagged = `${keyPrefix}{inquiry}`
  const keys = { lease: `${tagged}:lease`, wishes: `${tagged}:wishes` }
  const askedKey = (registration: RegistrationRef) => `${tagged}:asked:${memberOf(registration)}`

  return {
    async lead(holder, leaseMs) {
      return (await redis.eval(leadScript, 1, keys.lease, holder, leaseMs)) === 1
    },
    async resign(holder) {
      await redis.eval(resignScript, 1, keys.lease, holder)
    },
    async wish(registration, nowMs) {
      const text = memberOf(registration)
      // All members of the client, and no others, begin like this.
      const client = `${JSON.stringify([registration.clientId]).slice(0, -1)},`
      const limits = [mostWishes, mostWishesOfClient] as const
      const kept = await redis.eval(wishScript, 1, keys.wishes, ...limits, nowMs, text, client)
      return kept === 1 ? 'kept' : 'full'
    },
    async wishes(limit) {
      const reply = await redis.zrange(keys.wishes, 0, String(limit - 1), 'WITHSCORES')
      return Array.from({ length: reply.length / 2 }, (_, index) => ({
        registration: registrationOf(reply[2 * index] ?? ''),
        sinceMs: Number(reply[2 * index + 1]),
      }))
    },
    async fulfil(registration) {
      await redis.zrem(keys.wishes, memberOf(registration))
    },
    async asked(registrations) {
      if (registrations.length === 0) return []
      const texts = await redis.mget(...registrations.map(askedKey))
      return texts.map((text) => {
        if (text === null) return null
        // What another version wrote is as good as lost.
        const read = askedText.safeParse(JSON.parse(text))
        if (!read.success) return null
        const [atMs, waitMs, failed, coveredMs] = read.data
        return { atMs, waitMs, failed, coveredMs }
      })
    },
    async remember(registration, { atMs, waitMs, failed, coveredMs }, forMs) {
      const text = JSON.stringify([atMs, waitMs, failed, coveredMs] satisfies z.input<typeof askedText>)
      await redis.set(askedKey(registration), text, 'PX', forMs)
    },
  }
}

function memberOf({ clientId, referenceMerchantId, referenceStoreId }: RegistrationRef): string {
  return JSON.stringify([clientId, referenceMerchantId, referenceStoreId])
}

function registrationOf(text: string): RegistrationRef {
  const [clientId, referenceMerchantId, referenceStoreId] = member.parse(JSON.parse(text))
  return { clientId, referenceMerchantId, referenceStoreId }
}
