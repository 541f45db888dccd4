import type { RegistrationRef } from '@signalbox/contracts/keys'

/** Why a state is asked for: a person wants it, a warn flag, silence after a registration, or PENDING for long. */
export const triggers = ['operator', 'doubtful', 'unanswered', 'pending'] as const

export type Trigger = (typeof triggers)[number]

/** A registration that may have to be asked for, and since when there is reason to. */
export type Concern = { registration: RegistrationRef; trigger: Trigger; sinceMs: number }

/** When a registration was last asked for, and how long to wait while the same reason stays. */
export type Asked = {
  atMs: number
  waitMs: number
  /** The asking itself went wrong, so that it says nothing about the registration. */
  failed: boolean
  /**
   * Up to when what was signed has been asked about, by the sender's clock, as `sinceMs` of a doubt is; null: nothing.
   * Our clock has no part in it: it may differ by minutes.
   */
  coveredMs: number | null
}

export type InquiryLimits = {
  /** The wait between two inquiries about the same doubt doubles from the first to the longest. */
  firstWaitMs: number
  longestWaitMs: number
  /** The first wait after an inquiry that failed; it doubles up to the longest too. */
  firstRetryMs: number
  /** How often what is PENDING, or was never answered, is asked for. */
  pendingEveryMs: number
  /** How long a registration may stay without any notification. */
  unansweredAfterMs: number
}

const hourMs = 3_600_000

export const standardLimits: InquiryLimits = {
  firstWaitMs: hourMs,
  longestWaitMs: 24 * hourMs,
  firstRetryMs: 60_000,
  pendingEveryMs: 24 * hourMs,
  unansweredAfterMs: 24 * hourMs,
}

type Known = { asked: (registration: RegistrationRef) => Asked | null; nowMs: number; limits: InquiryLimits }

/** Which of the concerns are to be asked about now, in their order. */
export function inquiriesDue(concerns: readonly Concern[], known: Known): Concern[] {
  return concerns.filter((concern) => isDue(concern, known))
}

function isDue(concern: Concern, { asked, nowMs, limits }: Known): boolean {
  const { trigger, sinceMs } = concern
  const last = asked(concern.registration)
  const askedAgoMs = last === null ? Number.POSITIVE_INFINITY : nowMs - last.atMs
  if (last?.failed) return askedAgoMs >= last.waitMs
  if (trigger === 'operator') return true
  if (trigger === 'doubtful') {
    return last === null || askedAgoMs >= (isNews(sinceMs, last) ? limits.firstWaitMs : last.waitMs)
  }
  const leastAgeMs = trigger === 'unanswered' ? limits.unansweredAfterMs : limits.pendingEveryMs
  return nowMs - sinceMs >= leastAgeMs && askedAgoMs >= limits.pendingEveryMs
}

/** What was signed after all that was asked about is a doubt that no inquiry could settle. */
function isNews(sinceMs: number, { coveredMs }: Asked): boolean {
  return coveredMs === null || sinceMs > coveredMs
}

/** What to remember of an inquiry about this concern, given what was remembered before. */
export function askedNow(
  { trigger, sinceMs }: Concern,
  {
    last,
    failed,
    answeredMs,
    nowMs,
    limits,
  }: {
    last: Asked | null
    failed: boolean
    /** The Response-Time of a genuine answer. */
    answeredMs: number | null
    nowMs: number
    limits: InquiryLimits
  },
): Asked {
  // Other concerns have times of other clocks.
  const covered = [last?.coveredMs, answeredMs, trigger === 'doubtful' ? sinceMs : null]
  const known = covered.filter((timeMs) => typeof timeMs === 'number')
  const asked = { atMs: nowMs, failed, coveredMs: known.length === 0 ? null : Math.max(...known) }

  const twice = Math.min(limits.longestWaitMs, 2 * (last?.waitMs ?? 0))
  if (failed) return { ...asked, waitMs: last?.failed ? twice : limits.firstRetryMs }
  if (last === null || last.failed) return { ...asked, waitMs: limits.firstWaitMs }
  // Only a doubt that has outlived an inquiry is asked about ever less often.
  if (trigger !== 'doubtful') return { ...asked, waitMs: last.waitMs }
  return { ...asked, waitMs: isNews(sinceMs, last) ? limits.firstWaitMs : twice }
}

/** How long what was asked matters; forgotten later, a registration is asked for as if for the first time. */
export function rememberMs({ waitMs }: Asked, limits: InquiryLimits): number {
  return Math.max(waitMs, limits.pendingEveryMs) + hourMs
}
