import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeCommandHeaders } from './command-record.ts'
import { encodeInquiryHeaders, type InquiryHeaders } from './inquiry-record.ts'
import { encodeRawHeaders, type RawHeaders } from './raw-record.ts'
import { type RawRecord, readRecord } from './read-record.ts'

const appendTimeMs = Date.UTC(2024, 0, 1)
const requestTimeMs = appendTimeMs - 1_000
const cause = { notificationId: 'n7', requestTime: '2024-01-01T00:00:00Z', traceparent: '00-abc-def-01' }

const binary = (headers: Record<string, string>) =>
  new Map(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)]))

type Of = { body?: string; key?: string | null; appendTimeMs?: number }

const record = (headers: Record<string, string>, of: Of): RawRecord => ({
  key: of.key === undefined ? 'client/M' : of.key,
  value: Buffer.from(of.body ?? bodyOf({})),
  timestampMs: of.appendTimeMs ?? appendTimeMs,
  headers: binary(headers),
})

const notification = (of: Of & { headers?: Partial<RawHeaders> }) =>
  record(
    encodeRawHeaders({
      ...cause,
      kind: 'notification',
      requestUri: '/notify',
      clientId: 'client',
      requestTimeMs,
      signature: 'signature',
      keyVersion: '1',
      dialect: 'alipayplus',
      push: false,
      ...of.headers,
    }),
    of,
  )

const read = (of: Parameters<typeof notification>[0]) => readRecord(notification(of))

function bodyOf(of: { store?: string; round?: string; entries?: { status: string; reason?: string }[] }) {
  return JSON.stringify({
    referenceMerchantId: 'M',
    referenceStoreId: of.store,
    registrationRequestId: of.round,
    registrationResult: { registrationStatus: 'PENDING' },
    pspRegistrationResultList: of.entries?.map(({ status, reason }) => ({
      pspName: 'ALIPAY_CN',
      registrationResult: { registrationStatus: status, rejectionReason: reason },
      productCodes: ['IN_STORE_PAYMENT'],
    })),
  })
}

test('a notification is read with its headers, its body and its append time', () => {
  const said = read({
    body: bodyOf({ store: 'S', round: 'R', entries: [{ status: 'REJECTED', reason: 'why' }] }),
    headers: { requestTimeMs: 1_000, clientId: 'client' },
  })
  expect(said).toMatchObject({
    kind: 'statement',
    cause,
    statement: {
      kind: 'notification',
      registration: { clientId: 'client', referenceMerchantId: 'M', referenceStoreId: 'S' },
      round: 'R',
      requestTimeMs: 1_000,
      collective: 'PENDING',
      entries: [
        { pspName: 'ALIPAY_CN', productCode: 'IN_STORE_PAYMENT', status: 'REJECTED', rejectionReason: 'why' },
      ],
    },
  })
})

test.each([
  ['rejectionReason', { rejectionReason: 'a' }, 'a'],
  ['rejectReasons', { rejectReasons: 'a' }, 'a'],
  ['a list of them', { rejectReasons: ['b', 'a'] }, 'a; b'],
  ['the alias when the other is null', { rejectionReason: null, rejectReasons: 'a' }, 'a'],
  ['the alias when the other is empty', { rejectionReason: '', rejectReasons: 'a' }, 'a'],
  ['the alias when the other holds nothing', { rejectionReason: ['', ''], rejectReasons: 'a' }, 'a'],
  ['nothing when both are empty', { rejectionReason: '', rejectReasons: [] }, null],
  ['rejectionReason when both are given', { rejectionReason: 'a', rejectReasons: 'b' }, 'a'],
])('a reason may be given as %s', (_, reasons, reason) => {
  const body = JSON.stringify({
    referenceMerchantId: 'M',
    registrationResult: { registrationStatus: 'COMPLETED' },
    pspRegistrationResultList: [
      {
        pspName: 'P',
        productCodes: ['CASHIER_PAYMENT'],
        registrationResult: { registrationStatus: 'REJECTED', ...reasons },
      },
    ],
  })
  expect(read({ body })).toMatchObject({ statement: { entries: [{ rejectionReason: reason }] } })
})

test.each([
  ['headers that are not ours', { headers: { clientId: '' } }, 'unreadable_record', 'headers'],
  ['the key of another merchant', { key: 'client/N' }, 'unreadable_record', 'key'],
  ['no key', { key: null }, 'unreadable_record', 'key'],
  ['no JSON', { body: '<xml/>' }, 'not_json_object', ''],
  ['a wrong type', { body: '{"referenceMerchantId":7}' }, 'wrong_type', 'referenceMerchantId'],
  [
    'no merchant',
    { body: '{"registrationRequestId":"R"}', key: 'client//R' },
    'unattributable',
    'referenceMerchantId',
  ],
  ['a store missing in push mode', { headers: { push: true } }, 'store_missing', 'referenceStoreId'],
  [
    'a Request-Time days after its arrival',
    { appendTimeMs: 0, headers: { requestTimeMs: 48 * 3_600_000 + 1 } },
    'implausible_time',
    'Request-Time',
  ],
])('a record with %s is set aside', (_, of, reason, where) => {
  expect(read(of)).toMatchObject({ kind: 'quarantine', reason, where })
})

