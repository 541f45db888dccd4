const epochMs = /^[0-9]{13}$/
const iso8601 =
  /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:Z|([+-])(\d{2}):?(\d{2}))$/

const fourCenturiesMs = 146_097 * 24 * 3_600_000

/**
 * Reads a Request-Time: 13 digits of epoch milliseconds, or ISO 8601 with a mandatory offset, up to nine
 * fractional digits (cut to milliseconds). Both forms are met in both dialects.
 *
 * @returns epoch milliseconds, or null when the text is none of these forms or no real calendar time
 */
export function parseRequestTime(text: string): number | null {
  if (epochMs.test(text)) return Number(text)
  const match = iso8601.exec(text)
  if (match === null) return null
  const year = Number(match[1])
  const month = Number(match[2])
  const day = Number(match[3])
  const hour = Number(match[4])
  const minute = Number(match[5])
  const second = Number(match[6])
  const offsetHours = Number(match[9] ?? 0)
  const offsetMinutes = Number(match[10] ?? 0)
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return null
  if (hour > 23 || minute > 59 || second > 59 || offsetHours > 23 || offsetMinutes > 59) return null
  const fractionMs = Number((match[7] ?? '').padEnd(3, '0').slice(0, 3))
  const offsetMs = (offsetHours * 60 + offsetMinutes) * 60_000 * (match[8] === '-' ? -1 : 1)
  return utcMs(year, month, day) + ((hour * 60 + minute) * 60 + second) * 1000 + fractionMs - offsetMs
}

function daysIn(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

/** Date.UTC takes the years 0 to 99 for 1900 to 1999, and the calendar repeats every 400 years. */
function utcMs(year: number, month: number, day: number): number {
  return year >= 100 ? Date.UTC(year, month - 1, day) : Date.UTC(year + 400, month - 1, day) - fourCenturiesMs
}

/** A response-time: ISO 8601 with offset and whole seconds, which is all the documents allow. */
export function formatResponseTime(nowMs: number): string {
  return `${new Date(nowMs).toISOString().slice(0, 19)}+00:00`
}
