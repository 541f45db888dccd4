import { AssertionError } from 'node:assert'
import { setTimeout as pause } from 'node:timers/promises'
import { endpointKey, parseEndpointKey, readEndpointClaim } from '@signalbox/contracts/endpoint-record'
import type { ConsumedRecord, PartitionReader } from '@signalbox/kafka/partition-reader'
import type { EndpointEntry, EndpointView } from './endpoint-view.ts'
import { type EndpointsSeen, formatSeen, parseSeen } from './endpoints-seen.ts'

/** Keeps the view of the endpoints at the topic's end; every process that needs the view has one. */
export type EndpointFollower = AsyncDisposable & {
  /**
   * Resolves when the view holds what the topic held when this was called.
   *
   * @throws when Kafka or Redis does not answer
   */
  caughtUp(partition: number): Promise<void>
  caughtUpAll(): Promise<void>
  /** Resolves when it cannot go on. Trouble with Kafka or Redis is not that: it tries again. */
  failed: Promise<Error>
  /** Whether the view is at most some seconds old, for the readiness of the process. */
  state(): { ok: boolean; detail: string }
}

/** Where it reports to. A pino logger is one. */
export type FollowerLog = {
  info(fields: object, event: string): void
  warn(fields: object, event: string): void
  error(fields: object, event: string): void
}

const mostAtOnce = 8
const recordsPerScript = 100
/** So many looks may be missed before the process is not ready. */
const looksMissed = 10
const leastStaleMs = 10_000
/** A new leader may tell an earlier end for a moment; a log that stays shorter is another one. */
const shorterLogMs = 30_000