test('a notification that names no merchant is about the one that a person has named', () => {
  const headers = { attributedTo: 'M' }
  const registration = { referenceMerchantId: 'M' }
  const unnamed = '{"registrationRequestId":"R","registrationResult":{"registrationStatus":"PENDING"}}'
  expect(read({ body: unnamed, headers })).toMatchObject({ statement: { registration, round: 'R' } })
  const empty = unnamed.replace('{', '{"referenceMerchantId":"",')
  expect(read({ body: empty, headers })).toMatchObject({ statement: { registration } })
  // What the sender names stands.
  expect(read({ headers: { attributedTo: 'N' } })).toMatchObject({ statement: { registration } })
  expect(read({ body: unnamed, headers: { attributedTo: 'N' } })).toMatchObject({ where: 'key' })
})

const inquiry = (of: Of & { headers?: Partial<InquiryHeaders> }) =>
  readRecord(
    record(
      encodeInquiryHeaders({
        ...cause,
        kind: 'inquiry',
        clientId: 'client',
        dialect: 'alipayplus',
        askedMerchantId: 'M',
        askedStoreId: 'S',
        askedRequestId: 'R',
        requestUri: '/inquire',
        requestTimeMs,
        signature: 'signature',
        keyVersion: '1',
        ...of.headers,
      }),
      of,
    ),
  )

const answer = (status: string) =>
  JSON.stringify({
    result: { resultCode: 'SUCCESS', resultStatus: status },
    registrationResult: { registrationStatus: 'COMPLETED' },
  })

test('an answer to an inquiry is about what was asked', () => {
  expect(inquiry({ body: answer('S') })).toMatchObject({
    kind: 'statement',
    cause,
    statement: {
      kind: 'inquiry',
      registration: { clientId: 'client', referenceMerchantId: 'M', referenceStoreId: 'S' },
      round: 'R',
      requestTimeMs,
      collective: 'COMPLETED',
    },
  })
  const headers = { askedStoreId: null, askedRequestId: null }
  expect(inquiry({ body: answer('S'), headers })).toMatchObject({
    statement: { registration: { referenceStoreId: null }, round: null },
  })
})

test.each([
  ['that tells no status', { body: answer('F') }, 'unreadable_record', 'result.resultStatus'],
  ['that is no JSON', { body: '<html>' }, 'not_json_object', ''],
  ['under another key', { body: answer('S'), key: 'client/N' }, 'unreadable_record', 'key'],
  ['with other headers', { headers: { askedMerchantId: '' } }, 'unreadable_record', 'headers'],
])('an answer %s is set aside', (_, of, reason, where) => {
  expect(inquiry(of)).toMatchObject({ kind: 'quarantine', reason, where })
})

const command = (body: object, of: Of = {}) =>
  readRecord(
    record(encodeCommandHeaders({ ...cause, kind: 'command', clientId: 'client', issuedBy: 'ops' }), {
      ...of,
      body: JSON.stringify(body),
    }),
  )

const opened = {
  command: 'registration.opened',
  referenceMerchantId: 'M',
  registrationRequestId: 'R',
  openedAt: '2023-12-31T08:00:00+08:00',
  productCodes: ['B', 'A', 'B'],
}

test('a command takes effect with its append, and a round was opened when it says so', () => {
  const registration = { clientId: 'client', referenceMerchantId: 'M', referenceStoreId: null }
  expect(command(opened)).toMatchObject({
    kind: 'statement',
    cause,
    marks: [],
    statement: {
      kind: 'opening',
      registration,
      round: 'R',
      openedAtMs: Date.UTC(2023, 11, 31),
      productCodes: ['A', 'B'],
    },
  })
  const about = { referenceMerchantId: 'M', referenceStoreId: 'S' }
  expect(command({ command: 'registration.erased', ...about })).toMatchObject({
    statement: {
      kind: 'erasure',
      registration: { ...registration, referenceStoreId: 'S' },
      erasedAtMs: appendTimeMs,
    },
  })
  expect(command({ command: 'registration.forgotten', ...about })).toMatchObject({
    statement: { kind: 'forgetting', appendTimeMs },
  })
})

test('ids of a command have as many characters as all ids, each of one or two units', () => {
  const about = { referenceMerchantId: '\u{20000}'.repeat(64), referenceStoreId: '\u{20000}'.repeat(32) }
  const key = `client/${'%F0%A0%80%80'.repeat(64)}`
  for (const name of ['registration.erased', 'registration.forgotten']) {
    expect(command({ command: name, ...about }, { key })).toMatchObject({ kind: 'statement' })
  }
})

