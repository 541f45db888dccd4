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
  return {
    ce_specversion: '1.0',
    ce_id: `${event.subject}:${event.version}`,
    ce_source: 'signalbox/processor',
    ce_type: event.type,
    ce_subject: event.subject,
    ce_time: new Date(event.timeMs).toISOString(),
    ce_sequence: String(event.version).padStart(16, '0'),
    'content-type': 'application/json',
    ...(event.traceparent === null ? {} : { traceparent: event.traceparent }),
  }
}
