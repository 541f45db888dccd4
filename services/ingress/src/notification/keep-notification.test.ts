import assert from 'node:assert/strict'
import { randomUUIDv7 } from 'node:crypto'
import {
  createSignature,
  formatSignatureHeader,
  parseSignatureHeader,
  verifySignature,
} from '@signalbox/alipay/signature'
import { parseRawHeaders, type RawHeaders } from '@signalbox/contracts/raw-record'
import { partitionOf } from '@signalbox/kafka/partition'
import type { AppendResult, LogRecord } from '@signalbox/kafka/producer'
import { expect, test } from 'vitest'
import type { AdmittedHead } from './check-head.ts'
import { createKeepNotification } from './keep-notification.ts'
import { verifyHere } from './open-verifier.ts'
import { alipay, client } from '../test-client.fixture.ts'

const uri = '/notify/registration?a=1'
const time = '1685599933871'
const body = Buffer.from('\uFEFF{\r\n  "referenceMerchantId": "M1",\r\n  "n": 2.0300 }\r\n')

async function admitted(signed: Buffer): Promise<AdmittedHead> {
  const signature = await createSignature(
    { uri, clientId: client.clientId, time, body: signed },
    alipay.privateKey,
  )
  return {
    kind: 'admitted',
    addressee: { client: { ...client, dialect: 'ams', push: true }, uri },
    requestTime: time,
    requestTimeMs: 1685599933871,
    signatureHeader: formatSignatureHeader({ keyVersion: '1', signature }),
    signature,
    keys: client.verifyingKeys,
    declaredBytes: 0,
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  }
}

function keeperOver(
  result: AppendResult,
  {
    maxRequestAgeMs = null,
    ageMs = 0,
    hasRoom = true,
  }: { maxRequestAgeMs?: number | null; ageMs?: number; hasRoom?: boolean } = {},
) {
  const waits: string[] = []
  const appended: { record: LogRecord; deadlineMs: number }[] = []
  const keep = createKeepNotification({
    notifications: {
      append: (record, { deadlineMs }) => {
        appended.push({ record, deadlineMs })
        return Promise.resolve(result)
      },
    },
    verify: verifyHere,
    gate: {
      enter(clientId) {
        waits.push(`enter ${clientId}`)
        return hasRoom ? null : 'waiting_limit'
      },
      leave: (clientId) => void waits.push(`leave ${clientId}`),
    },
    partitions: 12,
    ackDeadlineMs: 1_234,
    maxRequestAgeMs,
    createId: randomUUIDv7,
    now: () => Number(time) + ageMs,
  })
  return { keep, appended, waits }
}

test('a notification is appended byte for byte, with headers that verify it again', async () => {
  const { keep, appended } = keeperOver({ kind: 'stored', offset: '5' })
  const kept = await keep(await admitted(body), body)
  const key = 'T_111222333/M1'
  const partition = partitionOf(key, 12)
  expect(kept).toMatchObject({ code: 'SUCCESS', partition })
  expect(kept.notificationId).toMatch(uuidv7)
  const { record, deadlineMs } = theOnly(appended)
  expect(deadlineMs).toBe(1_234)
  expect(record).toMatchObject({ topic: 'registration.raw.v1', key, partition })
  expect(record.value).toEqual(body)
  const headers = headersOf(record)
  expect(headers).toMatchObject({
    kind: 'notification',
    notificationId: kept.notificationId,
    requestUri: uri,
    dialect: 'ams',
    push: true,
    keyVersion: '1',
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  })
  const parts = { uri: headers.requestUri, clientId: headers.clientId, time: headers.requestTime, body }
  const signature = parseSignatureHeader(headers.signature)?.signature ?? Buffer.alloc(0)
  expect(verifySignature(parts, signature, alipay.publicKey)).toBe(true)
})

test('what is signed but unusable is kept in quarantine with its reason, and refused', async () => {
  const signed = Buffer.from('not json')
  const { keep, appended } = keeperOver({ kind: 'stored', offset: '5' })
  expect(await keep(await admitted(signed), signed)).toMatchObject({
    code: 'PARAM_ILLEGAL',
    reason: 'not_json_object',
  })
  const { record } = theOnly(appended)
  expect(record).toMatchObject({ topic: 'registration.quarantine.v1', key: 'T_111222333//', value: signed })
  expect(record.headers).toMatchObject({ 'dlq-error-code': 'not_json_object' })
  expect(record.headers).not.toHaveProperty('dlq-original-offset')
  expect(headersOf(record)).toMatchObject({ clientId: client.clientId, requestTime: time })
})

