/** What a public record says about when and by what it was caused; a function of the log alone. */
export type CloudEvent = {
  /** Append time of the causing raw record, epoch milliseconds. */
  timeMs: number
  traceparent: string | null
}

/** CloudEvents 1.0 in Kafka binary mode. `ce_sequence` is the version, zero-padded so that it sorts as text. */
export function cloudEventHeaders(
  event: CloudEvent & { type: string; subject: string; version: number },
): Record<string, string> {
  const headers: Record<string, string> = {
    ce_specversion: '1.0',
    ce_id: `${event.subject}:${event.version}`,
    ce_source: 'signalbox/processor',
    ce_type: event.type,
    ce_subject: event.subject,
    ce_time: timeText(event.timeMs),
    ce_sequence: String(event.version).padStart(16, '0'),
    'content-type': 'application/json',
  }
  if (event.traceparent !== null) headers['traceparent'] = event.traceparent
  return headers
}

let lastTime = { ms: 0, text: new Date(0).toISOString() }

/** Records that were appended together have one time, and writing it costs as much as all else here. */
function timeText(ms: number): string {
  if (ms !== lastTime.ms) lastTime = { ms, text: new Date(ms).toISOString() }
  return lastTime.text
}
