import fc from 'fast-check'
import { expect, test } from 'vitest'
import { inquiryRequest, readInquiryBody } from './inquiry-body.ts'

const read = (text: string) => readInquiryBody(Buffer.from(text, 'utf8'))
const success = { resultCode: 'SUCCESS', resultStatus: 'S', resultMessage: 'Success' }

test('an answer is read with the members we use, and without those about the call', () => {
  const said = {
    registrationResult: { registrationStatus: 'COMPLETED' },
    pspRegistrationResultList: [
      {
        pspName: 'GCASH',
        productCodes: ['CASHIER_PAYMENT'],
        registrationResult: { registrationStatus: 'REJECTED', rejectionReason: 'no licence' },
      },
    ],
  }
  const body = read(JSON.stringify({ result: success, ...said, later: 1 }))
  expect(body).toEqual({ kind: 'body', body: said })
})

test.each([
  ['PENDING without a list', { registrationResult: { registrationStatus: 'PENDING' } }],
  [
    'COMPLETED with an entry whose status is null',
    {
      registrationResult: { registrationStatus: 'COMPLETED' },
      pspRegistrationResultList: [{ pspName: 'AlipayCN', registrationResult: { registrationStatus: null } }],
    },
  ],
  ['nothing but the result', {}],
])('an AMS answer may say %s', (_, said) => {
  expect(read(JSON.stringify({ result: success, ...said }))).toEqual({ kind: 'body', body: said })
})

test.each([
  ['U', 'UNKNOWN_EXCEPTION'],
  ['F', 'RECORD_NOT_FOUND'],
])('an answer with status %s tells no state, whatever else it says', (resultStatus, resultCode) => {
  const result = { resultCode, resultStatus }
  const registrationResult = { registrationStatus: 'COMPLETED' }
  expect(read(JSON.stringify({ result, registrationResult }))).toEqual({
    kind: 'failed',
    resultStatus,
    resultCode,
  })
})

const wrap = (inner: string) => `{"result":{"resultCode":"SUCCESS","resultStatus":"S"},${inner}}`

test.each([
  ['no JSON', 'canary', 'not_json_object', ''],
  ['a list', '["canary"]', 'not_json_object', ''],
  ['no result', '{"registrationResult":null}', 'wrong_type', 'result'],
  [
    'an unknown result status',
    '{"result":{"resultCode":"C","resultStatus":"canary"}}',
    'wrong_type',
    'result.resultStatus',
  ],
  [
    'two results',
    '{"result":{},"result":{"resultCode":"C","resultStatus":"S"}}',
    'duplicate_member',
    'result',
  ],
  [
    'two statuses',
    wrap('"registrationResult":{"registrationStatus":"PENDING","registrationStatus":"COMPLETED"}'),
    'duplicate_member',
    'registrationResult.registrationStatus',
  ],
  [
    'a list that is none',
    wrap('"pspRegistrationResultList":"canary"'),
    'wrong_type',
    'pspRegistrationResultList',
  ],
  ['too deep nesting', wrap(`"x":${'['.repeat(40)}${']'.repeat(40)}`), 'too_deep', ''],
])('an answer with %s cannot be read, and why is told without its text', (_, text, reason, where) => {
  expect(read(text)).toEqual({ kind: 'unreadable', reason, where })
})

test('any bytes are read, or said to be unreadable or failed, and never throw', () => {
  const status = fc.oneof(fc.constantFrom('S', 'F', 'U'), fc.jsonValue())
  const anyBody = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc
      .record(
        {
          result: fc.record({ resultCode: fc.oneof(fc.string(), fc.jsonValue()), resultStatus: status }),
          registrationResult: fc.jsonValue(),
          pspRegistrationResultList: fc.jsonValue(),
        },
        { requiredKeys: [] },
      )
      .map((body) => Buffer.from(JSON.stringify(body))),
  )
  fc.assert(
    fc.property(anyBody, (bytes) => {
      expect(['body', 'failed', 'unreadable']).toContain(readInquiryBody(bytes).kind)
    }),
    { numRuns: 2_000 },
  )
})

test.each([
  ['a merchant and a store', { referenceMerchantId: 'M', referenceStoreId: 'S' }, true],
  ['a request alone', { registrationRequestId: 'R' }, true],
  ['nothing', {}, false],
  ['only nulls', { referenceMerchantId: null }, false],
  ['an empty id', { referenceMerchantId: '' }, false],
  ['a number', { referenceMerchantId: 7 }, false],
])('a request that names %s', (_, ids, isOne) => {
  expect(inquiryRequest.safeParse(ids).success).toBe(isOne)
})
