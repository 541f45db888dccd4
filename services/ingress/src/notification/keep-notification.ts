import type { ResultCode } from '@signalbox/alipay/result'
import { encodeQuarantineHeaders } from '@signalbox/contracts/quarantine-record'
import { encodeRawHeaders } from '@signalbox/contracts/raw-record'
import { topics } from '@signalbox/contracts/topics'
import { partitionOf } from '@signalbox/kafka/partition'
import type { AppendResult, LogRecord } from '@signalbox/kafka/producer'
import { type CheckedBody, checkBody } from './check-body.ts'
import type { AdmittedHead } from './check-head.ts'

/** The log that notifications are kept in; answers within the deadline and never rejects. */
export type NotificationLog = {
  append(record: LogRecord, options: { deadlineMs: number }): Promise<AppendResult>
}

/** What became of a notification; `reason` says more than the code, for us alone. */
export type Kept = {
  code: ResultCode
  reason?: string
  notificationId?: string
  partition?: number
}

type SignedBody = Exclude<CheckedBody, { kind: 'forged' }>

/**
 * Keeps a notification whose head was admitted: SUCCESS means that the broker has confirmed its exact bytes in
 * the raw topic. What is signed but unusable goes to quarantine; what is not signed goes nowhere.
 */
export const createKeepNotification = ({
  notifications,
  partitions,
  ackDeadlineMs,
  createId,
}: {
  notifications: NotificationLog
  partitions: number
  ackDeadlineMs: number
  /** A new UUIDv7. */
  createId: () => string
}) =>
  async function keepNotification(head: AdmittedHead, body: Buffer): Promise<Kept> {
    const checked = checkBody(head, body)
    if (checked.kind === 'forged') return { code: 'INVALID_SIGNATURE', reason: 'signature' }
    const notificationId = createId()
    const partition = partitionOf(checked.recordKey, partitions)
    const record = recordOf({ head, body, checked, notificationId, partition })
    const result = await notifications.append(record, { deadlineMs: ackDeadlineMs })
    return { notificationId, partition, ...outcomeOf(result, checked) }
  }

function outcomeOf(result: AppendResult, checked: SignedBody): Pick<Kept, 'code' | 'reason'> {
  if (result.kind !== 'stored') {
    // Too large for the topic is our fault, not the sender's: the body limit is meant to be below the topic's.
    const code = result.reason === 'queue_full' ? 'REQUEST_TRAFFIC_EXCEED_LIMIT' : 'UNKNOWN_EXCEPTION'
    return { code, reason: result.reason }
  }
  return checked.kind === 'routable' ? { code: 'SUCCESS' } : { code: 'PARAM_ILLEGAL', reason: checked.reason }
}

function recordOf({
  head,
  body,
  checked,
  notificationId,
  partition,
}: {
  head: AdmittedHead
  body: Buffer
  checked: SignedBody
  notificationId: string
  partition: number
}): LogRecord {
  const { client, uri } = head.addressee
  const headers = encodeRawHeaders({
    kind: 'notification',
    notificationId,
    requestUri: uri,
    clientId: client.clientId,
    requestTime: head.requestTime,
    requestTimeMs: head.requestTimeMs,
    signature: head.signatureHeader,
    keyVersion: checked.keyVersion,
    dialect: client.dialect,
    push: client.push,
    traceparent: head.traceparent,
  })
  const record = { partition, key: checked.recordKey, value: body }
  if (checked.kind === 'routable') return { ...record, topic: topics.raw.name, headers }
  const note = { origin: null, reason: checked.reason, where: '' }
  return {
    ...record,
    topic: topics.quarantine.name,
    headers: encodeQuarantineHeaders(new Map(Object.entries(headers)), note),
  }
}