export function openEndpointFollower({
  reader,
  view,
  topic,
  partitions,
  clusterId,
  log,
  everyMs = 1_000,
  believesShorterLogAfterMs = shorterLogMs,
}: {
  reader: Pick<PartitionReader, 'read' | 'bounds'>
  view: Pick<EndpointView, 'apply' | 'clear' | 'watermark'>
  topic: string
  partitions: number
  clusterId: string
  log: FollowerLog
  /** Between two looks at the topic. */
  everyMs?: number
  /** How long a log has to be shorter than what was read of it to be taken for another one. */
  believesShorterLogAfterMs?: number
}): EndpointFollower {
  const stop = new AbortController()
  const { promise: failed, resolve: fail } = Promise.withResolvers<Error>()
  const all = Array.from({ length: partitions }, (_, partition) => partition)
  const shorterSince = new Map<number, number>()
  const looks = all.map((partition) => createLooks(() => look(partition)))
  const looksAtAll = createLooks(lookAtAll)
  let problem: string | null = 'they have not been read yet'
  let lastSeenAt = performance.now()

  /** Reads one partition from where the view is to the end that it has now. */
  async function look(partition: number): Promise<void> {
    // When another process is faster, its watermark tells where to go on.
    while (!(await readToEnd(partition)));
  }

  /** False: another process has moved the watermark meanwhile. */
  async function readToEnd(partition: number): Promise<boolean> {
    // Before the end, which another process may find later, and read to it.
    let watermark = await view.watermark(partition)
    const { end } = await reader.bounds({ topic, partition })
    const seen = watermark === null ? null : seenInThisLog(watermark, { partition, end })
    if (watermark !== null && seen === null) {
      log.warn({ topic, partition, watermark }, 'endpoints.view_of_another_log')
      if (!(await view.clear({ partition, watermark }))) return false
      watermark = null
    }
    if (seen !== null && seen.next >= end && seen.isWhole) return true
    if (seen === null) log.info({ topic, partition, end: String(end) }, 'endpoints.read_from_start')

    const from = seen?.next ?? 0n
    const wasWhole = seen?.isWhole ?? false
    const apply = async (records: readonly ConsumedRecord[], next: bigint) => {
      const reached = formatSeen({ clusterId, topic, partition, next, isWhole: wasWhole || next >= end })
      const isApplied = await view.apply({
        partition,
        watermark,
        next: reached,
        records: records.flatMap((record) => entryOf(record, log)),
      })
      if (isApplied) watermark = reached
      return isApplied
    }
    let next = from
    for await (const records of reader.read({ topic, partition, from, to: end })) {
      for (let start = 0; start < records.length; start += recordsPerScript) {
        const slice = records.slice(start, start + recordsPerScript)
        next = (slice.at(-1)?.offset ?? next) + 1n
        if (!(await apply(slice, next))) return false
      }
    }
    // Compaction leaves gaps, also at the end, and an empty topic has nothing to read.
    return next >= end && next > from ? true : apply([], end)
  }

  function seenInThisLog(
    watermark: string,
    { partition, end }: { partition: number; end: bigint },
  ): EndpointsSeen | null {
    const seen = parseSeen(watermark)
    if (seen?.clusterId !== clusterId || seen.topic !== topic || seen.partition !== partition) return null
    if (seen.next <= end) {
      shorterSince.delete(partition)
      return seen
    }
    const since = shorterSince.get(partition) ?? performance.now()
    shorterSince.set(partition, since)
    if (performance.now() - since >= believesShorterLogAfterMs) return null
    throw new Error(`partition ${partition} ends at ${end}, and was read up to ${seen.next}`)
  }

  async function lookAtAll(): Promise<void> {
    const left = all.values()
    const workers = Array.from({ length: Math.min(mostAtOnce, partitions) }, async () => {
      for (const partition of left) await looks[partition]?.fresh()
    })
    await Promise.all(workers)
  }

  async function follow(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        await lookAtAll()
        if (problem !== null) log.info({ topic }, 'endpoints.followed')
        problem = null
        lastSeenAt = performance.now()
      } catch (error) {
        if (error instanceof AssertionError || error instanceof TypeError) return fail(error)
        const reason = error instanceof Error ? error.message : String(error)
        if (problem !== reason) log.warn({ topic, problem: reason }, 'endpoints.not_followed')
        problem = reason
      }
      await pause(everyMs, undefined, { signal: stop.signal }).catch(() => undefined)
    }
  }

  const following = follow()
  return {
    async caughtUp(partition) {
      await looks[partition]?.fresh()
    },
    caughtUpAll: () => looksAtAll.fresh(),
    failed,
    state() {
      const ageMs = Math.round(performance.now() - lastSeenAt)
      if (problem !== null) return { ok: false, detail: `the endpoints are not read: ${problem}` }
      return ageMs > Math.max(leastStaleMs, looksMissed * everyMs)
        ? { ok: false, detail: `the endpoints are ${ageMs} ms old` }
        : { ok: true, detail: 'the endpoints are those of the topic' }
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
      await following
    },
  }
}

/** `fresh` resolves with a look that began after the call; those who call while one is under way share the next. */
function createLooks(look: () => Promise<void>) {
  let running: Promise<void> | null = null
  let following: Promise<void> | null = null

  function start(): Promise<void> {
    const run = look().finally(() => {
      if (running === run) running = null
    })
    running = run
    return run
  }

  return {
    fresh(): Promise<void> {
      if (running === null) return start()
      following ??= running
        .catch(() => undefined)
        .then(() => {
          following = null
          return start()
        })
      return following
    },
  }
}

/** What cannot be an endpoint's record is left out, loudly; what a later build wrote is kept for it. */
function entryOf(record: ConsumedRecord, log: FollowerLog): EndpointEntry[] {
  const { key, value, topic, partition, offset } = record
  const text = value?.toString('utf8') ?? null
  if (key !== null && parseEndpointKey(key) !== null) {
    if (text === null) return [{ key, record: null }]
    const claim = readEndpointClaim(text)
    if (claim !== null && endpointKey(claim) === key) {
      return [{ key, record: { revision: claim.revision, text } }]
    }
  }
  log.error({ topic, partition, offset: String(offset) }, 'endpoints.unreadable_record')
  return []
}
