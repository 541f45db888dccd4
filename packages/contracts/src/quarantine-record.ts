/** Why and from where a record was set aside. Readers de-duplicate by the origin, or by the notification id. */
export type QuarantineNote = {
  /** Null when the ingress set it aside before it was in any topic. */
  origin: { topic: string; partition: number; offset: string; timestampMs: number } | null
  /** A closed reason code. */
  reason: string
  /** The member that did not fit, as a path; never text of the message. */
  where: string
}

/** The headers of a quarantined record: the original ones byte for byte, and the note. */
export function encodeQuarantineHeaders(
  original: ReadonlyMap<string, Buffer | string>,
  note: QuarantineNote,
): Record<string, Buffer | string> {
  return {
    ...Object.fromEntries(original),
    ...(note.origin === null
      ? {}
      : {
          'dlq-original-topic': note.origin.topic,
          'dlq-original-partition': String(note.origin.partition),
          'dlq-original-offset': note.origin.offset,
          'dlq-original-timestamp': String(note.origin.timestampMs),
        }),
    'dlq-error-code': note.reason,
    'dlq-error-message': note.where,
  }
}
