import { headerText } from '@signalbox/contracts/header-texts'
import { parseRawHeaders } from '@signalbox/contracts/raw-record'
import type { ConsumedRecord } from '@signalbox/kafka/log-reader'
import { judge } from './judge.ts'
import type { KnownKeys } from './known-keys.ts'

export type JudgedRecord =
  | { kind: 'genuine'; otherVersion: boolean }
  /** Not a notification of an ingress, so there is nothing to verify. */
  | { kind: 'other' }
  | { kind: 'not_genuine'; notificationId: string; clientId: string; reason: string; explain(): string[] }

/**
 * Verifies a record of the raw or the quarantine topic from what stands in it alone. What else the log may hold for
 * the processor has another kind, and what the processor has set aside as no notification is none here either.
 */
export function judgeRecord(record: ConsumedRecord, known: KnownKeys): JudgedRecord {
  const text = (name: string) => headerText(record.headers, name)
  const headers = parseRawHeaders(record.headers)
  if (headers === null || record.value === null) {
    const kind = text('kind')
    if (text('dlq-original-topic') !== undefined || (kind !== undefined && kind !== 'notification')) {
      return { kind: 'other' }
    }
    return {
      kind: 'not_genuine',
      notificationId: text('notification-id') ?? '(none)',
      clientId: text('client-id') ?? '(none)',
      reason: record.value === null ? 'it has no body' : 'its headers are not those of a notification',
      explain: () => [
        `Headers: ${[...record.headers.keys()].join(', ')}. Nothing but an ingress may write here.`,
      ],
    }
  }
  const judgement = judge(
    {
      uri: headers.requestUri,
      clientId: headers.clientId,
      time: headers.requestTime,
      body: record.value,
      signature: headers.signature,
      method: 'POST',
      hosts: [],
      uris: [],
    },
    known,
    // The ingress has written down which key it was; versions may have been renamed since.
    { anyVersion: true, firstVersion: headers.keyVersion },
  )
  if (judgement.kind === 'genuine') {
    const { version } = judgement.key
    return { kind: 'genuine', otherVersion: version !== null && version !== headers.keyVersion }
  }
  const { notificationId, clientId } = headers
  return { ...judgement, notificationId, clientId }
}
