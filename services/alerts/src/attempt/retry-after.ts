const capMs = 60 * 60 * 1000

/**
 * Reads a `Retry-After` header, seconds or an HTTP date in any of its three forms, as milliseconds from now, at
 * most an hour. Null when there is none or it says nothing.
 */
export function retryAfterMs(header: string | null, { nowMs }: { nowMs: number }): number | null {
  const text = header?.trim() ?? ''
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, capMs)
  const atMs = dateMs(text)
  return Number.isNaN(atMs) ? null : Math.min(Math.max(atMs - nowMs, 0), capMs)
}

const httpDate = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? .*\d\d:\d\d:\d\d/

/** The oldest form of a date names no zone and means GMT, where JavaScript would take the local one. */
function dateMs(text: string): number {
  if (!httpDate.test(text)) return Number.NaN
  return Date.parse(text.endsWith('GMT') ? text : `${text} GMT`)
}
