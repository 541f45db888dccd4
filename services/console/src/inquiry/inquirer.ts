import { encodeInquiryHeaders } from '@signalbox/contracts/inquiry-record'
import { merchantKey, registrationKey, type RegistrationRef } from '@signalbox/contracts/keys'
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
  latestRound: (registration: RegistrationRef) => Promise<LatestRound>
  isConfigured: (clientId: string) => boolean
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
/** How often all that needs attention is gone through. */
const scanMs = 30_000
const pageSize = 500
const mostAtOnce = 4
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
  let leasedMs = Number.NEGATIVE_INFINITY
  let scannedMs = Number.NEGATIVE_INFINITY

  async function look(): Promise<void> {
    const leads = await keepLease()
    metrics.leads(leads)
    if (!leads) {
      scannedMs = Number.NEGATIVE_INFINITY
      return
    }
    await askForWishes()
    if (now() - scannedMs < scanMs) return
    scannedMs = now()
    for (const kind of kinds) {
      for (let partition = 0; partition < partitions; partition++) await scan({ kind, partition })
    }
  }

  async function askForWishes(): Promise<void> {
    const wishes = await memory.wishes(mostWishes)
    const oldestMs = now() - wishLifeMs
    for (const { registration } of wishes.filter(({ sinceMs }) => sinceMs < oldestMs)) {
      await memory.fulfil(registration)
      ports.log.warn({ registration: registrationKey(registration) }, 'inquiry.given_up')
    }
    const waiting = wishes.filter(({ sinceMs }) => sinceMs >= oldestMs)
    await askAbout(waiting.map((wish) => ({ ...wish, trigger: 'operator' })))
  }

  /** Whether it is ours to ask; asked of Redis no more often than needed. */
  async function keepLease(): Promise<boolean> {
    const passedMs = now() - leasedMs
    if (passedMs >= 0 && passedMs < renewMs) return true
    leasedMs = (await memory.lead(holder, leaseMs)) ? now() : Number.NEGATIVE_INFINITY
    return leasedMs !== Number.NEGATIVE_INFINITY
  }

  async function scan({
    kind,
    partition,
  }: {
    kind: (typeof kinds)[number]
    partition: number
  }): Promise<void> {
    const of = { partition, kind, untilMs: now() - leastAgeMs(kind, limits), limit: pageSize }
    let after: AttentionCursor | null = null
    do {
      if (stop.aborted) return
      const page: Awaited<ReturnType<typeof ports.attention.listAttention>> =
        await ports.attention.listAttention({ ...of, after })
      await askAbout(page.entries.map((entry) => ({ ...entry, trigger: kind })))
      after = page.next
    } while (after !== null)
  }

  /** Asks about those of the concerns that are due, as far as the clients' lanes allow; the rest comes again. */
  async function askAbout(concerns: readonly Concern[]): Promise<void> {
    const askable = concerns.filter(
      ({ registration, trigger }) => trigger === 'operator' || ports.isConfigured(registration.clientId),
    )
    const found = await memory.asked(askable.map(({ registration }) => registration))
    const known = new Map(askable.map((concern, index) => [concern.registration, found[index] ?? null]))
    const asked = (registration: RegistrationRef) => known.get(registration) ?? null
    const due = inquiriesDue(askable, { asked, nowMs: now(), limits }).values()
    await Promise.all(
      Array.from({ length: mostAtOnce }, async () => {
        for (const concern of due) {
          if (stop.aborted || !(await keepLease())) return
          if (!lanes.take(concern.registration.clientId)) continue
          await askOnce(concern, asked(concern.registration))
        }
      }),
    )
  }

  async function askOnce(concern: Concern, last: Asked | null): Promise<void> {
    const { registration, trigger } = concern
    const begunMs = performance.now()
    const reply = await replyTo(registration)
    // What was cut off by the end of this process says nothing.
    if (reply === null || (stop.aborted && reply.kind === 'unavailable')) return
    const outcome = reply.kind === 'answered' ? await keep(registration, reply) : reply.kind

    const failed = outcome === 'unavailable' || outcome === 'not_appended'
    const nowMs = now()
    const asked = askedNow(concern, { last, failed, nowMs, limits })
    await memory.remember(registration, asked, rememberMs(asked, limits))
    if (trigger === 'operator' && !failed) await memory.fulfil(registration)

    const durationMs = performance.now() - begunMs
    metrics.asked({ trigger, outcome, seconds: durationMs / 1_000 })
    const fields = {
      registration: registrationKey(registration),
      trigger,
      outcome,
      ...detailOf(reply),
      durationMs: Math.round(durationMs),
    }
    if (outcome === 'answered') ports.log.info(fields, 'inquiry.asked')
    else ports.log.warn(fields, 'inquiry.asked')
  }

  /** null: what is to be asked for cannot be known yet. */
  async function replyTo(registration: RegistrationRef): Promise<Reply | null> {
    let went: 'well' | 'trouble' | 'unasked' = 'unasked'
    try {
      const latest = await ports.latestRound(registration)
      if (latest.kind === 'unknown') return null
      const reply = await ports.ask({ registration, round: latest.round })
      went = reply.kind === 'unavailable' ? 'trouble' : 'well'
      return reply
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

/** What is younger is never due; a doubt is one at once, and a signed time may lie ahead of our clock. */
const leastAgeMs = (kind: (typeof kinds)[number], limits: InquiryLimits) =>
  ({
    doubtful: -longestAheadMs,
    unanswered: limits.unansweredAfterMs,
    pending: limits.pendingEveryMs,
  })[kind]

/** What a person needs to know of a reply, and nothing that it says about a merchant. */
function detailOf(reply: Reply): object {
  if (reply.kind === 'answered') {
    return { notificationId: reply.headers.notificationId, bytes: reply.body.length }
  }
  const { kind: _, ...detail } = reply
  return detail
}