test.each([
  ['nobody knows', { command: 'registration.closed' }, {}, 'wrong_type', 'command'],
  ['names no merchant', { command: 'registration.erased' }, {}, 'wrong_type', 'referenceMerchantId'],
  ['stands under another key', opened, { key: 'client/N' }, 'unreadable_record', 'key'],
  ['opens a round days from now', opened, { appendTimeMs: 0 }, 'implausible_time', 'openedAt'],
  [
    'names a merchant that has no text form',
    { command: 'registration.erased', referenceMerchantId: '\ud800' },
    { key: 'client/%EF%BF%BD' },
    'invalid_text',
    'referenceMerchantId',
  ],
  [
    'erases a merchant of 65 characters',
    { command: 'registration.erased', referenceMerchantId: 'm'.repeat(65) },
    { key: `client/${'m'.repeat(65)}` },
    'over_long_id',
    'referenceMerchantId',
  ],
  [
    'forgets a store of 33 characters',
    { command: 'registration.forgotten', referenceMerchantId: 'M', referenceStoreId: '\u{20000}'.repeat(33) },
    {},
    'over_long_id',
    'referenceStoreId',
  ],
])('a command that %s is set aside', (_, body, of, reason, where) => {
  expect(command(body, of)).toMatchObject({ kind: 'quarantine', reason, where })
})

test.each(['notification', 'inquiry', 'command'])('a %s without a value is set aside', (kind) => {
  const written = { notification: notification({}), inquiry: inquiry({}).record, command: command({}).record }
  const found = Object.entries(written).find(([name]) => name === kind)?.[1] ?? notification({})
  expect(readRecord({ ...found, value: null })).toMatchObject({
    kind: 'quarantine',
    reason: 'unreadable_record',
    where: 'value',
    cause,
  })
})

test('what is odd about a record is marked, on what is let in and on what is set aside', () => {
  const long = 'm'.repeat(33)
  const at = { appendTimeMs: 0, headers: { requestTimeMs: 6 * 60_000 } }
  expect(read({ body: bodyOf({ store: '' }), ...at })).toMatchObject({
    kind: 'statement',
    marks: ['empty_text', 'early'],
  })
  expect(read({ body: `{"referenceMerchantId":"${long}"}` })).toMatchObject({
    kind: 'quarantine',
    reason: 'missing_member',
    marks: ['long_merchant_id'],
  })
  expect(read({ body: 'not JSON', ...at })).toMatchObject({ kind: 'quarantine', marks: [] })
})

test('any record is read as one or the other and never throws', () => {
  const anyText = fc.oneof(fc.constantFrom('', 'M', 'PENDING', 'APPROVED'), fc.string({ unit: 'binary' }))
  const likeOurs = fc.record(
    {
      referenceMerchantId: fc.constant('M'),
      referenceStoreId: fc.option(anyText),
      registrationRequestId: fc.option(anyText),
      registrationResult: fc.record({ registrationStatus: fc.constantFrom('PENDING', 'COMPLETED') }),
      pspRegistrationResultList: fc.array(
        fc.record(
          {
            pspName: anyText,
            productCodes: fc.array(anyText, { minLength: 1 }),
            registrationResult: fc.option(
              fc.record({
                registrationStatus: anyText,
                rejectionReason: fc.oneof(anyText, fc.array(anyText)),
              }),
            ),
          },
          { requiredKeys: ['pspName', 'productCodes'] },
        ),
        { maxLength: 2 },
      ),
      other: fc.jsonValue(),
    },
    { requiredKeys: ['referenceMerchantId', 'registrationResult'] },
  )
  const ours = notification({})
  const record = fc.record({
    key: fc.oneof({ arbitrary: fc.constant(ours.key), weight: 9 }, fc.option(fc.string())),
    value: fc.oneof(
      { arbitrary: likeOurs.map((body) => Buffer.from(JSON.stringify(body))), weight: 4 },
      fc.option(fc.uint8Array()),
      fc.json().map((text) => Buffer.from(text)),
    ),
    headers: fc.dictionary(fc.constantFrom('kind', 'client-id', 'request-time-ms'), fc.string()),
    isOurs: fc.oneof({ arbitrary: fc.constant(true), weight: 9 }, fc.boolean()),
  })
  const met = { statement: 0, quarantine: 0 }
  fc.assert(
    fc.property(record, ({ key, value, headers, isOurs }) => {
      const said = readRecord({
        ...ours,
        key,
        value: value === null ? null : Buffer.from(value),
        headers: isOurs ? ours.headers : binary(headers),
      })
      expect(['statement', 'quarantine']).toContain(said.kind)
      met[said.kind] += 1
    }),
    { numRuns: 500 },
  )
  // Or the property would prove little.
  expect(met.statement).toBeGreaterThan(50)
  expect(met.quarantine).toBeGreaterThan(50)
})
