import { encodeInquiryHeaders } from '@signalbox/contracts/inquiry-record'
import { merchantKey, type RegistrationRef } from '@signalbox/contracts/keys'
import { topics } from '@signalbox/contracts/topics'
import { partitionOf } from '@signalbox/kafka/partition'
import type { AttentionCursor, RegistrationStore } from '@signalbox/registration-store/registration-store'
import type { Logger } from '@signalbox/runtime/log'
import type { Question, Reply } from './ask.ts'
import { type Asked, askedNow, type Concern, type InquiryLimits, inquiriesDue, rememberMs } from './due.ts'
import type { InquiryMemory } from './memory.ts'
import type { Lanes } from './lanes.ts'
import type { LatestRound } from './latest-round.ts'
import type { InquiryMetrics, Outcome } from './metrics.ts'

/** The kinds of attention that call for an inquiry, the most urgent first. */
const kinds = ['doubtful', 'unanswered', 'pending'] as const

export type InquirerPorts = {
  /** What needs to be looked at, as the processor keeps it beside the view. */
  attention: Pick<RegistrationStore, 'listAttention'>
  /** May throw for one registration and not for others. */
  latestRound: (registration: RegistrationRef) => Promise<LatestRound>
  /** The clients that can be asked about at all. */
  clientIds: () => readonly string[]
  ask: (question: Question) => Promise<Reply>
  /** Appends to the raw topic; throws when that is not confirmed. */
  append: (record: RawInquiry) => Promise<unknown>
  memory: InquiryMemory
  lanes: Lanes
  metrics: InquiryMetrics
  log: Logger
  /** Epoch milliseconds. */
  now: () => number
  stop: AbortSignal
}

/** A genuine answer as it stands in the raw topic. */
export type RawInquiry = {
  topic: string
  partition: number
  key: string
  value: Buffer
  headers: Record<string, string>
}

/** Long enough for an inquiry that takes its whole deadline and then waits for Kafka. */
export const leaseMs = 60_000
const renewMs = 15_000
/** How often all that needs attention is gone through, when all that is due could be asked about. */
const scanMs = 30_000
const pageSize = 500
/** Of the lists; each entry costs a look into memory, too. */
const mostReadPerLook = 2_000
const mostAtOnce = 4
/** So many inquiries of the lists are made before wishes are looked for again. */
const mostBetweenWishes = 20
const mostWishes = 1_000
/** A wish that cannot be fulfilled for so long is given up. */
const wishLifeMs = 24 * 3_600_000
/** More than any signed time that gets into the view. */
const longestAheadMs = 72 * 3_600_000

/**
 * Asks Alipay+ for the state of registrations that are in doubt, waited for or wished for, and appends every genuine
 * answer to the raw topic, where the processor finds it. Of all consoles only the one that has the lease asks. One that
 * stood still for longer than its lease may ask beside its successor: that costs an inquiry and changes nothing.
 *
 * @returns `look` once, to be called again and again; it throws when Redis does not do its part
 */
