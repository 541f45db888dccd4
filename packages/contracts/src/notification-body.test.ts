import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readNotificationBody, readRouting } from './notification-body.ts'

const bytes = (text: string) => Buffer.from(text, 'utf8')
const read = (text: string) => readNotificationBody(bytes(text))

describe('a body', () => {
  test('is read with the members we use, in their JSON types', () => {
    const item = {
      pspName: 'ALIPAY_CN',
      registrationResult: { registrationStatus: 'REJECTED', rejectionReason: 'why' },
      productCodes: ['IN_STORE_PAYMENT'],
    }
    const body = {
      referenceMerchantId: 'M',
      referenceStoreId: null,
      registrationResult: { registrationStatus: 'COMPLETED' },
      pspRegistrationResultList: [item],
    }
    expect(read(JSON.stringify({ ...body, unknown: { deep: [1] } }))).toEqual({ kind: 'body', body })
  })

  test.each([
    ['an empty object', '{}', {}],
    ['a byte order mark', '\uFEFF{"referenceMerchantId":"M"}', { referenceMerchantId: 'M' }],
    [
      'lists of reasons under either name',
      reasons('["a","b"]'),
      {
        pspRegistrationResultList: [
          { registrationResult: { rejectionReason: ['a', 'b'], rejectReasons: ['a', 'b'] } },
        ],
      },
    ],
    ['a member twice that we do not use', '{"extra":1,"extra":2}', {}],
    ['a depth of 32', `{"extra":${'['.repeat(31)}${']'.repeat(31)}}`, {}],
    ['__proto__ as a member, which stays a member', '{"__proto__":{"referenceMerchantId":"M"}}', {}],
  ])('may be %s', (_, text, body) => {
    expect(read(text)).toEqual({ kind: 'body', body })
  })

  test.each([
    ['nothing', '', 'not_json_object', ''],
    ['not JSON', '{"a":', 'not_json_object', ''],
    ['a list', '[]', 'not_json_object', ''],
    ['null', 'null', 'not_json_object', ''],
    ['a text', '"{}"', 'not_json_object', ''],
    ['two objects', '{}{}', 'not_json_object', ''],
    ['deeper than 32', `{"extra":${'['.repeat(32)}${']'.repeat(32)}}`, 'too_deep', ''],
    ['two million and more tokens', `{"extra":[${'0,'.repeat(1_100_000)}0]}`, 'too_many_tokens', ''],
    ['very deep', `{"extra":${'['.repeat(500_000)}${']'.repeat(500_000)}}`, 'too_deep', ''],
    [
      'a routing member twice',
      '{"referenceMerchantId":"a","referenceMerchantId":"b"}',
      'duplicate_member',
      'referenceMerchantId',
    ],
    [
      'a member of an item twice',
      '{"pspRegistrationResultList":[{"pspName":"a","pspName":"a"}]}',
      'duplicate_member',
      'pspRegistrationResultList[].pspName',
    ],
    ['a number as an id', '{"referenceMerchantId":1}', 'wrong_type', 'referenceMerchantId'],
    ['an object as the list', '{"pspRegistrationResultList":{}}', 'wrong_type', 'pspRegistrationResultList'],
    ['null as an item', '{"pspRegistrationResultList":[null]}', 'wrong_type', 'pspRegistrationResultList[0]'],
    [
      'a code that is no text',
      '{"pspRegistrationResultList":[{"productCodes":["a",{}]}]}',
      'wrong_type',
      'pspRegistrationResultList[0].productCodes[1]',
    ],
  ])('cannot be read when it is or holds %s', (_, text, reason, where) => {
    expect(read(text)).toEqual({ kind: 'unreadable', reason, where })
  })

  test('cannot be read when it is not UTF-8', () => {
    const body = Buffer.concat([bytes('{"referenceMerchantId":"'), Buffer.of(0xff), bytes('"}')])
    expect(readNotificationBody(body)).toEqual({ kind: 'unreadable', reason: 'not_json_object', where: '' })
  })

  test('never shows text of the message in a reason', () => {
    const unreadable = read(
      '{"pspRegistrationResultList":[{"canary":1,"productCodes":"canary","pspName":["canary"]}]}',
    )
    expect(JSON.stringify(unreadable)).not.toContain('canary')
  })
})

describe('any bytes', () => {
  const anyBody = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.string({ unit: 'binary' }).map(bytes),
    fc.json({ maxDepth: 40 }).map(bytes),
    fc
      .record(
        {
          referenceMerchantId: fc.jsonValue(),
          referenceStoreId: fc.jsonValue(),
          registrationRequestId: fc.jsonValue(),
          registrationResult: fc.oneof(fc.jsonValue(), fc.record({ registrationStatus: fc.jsonValue() })),
          pspRegistrationResultList: fc.oneof(
            fc.jsonValue(),
            fc.array(
              fc.record(
                {
                  pspName: fc.jsonValue(),
                  productCodes: fc.jsonValue(),
                  registrationResult: fc.jsonValue(),
                },
                { requiredKeys: [] },
              ),
            ),
          ),
        },
        { requiredKeys: [] },
      )
      .map((body) => bytes(JSON.stringify(body))),
  )

  test('are read, or said to be unreadable with a reason, and never throw', () => {
    fc.assert(
      fc.property(anyBody, (body) => {
        expect(['body', 'unreadable']).toContain(readNotificationBody(body).kind)
      }),
      { numRuns: 2_000 },
    )
  })

  test('are judged alike whether they are parsed at once or, being large, looked at before', () => {
    const blanks = Buffer.alloc(20_000, ' ')
    fc.assert(
      fc.property(anyBody, (body) => {
        expect(readNotificationBody(Buffer.concat([body, blanks]))).toEqual(readNotificationBody(body))
      }),
      { numRuns: 1_000 },
    )
  })

  test('are routed or not, and never throw', () => {
    fc.assert(
      fc.property(anyBody, (body) => {
        expect(['routable', 'unattributed', 'unroutable', 'not_json_object']).toContain(
          readRouting(body).kind,
        )
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('a body is routed', () => {
  test.each([
    ['by its merchant', '{"referenceMerchantId":"M","registrationRequestId":"R"}', routable('M', 'R')],
    [
      'by the last of two merchants',
      '{"referenceMerchantId":"A","referenceMerchantId":"B"}',
      routable('B', null),
    ],
    [
      'by its merchant whatever else does not fit',
      '{"referenceMerchantId":"M","pspRegistrationResultList":7}',
      routable('M', null),
    ],
    [
      'without a merchant by its request',
      '{"registrationRequestId":"R"}',
      { kind: 'unattributed', registrationRequestId: 'R' },
    ],
    [
      'with an empty merchant by its request',
      '{"referenceMerchantId":"","registrationRequestId":"R"}',
      { kind: 'unattributed', registrationRequestId: 'R' },
    ],
    ['with neither nowhere', '{"referenceMerchantId":7}', { kind: 'unroutable' }],
    ['nowhere when it is no object', '["referenceMerchantId"]', { kind: 'not_json_object' }],
  ])('%s', (_, text, routing) => {
    expect(readRouting(bytes(text))).toEqual(routing)
  })
})

function routable(referenceMerchantId: string, registrationRequestId: string | null) {
  return { kind: 'routable', referenceMerchantId, registrationRequestId }
}

function reasons(list: string) {
  return `{"pspRegistrationResultList":[{"registrationResult":{"rejectionReason":${list},"rejectReasons":${list}}}]}`
}
