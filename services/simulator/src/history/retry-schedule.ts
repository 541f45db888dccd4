import type { Dialect } from './life-history.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs

/** Alipay+ waits this long after each try; AMS repeats once at once before that. */
const documentedGapsMs = [
  2 * minuteMs,
  10 * minuteMs,
  10 * minuteMs,
  hourMs,
  2 * hourMs,
  6 * hourMs,
  15 * hourMs,
] as const

/** The gaps between tries: one more try than there are gaps, then the sender gives up. */
export function retryGapsMs(dialect: Dialect): readonly number[] {
  return dialect === 'ams' ? [0, ...documentedGapsMs] : documentedGapsMs
}

/** How long after the first try each retry comes. */
export function retryOffsetsMs(dialect: Dialect): number[] {
  let sinceFirstMs = 0
  return retryGapsMs(dialect).map((gapMs) => {
    sinceFirstMs += gapMs
    return sinceFirstMs
  })
}
