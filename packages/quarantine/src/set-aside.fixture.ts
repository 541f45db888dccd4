import { merchantKey, unattributedKey } from '@signalbox/contracts/keys'
import { encodeQuarantineHeaders } from '@signalbox/contracts/quarantine-record'
import { encodeRawHeaders } from '@signalbox/contracts/raw-record'
import type { LogRecord } from '@signalbox/kafka/producer'
import { partitionOf } from '@signalbox/kafka/partition'
import { createInMemoryLog } from './in-memory-log.fixture.ts'
import type { LoggedRecord } from './quarantined-record.ts'

export const partitions = 4
export const names = { raw: 'registration.raw.v1', quarantine: 'registration.quarantine.v1' }

/** A notification as an ingress would append it; of its body only what matters to a test is told. */
export function notification(
  of: {
    clientId?: string
    merchant?: string | null
    round?: string | null
    id?: string
    body?: string
    status?: string
    headers?: Record<string, string>
  } = {},
): LogRecord & { headers: Record<string, string> } {
  const { clientId = 'C1', merchant = 'M1', round = 'R1', status = 'APPROVED' } = of
  const key =
    merchant === null
      ? unattributedKey({ clientId, registrationRequestId: round ?? '' })
      : merchantKey({ clientId, referenceMerchantId: merchant })
  return {
    topic: names.raw,
    partition: partitionOf(key, partitions),
    key,
    value:
      of.body ??
      JSON.stringify({
        ...(merchant === null ? {} : { referenceMerchantId: merchant }),
        ...(round === null ? {} : { registrationRequestId: round }),
        registrationResult: { registrationStatus: 'COMPLETED' },
        pspRegistrationResultList: [
          {
            pspName: 'GCASH',
            productCodes: ['CASHIER_PAYMENT'],
            registrationResult: { registrationStatus: status },
          },
        ],
      }),
    headers: {
      ...encodeRawHeaders({
        kind: 'notification',
        notificationId: of.id ?? 'n1',
        requestUri: '/notify',
        clientId,
        requestTime: '1704135845000',
        requestTimeMs: 1_704_135_845_000,
        signature: 'algorithm=RSA256,keyVersion=1,signature=abc',
        keyVersion: '1',
        dialect: 'alipayplus',
        push: false,
        traceparent: null,
      }),
      ...of.headers,
    },
  }
}

/** What a processor appends to quarantine for a raw record. */
export function asideByProcessor(raw: LoggedRecord, reason: string, where = ''): LogRecord {
  return {
    topic: names.quarantine,
    partition: raw.partition,
    key: raw.key ?? '',
    value: raw.value ?? '',
    headers: encodeQuarantineHeaders(raw.headers, {
      origin: {
        topic: raw.topic,
        partition: raw.partition,
        offset: String(raw.offset),
        timestampMs: raw.timestampMs,
      },
      reason,
      where,
    }),
  }
}

/** What an ingress appends to quarantine. */
export function asideByIngress(record: LogRecord, reason: string): LogRecord {
  return {
    ...record,
    topic: names.quarantine,
    headers: encodeQuarantineHeaders(new Map(Object.entries(record.headers ?? {})), {
      origin: null,
      reason,
      where: '',
    }),
  }
}

/** Topics in memory in which notifications are set aside as a processor and an ingress do it. */
export function createScene() {
  const memory = createInMemoryLog()
  return {
    ...memory,
    of: { log: memory.log, partitions, topics: names },
    ports: {
      log: memory.log,
      partitions,
      topics: names,
      producer: memory.producer,
      now: memory.nowMs,
    },
    setAside(reason: string, of: Parameters<typeof notification>[0] = {}): LoggedRecord {
      return memory.append(asideByProcessor(memory.append(notification(of)), reason))
    },
    refuse(reason: string, of: Parameters<typeof notification>[0] = {}): LoggedRecord {
      return memory.append(asideByIngress(notification(of), reason))
    },
  }
}