export function createInquirer(
  ports: InquirerPorts,
  settings: { holder: string; partitions: number; limits: InquiryLimits },
) {
  const { memory, lanes, metrics, stop, now } = ports
  const { holder, partitions, limits } = settings
  const lists = kinds.flatMap((kind) =>
    Array.from({ length: partitions }, (_, partition) => ({ kind, partition })),
  )
  let leasedMs = Number.NEGATIVE_INFINITY
  const noScan: Scan = {
    begunMs: Number.NEGATIVE_INFINITY,
    list: lists.length,
    after: null,
    passedOver: new Set(),
  }
  let scan = noScan

  async function look(): Promise<void> {
    const leads = await keepLease()
    metrics.leads(leads)
    if (!leads) {
      scan = noScan
      return
    }
    await askForWishes()
    await scanOn()
  }

  /** Goes on through the lists, as far as one look may, and no further than there is leave to ask. */
  async function scanOn(): Promise<void> {
    for (let left = mostReadPerLook; left > 0 && !stop.aborted && isAnyFree(ports.clientIds()); ) {
      const list = lists[scan.list]
      if (list === undefined) {
        const isTime = now() - scan.begunMs >= scanMs || isAnyFree([...scan.passedOver])
        if (!isTime) return
        scan = { begunMs: now(), list: 0, after: null, passedOver: new Set() }
        continue
      }
      const { entries, next } = await ports.attention.listAttention({
        ...list,
        untilMs: now() - leastAgeMs(list.kind, limits),
        limit: Math.min(pageSize, left),
        after: scan.after,
      })
      left -= entries.length
      const waiting = await askByAndBy(entries.map((entry) => ({ ...entry, trigger: list.kind })))
      const passedOver = new Set([...scan.passedOver, ...waiting])
      // Where nobody may be asked about any more, the next look begins with the same page.
      if (waiting.size > 0 && !isAnyFree(ports.clientIds())) return
      scan = { ...scan, passedOver, list: next === null ? scan.list + 1 : scan.list, after: next }
    }
  }

  function isAnyFree(clientIds: readonly string[]): boolean {
    return clientIds.some((clientId) => lanes.isFree(clientId))
  }

  async function askForWishes(): Promise<void> {
    const wishes = await memory.wishes(mostWishes)
    const oldestMs = now() - wishLifeMs
    for (const { registration } of wishes.filter(({ sinceMs }) => sinceMs < oldestMs)) {
      await memory.fulfil(registration)
      ports.log.warn({ clientId: registration.clientId }, 'inquiry.given_up')
    }
    const waiting = wishes
      .filter(({ sinceMs }) => sinceMs >= oldestMs)
      .filter(({ registration }) => lanes.isFree(registration.clientId))
      .map((wish) => ({ ...wish, trigger: 'operator' as const }))
    const { due, asked } = await dueAmong(waiting)
    await askAbout(due, asked)
  }

  /** Whether it is ours to ask; asked of Redis no more often than needed. */
  async function keepLease(): Promise<boolean> {
    const passedMs = now() - leasedMs
    if (passedMs >= 0 && passedMs < renewMs) return true
    leasedMs = (await memory.lead(holder, leaseMs)) ? now() : Number.NEGATIVE_INFINITY
    return leasedMs !== Number.NEGATIVE_INFINITY
  }

  /** Asks about what is due, some at a time with wishes before them, and returns the clients of what has to wait. */
  async function askByAndBy(concerns: readonly Concern[]): Promise<ReadonlySet<string>> {
    const clientIds = new Set(ports.clientIds())
    const askable = concerns.filter(({ registration }) => clientIds.has(registration.clientId))
    const free = askable.filter(({ registration }) => lanes.isFree(registration.clientId))
    const waiting = new Set(askable.map(({ registration }) => registration.clientId))
    for (const { registration } of free) waiting.delete(registration.clientId)
    const { due, asked } = await dueAmong(free)
    for (let from = 0; from < due.length; from += mostBetweenWishes) {
      if (from > 0) await askForWishes()
      const refused = await askAbout(due.slice(from, from + mostBetweenWishes), asked)
      for (const { registration } of refused) waiting.add(registration.clientId)
    }
    return waiting
  }

  async function dueAmong(concerns: readonly Concern[]) {
    const found = await memory.asked(concerns.map(({ registration }) => registration))
    const known = new Map(concerns.map((concern, index) => [concern.registration, found[index] ?? null]))
    const asked = (registration: RegistrationRef) => known.get(registration) ?? null
    return { due: inquiriesDue(concerns, { asked, nowMs: now(), limits }), asked }
  }

  /** Asks as far as the clients' lanes allow; returns the concerns that have to wait. */
  async function askAbout(
    due: readonly Concern[],
    asked: (registration: RegistrationRef) => Asked | null,
  ): Promise<Concern[]> {
    const refused: Concern[] = []
    const queue = due.values()
    await Promise.all(
      Array.from({ length: mostAtOnce }, async () => {
        for (const concern of queue) {
          if (stop.aborted || !(await keepLease())) return
          if (lanes.take(concern.registration.clientId)) await askOnce(concern, asked(concern.registration))
          else refused.push(concern)
        }
      }),
    )
    return refused
  }

  async function askOnce(concern: Concern, last: Asked | null): Promise<void> {
    const { registration, trigger } = concern
    const begunMs = performance.now()
    const reply = await replyTo(registration)
    // What was cut off by the end of this process says nothing.
    if (reply === null || (stop.aborted && reply.kind === 'unavailable')) return
    const outcome = reply.kind === 'answered' ? await keep(registration, reply) : reply.kind

    const failed = outcome === 'unavailable' || outcome === 'not_appended' || outcome === 'broken'
    // Nothing was asked of what is erased: what is heard of it later is asked about at once.
    if (outcome !== 'erased') {
      const answeredMs = reply.kind === 'answered' ? reply.headers.requestTimeMs : null
      const asked = askedNow(concern, { last, failed, answeredMs, nowMs: now(), limits })
      await memory.remember(registration, asked, rememberMs(asked, limits))
    }
    if (trigger === 'operator' && !failed) await memory.fulfil(registration)

    const durationMs = performance.now() - begunMs
    metrics.asked({ trigger, outcome, seconds: durationMs / 1_000 })
    const fields = {
      clientId: registration.clientId,
      trigger,
      outcome,
      ...detailOf(reply),
      durationMs: Math.round(durationMs),
    }
    if (outcome === 'answered') ports.log.info(fields, 'inquiry.asked')
    else ports.log.warn(fields, 'inquiry.asked')
  }

  /** null: what is to be asked for cannot be known yet. One registration's trouble is never that of the others. */
  async function replyTo(registration: RegistrationRef): Promise<Reply | Unmade | null> {
    let went: 'well' | 'trouble' | 'unasked' = 'unasked'
    try {
      // Right before the inquiry: an answer signed after an erasure brings back what was erased.
      const latest = await ports.latestRound(registration)
      if (latest.kind === 'unknown') return null
      if (latest.kind === 'erased') return latest
      const reply = await ports.ask({ registration, round: latest.round })
      went = reply.kind === 'unavailable' ? 'trouble' : 'well'
      return reply
    } catch (err) {
      return { kind: 'broken', err }
    } finally {
      lanes.settle(registration.clientId, went)
    }
  }

  async function keep(
    registration: RegistrationRef,
    { headers, body }: Extract<Reply, { kind: 'answered' }>,
  ): Promise<Outcome> {
    const key = merchantKey(registration)
    const record = { topic: topics.raw.name, partition: partitionOf(key, partitions), key, value: body }
    try {
      await ports.append({ ...record, headers: encodeInquiryHeaders(headers) })
      return 'answered'
    } catch (err) {
      ports.log.error({ err, notificationId: headers.notificationId }, 'inquiry.not_appended')
      return 'not_appended'
    }
  }

  return { look }
}

/** Why there was no inquiry: it broke off on our side, or the registration is erased. */
type Unmade = { kind: 'broken'; err: unknown } | { kind: 'erased' }

/** How far a scan has come: which of the lists is next, the number of lists at the end, and after what in it. */
type Scan = {
  begunMs: number
  list: number
  after: AttentionCursor | null
  /** Clients of which something had to wait for leave: once there is leave, the next scan begins. */
  passedOver: ReadonlySet<string>
}

/** What is younger is never due; a doubt is one at once, and a signed time may lie ahead of our clock. */
const leastAgeMs = (kind: (typeof kinds)[number], limits: InquiryLimits) =>
  ({
    doubtful: -longestAheadMs,
    unanswered: limits.unansweredAfterMs,
    pending: limits.pendingEveryMs,
  })[kind]

/** What a person needs to know of a reply, and nothing that it says about a merchant. */
function detailOf(reply: Reply | Unmade): object {
  if (reply.kind === 'answered') {
    return { notificationId: reply.headers.notificationId, bytes: reply.body.length }
  }
  const { kind: _, ...detail } = reply
  return detail
}
