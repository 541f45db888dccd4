import { merchantKey } from '@signalbox/contracts/keys'
import { readRouting } from '@signalbox/contracts/notification-body'
import { parseCommandHeaders } from '@signalbox/contracts/command-record'
import { parseInquiryHeaders } from '@signalbox/contracts/inquiry-record'
import { parseRawHeaders } from '@signalbox/contracts/raw-record'
import { partitionOf } from '@signalbox/kafka/partition'
import type { LogRecord } from '@signalbox/kafka/producer'
import type { Quarantined } from './quarantined-record.ts'

/** Why a record cannot be put back, in words. */
export const obstacles = {
  no_bytes: 'it has no bytes',
  headers_incomplete:
    'its headers are not those of a notification, inquiry or command, so no processor can read it',
  no_json_object: 'its body is not one JSON object and was never in the raw topic, so it belongs nowhere',
  no_merchant: 'it names no merchant: name the one it is about (--attributed-to, attributedTo)',
  names_merchant: 'it names a merchant itself, so it cannot be attributed to one',
} as const

export type Obstacle = keyof typeof obstacles

/**
 * The record to append to the raw topic: the original bytes and headers, with where it came from first and, if it is
 * attributed, for which merchant. It stands under its old key and partition, except that what is attributed stands
 * under the merchant's, and what had a wrong key under the right one.
 */
export function redriveRecord(
  quarantined: Quarantined,
  { topic, partitions, attributedTo }: { topic: string; partitions: number; attributedTo: string | null },
): { kind: 'record'; record: LogRecord } | { kind: 'impossible'; obstacle: Obstacle } {
  const { kind, clientId, origin, value } = quarantined
  if (value === null || value.length === 0) return impossible('no_bytes')
  if (clientId === null || !hasReadableHeaders(quarantined)) return impossible('headers_incomplete')

  const routing = readRouting(value)
  const isNotification = kind === 'notification'
  if (isNotification && routing.kind === 'not_json_object' && (origin === null || attributedTo !== null)) {
    return impossible('no_json_object')
  }
  const lacksMerchant = isNotification && (routing.kind === 'unattributed' || routing.kind === 'unroutable')
  if (attributedTo !== null && !lacksMerchant) return impossible('names_merchant')
  const attributed = lacksMerchant ? (attributedTo ?? quarantined.attributedTo) : null
  if (lacksMerchant && attributed === null) return impossible('no_merchant')

  const moved = attributed ?? (quarantined.reason === 'unreadable_record' ? merchantNamed() : null)
  const key = moved === null ? quarantined.key : merchantKey({ clientId, referenceMerchantId: moved })
  return {
    kind: 'record',
    record: {
      topic,
      partition: moved === null ? quarantined.partition : partitionOf(key, partitions),
      key,
      value,
      headers: {
        ...Object.fromEntries(quarantined.headers),
        'replayed-from': quarantined.source,
        ...(attributed === null ? {} : { 'attributed-to': attributed }),
      },
    },
  }

  /** Whom the record is about, as its processor will read it. */
  function merchantNamed(): string | null {
    if (kind === 'inquiry') return parseInquiryHeaders(quarantined.headers)?.askedMerchantId ?? null
    return routing.kind === 'routable' ? routing.referenceMerchantId : null
  }
}

function hasReadableHeaders({ kind, headers }: Quarantined): boolean {
  switch (kind) {
    case 'inquiry':
      return parseInquiryHeaders(headers) !== null
    case 'command':
      return parseCommandHeaders(headers) !== null
    default:
      return parseRawHeaders(headers) !== null
  }
}

function impossible(obstacle: Obstacle): { kind: 'impossible'; obstacle: Obstacle } {
  return { kind: 'impossible', obstacle }
}
