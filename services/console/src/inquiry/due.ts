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
    // What was signed after the last inquiry is a doubt that it could not settle.
    return last === null || askedAgoMs >= (sinceMs > last.atMs ? limits.firstWaitMs : last.waitMs)
  }
  const leastAgeMs = trigger === 'unanswered' ? limits.unansweredAfterMs : limits.pendingEveryMs
  return nowMs - sinceMs >= leastAgeMs && askedAgoMs >= limits.pendingEveryMs
}

/** What to remember of an inquiry about this concern, given what was remembered before. */
export function askedNow(
  { trigger, sinceMs }: Concern,
  {
    last,
    failed,
    nowMs,
    limits,
  }: { last: Asked | null; failed: boolean; nowMs: number; limits: InquiryLimits },
): Asked {
  const twice = Math.min(limits.longestWaitMs, 2 * (last?.waitMs ?? 0))
  if (failed) return { atMs: nowMs, waitMs: last?.failed ? twice : limits.firstRetryMs, failed }
  if (last === null || last.failed) return { atMs: nowMs, waitMs: limits.firstWaitMs, failed }
  // Only a doubt that has outlived an inquiry is asked about ever less often.
  if (trigger !== 'doubtful') return { atMs: nowMs, waitMs: last.waitMs, failed }
  return { atMs: nowMs, waitMs: sinceMs > last.atMs ? limits.firstWaitMs : twice, failed }
}

/** How long what was asked matters; forgotten later, a registration is asked for as if for the first time. */
export function rememberMs({ waitMs }: Asked, limits: InquiryLimits): number {
  return Math.max(waitMs, limits.pendingEveryMs) + hourMs
}
