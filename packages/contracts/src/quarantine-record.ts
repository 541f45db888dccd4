import { z } from 'zod'
import { headerTexts } from './header-texts.ts'

/** Why an ingress sets a signed notification aside; the processor's reasons are those of `packages/registration`. */
export type IngressReason = 'not_json_object' | 'unroutable' | 'over_age'

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

const noteText = z.object({
  'dlq-error-code': z.string().min(1),
  'dlq-error-message': z.string(),
})

const originText = z.object({
  'dlq-original-topic': z.string().min(1),
  'dlq-original-partition': z
    .string()
    .regex(/^[0-9]{1,10}$/)
    .transform(Number),
  'dlq-original-offset': z.string().regex(/^[0-9]{1,19}$/),
  'dlq-original-timestamp': z
    .string()
    .regex(/^-?[0-9]{1,16}$/)
    .transform(Number),
})

/** Reads a quarantined record's headers: the note, and the original ones byte for byte; null when there is no note. */
export function parseQuarantineHeaders(
  headers: ReadonlyMap<string, Buffer>,
): { note: QuarantineNote; original: ReadonlyMap<string, Buffer> } | null {
  const texts = headerTexts(headers)
  const note = noteText.safeParse(texts)
  if (!note.success) return null
  const origin = originText.safeParse(texts)
  if (!origin.success && 'dlq-original-topic' in texts) return null
  const isOfNote = (name: string) => name in noteText.shape || name in originText.shape
  return {
    note: {
      origin: origin.success
        ? {
            topic: origin.data['dlq-original-topic'],
            partition: origin.data['dlq-original-partition'],
            offset: origin.data['dlq-original-offset'],
            timestampMs: origin.data['dlq-original-timestamp'],
          }
        : null,
      reason: note.data['dlq-error-code'],
      where: note.data['dlq-error-message'],
    },
    original: new Map([...headers].filter(([name]) => !isOfNote(name))),
  }
}
