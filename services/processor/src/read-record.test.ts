import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bodyOf, rawRecord, type RawRecordOf } from './raw-log.fixture.ts'
import { readRecord } from './read-record.ts'

const read = (of: Partial<RawRecordOf>) => readRecord(rawRecord({ offset: 7n, body: bodyOf({}), ...of }))

test('a notification is read with its headers, its body and its append time', () => {
  const said = read({
    body: bodyOf({ store: 'S', round: 'R', entries: [{ status: 'REJECTED', reason: 'why' }] }),
    headers: { requestTimeMs: 1_000, clientId: 'client' },
  })
  expect(said).toMatchObject({
    kind: 'observation',
    headers: { notificationId: 'notification-7' },
    observation: {
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
  expect(read({ body })).toMatchObject({ observation: { entries: [{ rejectionReason: reason }] } })
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

test('a record without a value is set aside', () => {
  expect(readRecord({ ...rawRecord({ offset: 1n, body: '' }), value: null })).toMatchObject({
    kind: 'quarantine',
    reason: 'unreadable_record',
    where: 'value',
  })
})

test('what is odd about a record is marked, on what is let in and on what is set aside', () => {
  const long = 'm'.repeat(33)
  const at = { appendTimeMs: 0, headers: { requestTimeMs: 6 * 60_000 } }
  expect(read({ body: bodyOf({ store: '' }), ...at })).toMatchObject({
    kind: 'observation',
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
  const ours = rawRecord({ offset: 0n, body: '' })
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
  const met = { observation: 0, quarantine: 0 }
  fc.assert(
    fc.property(record, ({ key, value, headers, isOurs }) => {
      const said = readRecord({
        ...ours,
        key,
        value: value === null ? null : Buffer.from(value),
        headers: isOurs
          ? ours.headers
          : new Map(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)])),
      })
      expect(['observation', 'quarantine']).toContain(said.kind)
      met[said.kind] += 1
    }),
    { numRuns: 500 },
  )
  // Or the property would prove little.
  expect(met.observation).toBeGreaterThan(50)
  expect(met.quarantine).toBeGreaterThan(50)
})
