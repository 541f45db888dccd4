import { merchantKey } from '@signalbox/contracts/keys'
import { encodeRawHeaders, type RawHeaders } from '@signalbox/contracts/raw-record'
import { topics } from '@signalbox/contracts/topics'
import type { ConsumedRecord } from '@signalbox/kafka/consumer'

/** What a test says about one raw record; everything else has a plain value. */
export type RawRecordOf = {
  offset: bigint
  body: string
  partition?: number
  key?: string | null
  appendTimeMs?: number
  headers?: Partial<RawHeaders>
}

/** When the first record of a test's log was appended; each following one a second later. */
export const logStartMs = Date.UTC(2024, 0, 1)

/** A raw record as an ingress writes it and the consumer gives it. For tests. */
export function rawRecord(of: RawRecordOf): ConsumedRecord {
  const appendTimeMs = of.appendTimeMs ?? logStartMs + Number(of.offset) * 1_000
  const requestTimeMs = of.headers?.requestTimeMs ?? appendTimeMs - 1_000
  const headers = encodeRawHeaders({
    kind: 'notification',
    notificationId: `notification-${of.offset}`,
    requestUri: '/notify',
    clientId: 'client',
    requestTime: new Date(requestTimeMs).toISOString(),
    requestTimeMs,
    signature: 'signature',
    keyVersion: '1',
    dialect: 'alipayplus',
    push: false,
    traceparent: null,
    ...of.headers,
  })
  const clientId = of.headers?.clientId ?? 'client'
  const value = Buffer.from(of.body)
  return {
    topic: topics.raw.name,
    partition: of.partition ?? 0,
    offset: of.offset,
    timestampMs: appendTimeMs,
    key: of.key === undefined ? merchantKey({ clientId, referenceMerchantId: 'M' }) : of.key,
    value,
    bytes: value.length,
    headers: new Map(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)])),
  }
}

type Entry = { psp?: string; codes?: string[]; status?: string; reason?: string }

/** A notification about merchant M as JSON. For tests. */
export function bodyOf(of: {
  store?: string
  round?: string
  collective?: string
  entries?: readonly Entry[]
}): string {
  const { store, round, collective = 'PENDING', entries = [] } = of
  return JSON.stringify({
    referenceMerchantId: 'M',
    referenceStoreId: store,
    registrationRequestId: round,
    registrationResult: { registrationStatus: collective },
    pspRegistrationResultList: entries.map(({ psp = 'ALIPAY_CN', codes, status = 'PENDING', reason }) => ({
      pspName: psp,
      registrationResult: { registrationStatus: status, rejectionReason: reason },
      productCodes: codes ?? ['IN_STORE_PAYMENT'],
    })),
  })
}
