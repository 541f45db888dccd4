import type { ResultCode } from '@signalbox/alipay/result'
import { encodeQuarantineHeaders, type IngressReason } from '@signalbox/contracts/quarantine-record'
import { encodeRawHeaders } from '@signalbox/contracts/raw-record'
import { topics } from '@signalbox/contracts/topics'
import { partitionOf } from '@signalbox/kafka/partition'
import type { AppendResult, LogRecord } from '@signalbox/kafka/producer'
import { type CheckedBody, checkBody } from './check-body.ts'
import type { Gate } from '../overload/gate.ts'
import type { AdmittedHead } from './check-head.ts'
import type { Verify } from './open-verifier.ts'

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
/** What the quarantine says of a notification that is kept, but not for the processor. */
type SetAside = { reason: IngressReason }

/**
 * Keeps a notification whose head was admitted: SUCCESS means that the broker has confirmed its exact bytes in
 * the raw topic. What is signed but unusable goes to quarantine; what is not signed goes nowhere.
 */
export const createKeepNotification = ({
  notifications,
  verify,
  gate,
  partitions,
  ackDeadlineMs,
  maxRequestAgeMs,
  createId,
  now,
}: {
  notifications: NotificationLog
  verify: Verify
  gate: Pick<Gate, 'enter' | 'leave'>
  partitions: number
  ackDeadlineMs: number
  /** Older ones are refused; null: none is too old. */
  maxRequestAgeMs: number | null
  /** A new UUIDv7. */
  createId: () => string
  now: () => number
}) =>
  async function keepNotification(head: AdmittedHead, body: Buffer): Promise<Kept> {
    const checked = await checkBody(head, body, { verify })
    if (checked.kind === 'forged') return { code: 'INVALID_SIGNATURE', reason: 'signature' }
    const { clientId } = head.addressee.client
    const notificationId = createId()
    const isOverAge = maxRequestAgeMs !== null && now() - head.requestTimeMs > maxRequestAgeMs
    const setAside = setAsideFor(checked, isOverAge)
    const partition = partitionOf(checked.recordKey, partitions)
    const record = recordOf({ head, body, checked, setAside, notificationId, partition })
    const refusal = gate.enter(clientId, body.length)
    if (refusal !== null) return { code: 'REQUEST_TRAFFIC_EXCEED_LIMIT', reason: refusal, notificationId }
    const since = performance.now()
    try {
      const result = await notifications.append(record, { deadlineMs: ackDeadlineMs })
      return { notificationId, partition, ...outcomeOf(result, setAside) }
    } finally {
      gate.leave(clientId, body.length, performance.now() - since)
    }
  }

function setAsideFor(checked: SignedBody, isOverAge: boolean): SetAside | null {
  if (isOverAge) return { reason: 'over_age' }
  return checked.kind === 'unusable' ? { reason: checked.reason } : null
}

function outcomeOf(result: AppendResult, setAside: SetAside | null): Pick<Kept, 'code' | 'reason'> {
  if (result.kind !== 'stored') {
    // Too large for the topic is our fault, not the sender's: the body limit is meant to be below the topic's.
    const code = result.reason === 'queue_full' ? 'REQUEST_TRAFFIC_EXCEED_LIMIT' : 'UNKNOWN_EXCEPTION'
    return { code, reason: result.reason }
  }
  if (setAside === null) return { code: 'SUCCESS' }
  return {
    code: setAside.reason === 'over_age' ? 'ACCESS_DENIED' : 'PARAM_ILLEGAL',
    reason: setAside.reason,
  }
}

function recordOf({
  head,
  body,
  checked,
  setAside,
  notificationId,
  partition,
}: {
  head: AdmittedHead
  body: Buffer
  checked: SignedBody
  setAside: SetAside | null
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
  if (setAside === null) return { ...record, topic: topics.raw.name, headers }
  const note = { origin: null, reason: setAside.reason, where: '' }
  return {
    ...record,
    topic: topics.quarantine.name,
    headers: encodeQuarantineHeaders(new Map(Object.entries(headers)), note),
  }
}
