import assert from 'node:assert/strict'
import { crc32 } from 'node:zlib'
import { encodeCommandHeaders, parseCommandHeaders } from '@signalbox/contracts/command-record'
import { encodeInquiryHeaders, parseInquiryHeaders } from '@signalbox/contracts/inquiry-record'
import { merchantKey } from '@signalbox/contracts/keys'
import { encodeRawHeaders, parseRawHeaders, type RawHeaders } from '@signalbox/contracts/raw-record'
import { topics } from '@signalbox/contracts/topics'
import type { ConsumedRecord } from '@signalbox/kafka/consumer'
import { foldVersion } from '@signalbox/registration/fold'
import type { OracleRecord } from '@signalbox/naive-oracle/naive-oracle'
import type { RandomRecord } from './random-log.fixture.ts'

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
  return consumed({
    ...of,
    appendTimeMs,
    key: of.key === undefined ? merchantKey({ clientId, referenceMerchantId: 'M' }) : of.key,
    headers,
  })
}

/** A command about merchant M, as the console writes it. For tests. */
export function commandRecord(of: {
  offset: bigint
  appendTimeMs?: number
  command: object
}): ConsumedRecord {
  const appendTimeMs = of.appendTimeMs ?? logStartMs + Number(of.offset) * 1_000
  const random = { clientId: 'client', signedBeforeMs: 0, afterMs: 0 }
  const body = JSON.stringify({ referenceMerchantId: 'M', ...of.command })
  return randomRaw({ ...random, kind: 'command', body }, { offset: of.offset, appendTimeMs })
}

/** The answer to an inquiry about merchant M, as the console writes it. For tests. */
export function inquiryRecord(of: {
  offset: bigint
  body: string
  round?: string
  appendTimeMs?: number
}): ConsumedRecord {
  const appendTimeMs = of.appendTimeMs ?? logStartMs + Number(of.offset) * 1_000
  const random = { clientId: 'client', signedBeforeMs: 0, afterMs: 0, store: null, round: of.round ?? null }
  return randomRaw({ ...random, kind: 'inquiry', body: of.body }, { offset: of.offset, appendTimeMs })
}

/** A record of a random log, at its place. For tests. */
export function randomRaw(
  record: RandomRecord,
  at: { offset: bigint; appendTimeMs: number },
): ConsumedRecord {
  const { clientId, body } = record
  return consumed({
    ...at,
    body,
    key: merchantKey({ clientId, referenceMerchantId: 'M' }),
    headers: headersOf(record, { ...at, notificationId: `notification-${at.offset}` }),
  })
}

/** The headers of a record of a random log that is sent now. For tests. */
export function headersOf(
  record: RandomRecord,
  { appendTimeMs, notificationId }: { appendTimeMs: number; notificationId: string },
): Record<string, string> {
  const { clientId, signedBeforeMs } = record
  const requestTimeMs = appendTimeMs - signedBeforeMs
  const common = {
    notificationId,
    clientId,
    requestTime: new Date(requestTimeMs).toISOString(),
    traceparent: null,
  }
  const signed = { requestTimeMs, requestUri: '/notify', signature: 'signature', keyVersion: '1' }
  const dialect = 'alipayplus'
  if (record.kind === 'command') return encodeCommandHeaders({ ...common, kind: 'command', issuedBy: 'test' })
  if (record.kind === 'notification') {
    return encodeRawHeaders({ ...common, ...signed, kind: 'notification', dialect, push: false })
  }
  const { store: askedStoreId, round: askedRequestId } = record
  const asked = { askedMerchantId: 'M', askedStoreId, askedRequestId }
  return encodeInquiryHeaders({ ...common, ...signed, kind: 'inquiry', dialect, ...asked })
}

/** A raw record as the naive implementation takes it. For tests. */
export function oracleRecord({ headers, value, timestampMs }: ConsumedRecord): OracleRecord {
  const said = { body: String(value), appendTimeMs: timestampMs }
  const command = parseCommandHeaders(headers)
  if (command !== null) return { ...said, ...command }
  const inquiry = parseInquiryHeaders(headers)
  if (inquiry !== null) {
    const { askedMerchantId: merchant, askedStoreId, askedRequestId } = inquiry
    return { ...said, ...inquiry, asked: { merchant, store: askedStoreId, round: askedRequestId } }
  }
  const notification = parseRawHeaders(headers)
  assert(notification !== null)
  return { ...said, ...notification }
}

function consumed(of: {
  offset: bigint
  partition?: number
  body: string
  key: string | null
  appendTimeMs: number
  headers: Record<string, string>
}): ConsumedRecord {
  const value = Buffer.from(of.body)
  return {
    topic: topics.raw.name,
    partition: of.partition ?? 0,
    offset: of.offset,
    timestampMs: of.appendTimeMs,
    key: of.key,
    value,
    bytes: value.length,
    headers: new Map(Object.entries(of.headers).map(([name, text]) => [name, Buffer.from(text)])),
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
    pspRegistrationResultList: entries.map(itemOf),
  })
}

/** The answer to an inquiry as JSON. For tests. */
export function answerOf(of: { collective?: string; entries?: readonly Entry[] }): string {
  const { collective = 'PENDING', entries = [] } = of
  return JSON.stringify({
    result: { resultCode: 'SUCCESS', resultStatus: 'S', resultMessage: 'success' },
    registrationResult: { registrationStatus: collective },
    pspRegistrationResultList: entries.map(itemOf),
  })
}

function itemOf({ psp = 'ALIPAY_CN', codes, status = 'PENDING', reason }: Entry) {
  return {
    pspName: psp,
    registrationResult: { registrationStatus: status, rejectionReason: reason },
    productCodes: codes ?? ['IN_STORE_PAYMENT'],
  }
}

/** What a state record keeps, as a build with the next fold version would write it. For tests. */
export function asOfLaterBuild(kept: string): string {
  return withChecksum(`${(foldVersion + 1).toString(36)}${kept.slice(8)}`)
}

/** What a state record keeps, in a form that is not known any more. For tests. */
export function ofOlderForm(kept: string): string {
  return withChecksum(kept.slice(7).replace(/\n./, '\n1'))
}

function withChecksum(text: string): string {
  return crc32(text).toString(36).padStart(7, '0') + text
}
