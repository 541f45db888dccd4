import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { endpointKey, endpointMerchantKey, endpointRecord } from '@signalbox/contracts/endpoint-record'
import { partitionOf } from '@signalbox/kafka/partition'
import type { Producer } from '@signalbox/kafka/producer'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import type { Decision, Endpoint, Refusal } from './endpoint.ts'
import type { EndpointView } from './endpoint-view.ts'
import type { EndpointFollower } from './follow-endpoints.ts'

/** What came of a change. */
export type ChangeResult =
  | { kind: 'changed'; endpoint: Endpoint }
  | { kind: 'unchanged'; endpoint: Endpoint }
  | Refusal
  /** Somebody else changes it all the while: try again. */
  | { kind: 'busy' }

/** The only writer of `alert.endpoints.v1`. */
export type EndpointWriter = {
  /**
   * Decides on what the topic holds now and writes what comes of it; the view has it when this resolves. `decide` may
   * be called more than once. One endpoint changes at a time, whoever changes it.
   *
   * @throws when Kafka or Redis does not answer; the change may have been made then
   */
  change(
    endpointId: string,
    decide: (known: Endpoint | null, nowMs: number) => Decision,
  ): Promise<ChangeResult>
}

export type EndpointWriterPorts = {
  redis: Redis
  keyPrefix: string
  view: Pick<EndpointView, 'find' | 'partitionOf'>
  follower: Pick<EndpointFollower, 'caughtUp' | 'caughtUpAll'>
  producer: Pick<Producer, 'publish'>
  topic: string
  partitions: number
  /** Epoch milliseconds. */
  now: () => number
  /** How long to wait for somebody else who changes the same endpoint. */
  waitMs?: number
}

/** Longer than everything between two looks at the lease takes together. */
export const leaseMs = 10_000
const publishDeadlineMs = 3_000
const leastPauseMs = 20
const longestPauseMs = 200
const reservedSeconds = 24 * 60 * 60
/** More than one is lost only when processes stand still for longer than a lease, again and again. */
const mostTries = 3

export function createEndpointWriter({
  redis,
  keyPrefix,
  view,
  follower,
  producer,
  topic,
  partitions,
  now,
  waitMs = 5_000,
}: EndpointWriterPorts): EndpointWriter {
  const keysOf = (endpointId: string) => ({
    lease: `${keyPrefix}{e-${endpointId}}:lease`,
    /** The greatest revision that a holder of the lease may have written. */
    reserved: `${keyPrefix}{e-${endpointId}}:revision`,
  })

  async function acquire(endpointId: string, token: string): Promise<boolean> {
    const giveUpAt = performance.now() + waitMs
    for (let times = 0; ; times += 1) {
      const answer = await redis.set(keysOf(endpointId).lease, token, 'PX', leaseMs, 'NX')
      if (answer === 'OK') return true
      const pauseMs = Math.min(longestPauseMs, leastPauseMs * 2 ** times) * (0.5 + Math.random() / 2)
      if (performance.now() + pauseMs >= giveUpAt) return false
      await pause(pauseMs)
    }
  }

  /**
   * The revision to write, above all that anybody may still be writing, and the lease for as long as that takes; null
   * when the lease is lost.
   */
  async function reserve(endpointId: string, token: string, known: number): Promise<number | null> {
    const { lease, reserved } = keysOf(endpointId)
    const args = [token, String(leaseMs), String(known), String(reservedSeconds)]
    const answer = await redis.eval(reserveScript, 2, lease, reserved, ...args)
    return z.coerce.number().nullable().parse(answer)
  }

  async function latest(endpointId: string): Promise<Endpoint | null> {
    const partition = await view.partitionOf(endpointId)
    await (partition === null ? follower.caughtUpAll() : follower.caughtUp(partition))
    return view.find(endpointId)
  }

  async function publish(endpoint: Endpoint): Promise<number> {
    assert(endpointRecord.safeParse(endpoint).success, 'a change makes a record that every reader can read')
    const partition = partitionOf(endpointMerchantKey(endpoint), partitions)
    const record = { topic, partition, key: endpointKey(endpoint), value: JSON.stringify(endpoint) }
    await producer.publish([record], { deadlineMs: publishDeadlineMs })
    return partition
  }

  /** null: somebody else's record stands in the place of ours, or the lease is lost. */
  async function changeOnce(
    endpointId: string,
    { token, decide, isLost }: { token: string; decide: Decide; isLost: boolean },
  ): Promise<ChangeResult | null> {
    const known = await latest(endpointId)
    const decision = decide(known, now())
    const wanted = decision.kind === 'changed' ? decision.next : known
    // What a later change has overtaken is the last record in the log, where compaction would keep it.
    if (wanted === null || (decision.kind !== 'changed' && !isLost)) return resultOf(decision)

    const revision = await reserve(endpointId, token, known?.revision ?? 0)
    if (revision === null) return null
    const next = { ...wanted, revision }
    assert(next.endpointId === endpointId, 'a lease is for the endpoint that changes')
    await follower.caughtUp(await publish(next))
    const standing = await view.find(endpointId)
    if (standing === null || !isBuiltOn(standing, next)) return null
    return decision.kind === 'changed' ? { kind: 'changed', endpoint: next } : resultOf(decision)
  }

  return {
    async change(endpointId, decide) {
      for (let tries = 0; tries < mostTries; tries += 1) {
        const token = randomUUID()
        if (!(await acquire(endpointId, token))) break
        try {
          const result = await changeOnce(endpointId, { token, decide, isLost: tries > 0 })
          if (result !== null) return result
        } finally {
          // One that cannot be given back ends by itself.
          await redis.eval(releaseScript, 1, keysOf(endpointId).lease, token).catch(() => undefined)
        }
      }
      return { kind: 'busy' }
    },
  }
}

type Decide = (known: Endpoint | null, nowMs: number) => Decision

function resultOf(decision: Decision): ChangeResult {
  return decision.kind === 'changed' ? { kind: 'changed', endpoint: decision.next } : decision
}

/** Whether what stands now is this record, or was made of it: then its last audit entry is still there. */
function isBuiltOn(standing: Endpoint, record: Endpoint): boolean {
  if (standing.revision < record.revision) return false
  const last = JSON.stringify(record.history.at(-1))
  return standing.history.some((entry) => JSON.stringify(entry) === last)
}

/**
 * KEYS: lease, reserved revision. ARGV: token, life of the lease in milliseconds, revision known, life of the reserved
 * one in seconds. Gives the revision, or false when the lease is another's.
 */
const reserveScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local revision = math.max(tonumber(redis.call('GET', KEYS[2]) or '0'), tonumber(ARGV[3])) + 1
redis.call('SET', KEYS[2], string.format('%d', revision), 'EX', ARGV[4])
return string.format('%d', revision)`

/** KEYS: lease. ARGV: token. */
const releaseScript = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1`
