import { z } from 'zod'

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
}

const headerText = z.object({
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
})

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
  }
}

/** Reads them back; null when the record was not written by an ingress of this contract. */
export function parseRawHeaders(headers: ReadonlyMap<string, Buffer>): RawHeaders | null {
  const parsed = headerText.safeParse(
    Object.fromEntries([...headers].map(([name, value]) => [name, value.toString('utf8')])),
  )
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
  }
}