test('nothing forged is appended anywhere', async () => {
  const { keep, appended } = keeperOver({ kind: 'stored', offset: '5' })
  const head = await admitted(body)
  expect(await keep(head, Buffer.from('{"referenceMerchantId":"M2"}'))).toEqual({
    code: 'INVALID_SIGNATURE',
    reason: 'signature',
  })
  expect(appended).toEqual([])
})

test.each<[AppendResult, string, string]>([
  [{ kind: 'unconfirmed', reason: 'deadline' }, 'UNKNOWN_EXCEPTION', 'deadline'],
  [{ kind: 'unconfirmed', reason: 'broker' }, 'UNKNOWN_EXCEPTION', 'broker'],
  [{ kind: 'unconfirmed', reason: 'closed' }, 'UNKNOWN_EXCEPTION', 'closed'],
  [{ kind: 'refused', reason: 'queue_full' }, 'REQUEST_TRAFFIC_EXCEED_LIMIT', 'queue_full'],
  [{ kind: 'refused', reason: 'too_large' }, 'UNKNOWN_EXCEPTION', 'too_large'],
])('never S, and never a final refusal, without the broker: %j is %s', async (result, code, reason) => {
  for (const content of ['{"referenceMerchantId":"M1"}', 'not json']) {
    const signed = Buffer.from(content)
    const { keep } = keeperOver(result)
    expect(await keep(await admitted(signed), signed)).toMatchObject({ code, reason })
  }
})

const uuidv7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

function theOnly<T>(items: readonly T[]): T {
  const [only, ...more] = items
  assert(only !== undefined && more.length === 0, `there are ${items.length}, not one`)
  return only
}

function headersOf({ headers = {} }: LogRecord): RawHeaders {
  const buffers = Object.entries(headers).map(([name, value]) => [name, Buffer.from(value)] as const)
  const parsed = parseRawHeaders(new Map(buffers))
  assert(parsed !== null, 'the headers are those of a raw record')
  return parsed
}

async function keepAt(ageMs: number) {
  const { keep, appended } = keeperOver({ kind: 'stored', offset: '5' }, { maxRequestAgeMs: 60_000, ageMs })
  const { code, reason } = await keep(await admitted(body), body)
  return { code, reason, topic: theOnly(appended).record.topic }
}

test('over the age limit it is refused and kept in quarantine; at the limit, or ahead of time, it is taken', async () => {
  const taken = { code: 'SUCCESS', topic: 'registration.raw.v1' }
  expect(await keepAt(60_000)).toEqual(taken)
  expect(await keepAt(-3_600_000)).toEqual(taken)
  expect(await keepAt(60_001)).toEqual({
    code: 'ACCESS_DENIED',
    reason: 'over_age',
    topic: 'registration.quarantine.v1',
  })
})

test('it waits as one of its client, and is refused without a place', async () => {
  const taken = keeperOver({ kind: 'unconfirmed', reason: 'deadline' })
  await taken.keep(await admitted(body), body)
  expect(taken.waits).toEqual(['enter T_111222333', 'leave T_111222333'])
  const refused = keeperOver({ kind: 'stored', offset: '5' }, { hasRoom: false })
  expect(await refused.keep(await admitted(body), body)).toMatchObject({
    code: 'REQUEST_TRAFFIC_EXCEED_LIMIT',
    reason: 'waiting_limit',
  })
  expect(refused.appended).toEqual([])
  expect(refused.waits).toEqual(['enter T_111222333'])
})

test('an id of nothing but escapes does not make the key larger than the body', async () => {
  const long = Buffer.from(JSON.stringify({ referenceMerchantId: '\u4e2d'.repeat(100_000) }))
  const { keep, appended } = keeperOver({ kind: 'stored', offset: '5' })
  await keep(await admitted(long), long)
  expect(theOnly(appended).record.key.length).toBeLessThan(3_000)
})
