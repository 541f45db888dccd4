const epochMs = /^[0-9]{13}$/
const iso8601 =
  /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:Z|([+-])(\d{2}):?(\d{2}))$/

/**
 * Reads a Request-Time: 13 digits of epoch milliseconds, or ISO 8601 with a mandatory offset, up to nine
 * fractional digits (cut to milliseconds). Both forms are met in both dialects.
 *
 * @returns epoch milliseconds, or null when the text is none of these forms or no real calendar time
 */
export function parseRequestTime(text: string): number | null {
  if (epochMs.test(text)) return Number(text)
  const match = iso8601.exec(text)
  if (!match) return null
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number)
  if (year === undefined || month === undefined || day === undefined) return null
  if (hour === undefined || minute === undefined || second === undefined) return null
  const offsetHours = Number(match[9] ?? 0)
  const offsetMinutes = Number(match[10] ?? 0)
  if (hour > 23 || minute > 59 || second > 59 || offsetHours > 23 || offsetMinutes > 59) return null
  const local = utcMs(year, month, day, hour, minute, second)
  // Date turns 30 February into 1 March; a real date comes back as it went in.
  const back = new Date(local)
  if (back.getUTCMonth() !== month - 1 || back.getUTCDate() !== day) return null
  const fractionMs = Number((match[7] ?? '').padEnd(3, '0').slice(0, 3))
  const offsetMs = (offsetHours * 60 + offsetMinutes) * 60_000 * (match[8] === '-' ? -1 : 1)
  return local + fractionMs - offsetMs
}

/** Date.UTC takes the years 0 to 99 for 1900 to 1999; setUTCFullYear does not. */
function utcMs(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
): number {
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  date.setUTCHours(hour, minute, second)
  return date.getTime()
}

/** A response-time: ISO 8601 with offset and whole seconds, which is all the documents allow. */
export function formatResponseTime(nowMs: number): string {
  return `${new Date(nowMs).toISOString().slice(0, 19)}+00:00`
}
