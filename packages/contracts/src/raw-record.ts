import { z } from 'zod'
import { headerText, type ReadHeaders } from './header-texts.ts'

/**
 * What stands beside the untouched body of a raw record: everything that is needed to verify the notification
 * again offline, and what the ingress knew of its client.
 */
export type RawHeaders = {
  kind: 'notification'
  /** UUIDv7 given by the ingress; names the notification in logs, changes and the watermark. */
  notificationId: string
  /** The raw request target that was signed. */
  requestUri: string
  clientId: string
  /** Request-Time as received, and read as epoch milliseconds. */
  requestTime: string
  requestTimeMs: number
  /** The Signature header as received. */
  signature: string
  /** The version of the key that verified it. */
  keyVersion: string
  dialect: 'alipayplus' | 'ams'
  /** The client is in merchant-presented push mode, where a store is required. */
  push: boolean
  traceparent: string | null
  /** The merchant that a person named when putting back a notification which names none. */
  attributedTo?: string
  /** `topic/partition/offset` of the raw record that was put back; absent on what came from the sender. */
  replayedFrom?: string
}

const rawHeaderTexts = z.compile(
  z.object({
    kind: z.literal('notification'),
    'notification-id': z.string().min(1),
    'request-uri': z.string(),
    'client-id': z.string().min(1),
    'request-time': z.string(),
    'request-time-ms': z
      .string()
      .regex(/^-?[0-9]+$/)
      .transform(Number),
    signature: z.string(),
    'key-version': z.string(),
    dialect: z.enum(['alipayplus', 'ams']),
    push: z.enum(['true', 'false']).transform((value) => value === 'true'),
    traceparent: z.string().optional(),
    'attributed-to': z.string().min(1).optional(),
    'replayed-from': z.string().min(1).optional(),
  }),
)

/** The record headers of a notification. */
export function encodeRawHeaders(headers: RawHeaders): Record<string, string> {
  return {
    kind: headers.kind,
    'notification-id': headers.notificationId,
    'request-uri': headers.requestUri,
    'client-id': headers.clientId,
    'request-time': headers.requestTime,
    'request-time-ms': String(headers.requestTimeMs),
    signature: headers.signature,
    'key-version': headers.keyVersion,
    dialect: headers.dialect,
    push: String(headers.push),
    ...(headers.traceparent === null ? {} : { traceparent: headers.traceparent }),
    ...(headers.attributedTo === undefined ? {} : { 'attributed-to': headers.attributedTo }),
    ...(headers.replayedFrom === undefined ? {} : { 'replayed-from': headers.replayedFrom }),
  }
}

/** Reads them back; null when the record was not written by an ingress of this contract. */
export function parseRawHeaders(headers: ReadHeaders): RawHeaders | null {
  const text = (name: string) => headerText(headers, name)
  // Named one by one: that costs half of what it takes to make an object of whatever is there.
  const parsed = rawHeaderTexts.safeParse({
    kind: text('kind'),
    'notification-id': text('notification-id'),
    'request-uri': text('request-uri'),
    'client-id': text('client-id'),
    'request-time': text('request-time'),
    'request-time-ms': text('request-time-ms'),
    signature: text('signature'),
    'key-version': text('key-version'),
    dialect: text('dialect'),
    push: text('push'),
    traceparent: text('traceparent'),
    'attributed-to': text('attributed-to'),
    'replayed-from': text('replayed-from'),
  })
  if (!parsed.success) return null
  const { data } = parsed
  return {
    kind: data.kind,
    notificationId: data['notification-id'],
    requestUri: data['request-uri'],
    clientId: data['client-id'],
    requestTime: data['request-time'],
    requestTimeMs: data['request-time-ms'],
    signature: data.signature,
    keyVersion: data['key-version'],
    dialect: data.dialect,
    push: data.push,
    traceparent: data.traceparent ?? null,
    ...(data['attributed-to'] === undefined ? {} : { attributedTo: data['attributed-to'] }),
    ...(data['replayed-from'] === undefined ? {} : { replayedFrom: data['replayed-from'] }),
  }
}
