import { z } from 'zod'
import { headerTexts } from './header-texts.ts'

/**
 * What stands beside the untouched body of an answer to `inquiryRegistrationStatus` in the raw topic: what was asked,
 * and everything that is needed to verify the answer again offline.
 */
export type InquiryHeaders = {
  kind: 'inquiry'
  /** UUIDv7 given by the console; names the answer in logs, changes and the watermark. */
  notificationId: string
  clientId: string
  dialect: 'alipayplus' | 'ams'
  /** Which registration and round were asked for; null: none was named. */
  askedMerchantId: string
  askedStoreId: string | null
  askedRequestId: string | null
  /** The path that was asked, which the answer's signature covers. */
  requestUri: string
  /** Response-Time as received, and read as epoch milliseconds. */
  requestTime: string
  requestTimeMs: number
  /** The Signature header as received, and the version of the key that verified it. */
  signature: string
  keyVersion: string
  traceparent: string | null
}

const headerText = z.object({
  kind: z.literal('inquiry'),
  'notification-id': z.string().min(1),
  'client-id': z.string().min(1),
  dialect: z.enum(['alipayplus', 'ams']),
  'asked-merchant-id': z.string().min(1),
  'asked-store-id': z.string().min(1).optional(),
  'asked-request-id': z.string().min(1).optional(),
  'request-uri': z.string(),
  'request-time': z.string(),
  'request-time-ms': z
    .string()
    .regex(/^-?[0-9]+$/)
    .transform(Number),
  signature: z.string(),
  'key-version': z.string(),
  traceparent: z.string().optional(),
})

/** The record headers of an inquiry's answer. */
export function encodeInquiryHeaders(headers: InquiryHeaders): Record<string, string> {
  return {
    kind: headers.kind,
    'notification-id': headers.notificationId,
    'client-id': headers.clientId,
    dialect: headers.dialect,
    'asked-merchant-id': headers.askedMerchantId,
    ...(headers.askedStoreId === null ? {} : { 'asked-store-id': headers.askedStoreId }),
    ...(headers.askedRequestId === null ? {} : { 'asked-request-id': headers.askedRequestId }),
    'request-uri': headers.requestUri,
    'request-time': headers.requestTime,
    'request-time-ms': String(headers.requestTimeMs),
    signature: headers.signature,
    'key-version': headers.keyVersion,
    ...(headers.traceparent === null ? {} : { traceparent: headers.traceparent }),
  }
}

/** Reads them back; null when the record is not an inquiry's answer of this contract. */
export function parseInquiryHeaders(headers: ReadonlyMap<string, Buffer>): InquiryHeaders | null {
  const parsed = headerText.safeParse(headerTexts(headers))
  if (!parsed.success) return null
  const { data } = parsed
  return {
    kind: data.kind,
    notificationId: data['notification-id'],
    clientId: data['client-id'],
    dialect: data.dialect,
    askedMerchantId: data['asked-merchant-id'],
    askedStoreId: data['asked-store-id'] ?? null,
    askedRequestId: data['asked-request-id'] ?? null,
    requestUri: data['request-uri'],
    requestTime: data['request-time'],
    requestTimeMs: data['request-time-ms'],
    signature: data.signature,
    keyVersion: data['key-version'],
    traceparent: data.traceparent ?? null,
  }
}
