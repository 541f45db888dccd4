import { encodeCommandHeaders } from '@signalbox/contracts/command-record'
import { encodeInquiryHeaders } from '@signalbox/contracts/inquiry-record'
import { readRecord } from '@signalbox/contracts/read-record'
import { partitionOf } from '@signalbox/kafka/partition'
import type { LogRecord } from '@signalbox/kafka/producer'
import { describe, expect, test } from 'vitest'
import { type LoggedRecord, readQuarantined } from './quarantined-record.ts'
import { redriveRecord } from './redrive-record.ts'
import { asideByProcessor, createScene, names, notification, partitions } from './set-aside.fixture.ts'

const scene = createScene()

function putBack(aside: LoggedRecord, attributedTo: string | null = null) {
  const read = readQuarantined(aside)
  if (read === null) throw new Error('not a record of quarantine')
  return redriveRecord(read, { topic: names.raw, partitions, attributedTo })
}

function recordOf(made: ReturnType<typeof putBack>): LogRecord {
  if (made.kind !== 'record') throw new Error(made.obstacle)
  return made.record
}

const asText = (headers: LogRecord['headers'] = {}) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))

test('the original bytes, headers, key and partition go back, and where they came from', () => {
  const raw = scene.append(notification({ id: 'n1' }))
  const record = recordOf(putBack(scene.append(asideByProcessor(raw, 'wrong_type'))))
  expect(record).toMatchObject({
    topic: 'registration.raw.v1',
    partition: raw.partition,
    key: raw.key,
    value: raw.value,
  })
  expect(asText(record.headers)).toEqual({
    ...notification({ id: 'n1' }).headers,
    'replayed-from': `registration.raw.v1/${raw.partition}/${raw.offset}`,
  })
})

test('what is put back of what was put back comes from the same place', () => {
  const first = scene.setAside('wrong_type')
  const again = scene.append(recordOf(putBack(first)))
  const record = recordOf(putBack(scene.append(asideByProcessor(again, 'wrong_type'))))
  expect(asText(record.headers)).toEqual(asText(Object.fromEntries(again.headers)))
})

describe('what names no merchant', () => {
  test.each(['unattributable', 'unroutable'])('(%s) goes to the one that is named', (reason) => {
    const round = reason === 'unroutable' ? null : 'R1'
    const record = recordOf(putBack(scene.setAside(reason, { merchant: null, round }), 'M/5'))
    expect(record).toMatchObject({ key: 'C1/M%2F5', partition: partitionOf('C1/M%2F5', partitions) })
    expect(asText(record.headers)['attributed-to']).toBe('M/5')
    expect(readRecord(scene.append(record))).toMatchObject({
      kind: 'statement',
      statement: { registration: { clientId: 'C1', referenceMerchantId: 'M/5' } },
    })
  })

  test('stays with its merchant when it is put back again, and goes to another that is named then', () => {
    const first = scene.append(recordOf(putBack(scene.setAside('unattributable', { merchant: null }), 'M5')))
    const aside = scene.append(asideByProcessor(first, 'wrong_type'))
    expect(recordOf(putBack(aside)).key).toBe('C1/M5')
    expect(recordOf(putBack(aside, 'M6')).key).toBe('C1/M6')
  })
})

test.each([
  ['inquiry', { key: 'elsewhere' }],
  ['command', { key: 'elsewhere' }],
  ['notification', { key: 'elsewhere' }],
])('a record of kind %s under a wrong key gets the right one', (kind, wrong) => {
  const made = { inquiry, command, notification: notification() }[kind] ?? notification()
  const raw = scene.append({ ...made, ...wrong })
  const record = recordOf(putBack(scene.append(asideByProcessor(raw, 'unreadable_record', 'key'))))
  expect(record).toMatchObject({ key: 'C1/M1', partition: partitionOf('C1/M1', partitions) })
  expect(readRecord(scene.append(record))).toMatchObject({ kind: 'statement' })
})

test.each([
  [
    'without bytes',
    () => scene.append(asideByProcessor(without('value'), 'unreadable_record')),
    null,
    'no_bytes',
  ],
  [
    'without headers',
    () => scene.append(asideByProcessor(without('headers'), 'unreadable_record')),
    null,
    'headers_incomplete',
  ],
  [
    'of another kind',
    () => scene.setAside('unreadable_record', { headers: { kind: 'parcel' } }),
    null,
    'headers_incomplete',
  ],
  ['that is no JSON', () => scene.refuse('not_json_object', { body: 'PK' }), null, 'no_json_object'],
  [
    'that is no JSON, with a merchant',
    () => scene.refuse('not_json_object', { body: 'PK' }),
    'M1',
    'no_json_object',
  ],
  ['without merchant', () => scene.setAside('unattributable', { merchant: null }), null, 'no_merchant'],
  ['without any id', () => scene.refuse('unroutable', { merchant: null, round: null }), null, 'no_merchant'],
  ['with a merchant of its own', () => scene.setAside('wrong_type'), 'M2', 'names_merchant'],
  [
    'that is a command',
    () => scene.append(asideByProcessor(scene.append(command), 'x')),
    'M2',
    'names_merchant',
  ],
])('a record %s cannot be put back', (_, aside, attributedTo, obstacle) => {
  expect(putBack(aside(), attributedTo)).toEqual({ kind: 'impossible', obstacle })
})

test('what was in the raw topic already goes back there, whatever can be read of it', () => {
  expect(putBack(scene.setAside('not_json_object', { body: 'PK' })).kind).toBe('record')
})

const command: LogRecord = {
  ...notification(),
  value: JSON.stringify({ command: 'registration.erased', referenceMerchantId: 'M1' }),
  headers: encodeCommandHeaders({
    kind: 'command',
    notificationId: 'n2',
    clientId: 'C1',
    requestTime: '2026-06-01T00:00:00Z',
    issuedBy: 'somebody',
    traceparent: null,
  }),
}

const inquiry: LogRecord = {
  ...notification(),
  value: JSON.stringify({
    result: { resultCode: 'SUCCESS', resultStatus: 'S' },
    registrationResult: { registrationStatus: 'COMPLETED' },
  }),
  headers: encodeInquiryHeaders({
    kind: 'inquiry',
    notificationId: 'n3',
    clientId: 'C1',
    dialect: 'alipayplus',
    askedMerchantId: 'M1',
    askedStoreId: null,
    askedRequestId: null,
    requestUri: '/inquiry',
    requestTime: '1704135845000',
    requestTimeMs: 1_704_135_845_000,
    signature: 's',
    keyVersion: '1',
    traceparent: null,
  }),
}

function without(part: 'value' | 'headers'): LoggedRecord {
  return scene.append({ ...notification(), ...(part === 'value' ? { value: null } : { headers: {} }) })
}
