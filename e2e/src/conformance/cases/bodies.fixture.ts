import { type Case, alipayPlus, ams, bothDialects, refused, setAside, taken } from './case.fixture.ts'
import type { StatementId } from '../statements.ts'

type Body = readonly [by: StatementId, what: string, body: string | Buffer]

const bom = Buffer.from([0xef, 0xbb, 0xbf])
const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`

const entries = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    pspName: `PSP_${index}`,
    registrationResult: { registrationStatus: 'APPROVED' },
    productCodes: ['CASHIER_PAYMENT'],
  }))

/** Bodies that are stored and acknowledged, whatever the worker will think of them. */
const takenBodies: readonly Body[] = [
  ['1-usable-id', 'a merchant id alone is enough', '{"referenceMerchantId":"only-merchant"}'],
  ['1-usable-id', 'a request id alone is enough', '{"registrationRequestId":"only-request"}'],
  [
    '1-usable-id',
    'a request id is enough beside a merchant id that is null',
    '{"referenceMerchantId":null,"registrationRequestId":"beside-null"}',
  ],
  [
    '1-usable-id',
    'a request id is enough beside an empty merchant id',
    '{"referenceMerchantId":"","registrationRequestId":"beside-empty"}',
  ],
  [
    '1-usable-id',
    'a request id is enough beside a merchant id that is a number',
    '{"referenceMerchantId":7,"registrationRequestId":"beside-number"}',
  ],
  [
    '1-usable-id',
    'a merchant id is enough beside a request id of a wrong type',
    '{"referenceMerchantId":"m-wrong-request","registrationRequestId":{}}',
  ],
  ['1-usable-id', 'an id of one blank is not empty', '{"referenceMerchantId":" "}'],
  [
    '1-usable-id',
    'an id of 100,000 letters is usable',
    JSON.stringify({ referenceMerchantId: 'x'.repeat(100_000) }),
  ],
  [
    '1-usable-id',
    'an id of other scripts and emoji is usable',
    JSON.stringify({ referenceMerchantId: '商户🛍️é' }),
  ],
  [
    '1-usable-id',
    'an id that names a property of every object is usable',
    '{"referenceMerchantId":"__proto__"}',
  ],
  ['1-usable-id', 'an id with escapes and a NUL is usable', '{"referenceMerchantId":"a\\u0000\\n\\"b"}'],
  [
    '1-usable-id',
    'a member name written with escapes is the same name',
    '{"\\u0072eferenceMerchantId":"escaped-name"}',
  ],
  [
    '1-never-for-content',
    'an unknown status is not judged',
    '{"referenceMerchantId":"m-status","registrationResult":{"registrationStatus":"PERHAPS"}}',
  ],
  [
    '1-never-for-content',
    'a missing collective status is not judged',
    '{"referenceMerchantId":"m-no-status","pspRegistrationResultList":[]}',
  ],
  [
    '1-never-for-content',
    'wrong types are not judged',
    '{"referenceMerchantId":"m-types","registrationResult":[],"pspRegistrationResultList":"none"}',
  ],
  [
    '1-never-for-content',
    'unknown members are not judged',
    '{"referenceMerchantId":"m-unknown","notifyType":"SOMETHING","x":{"y":[1,2,3]}}',
  ],
  [
    '5.1-ack-was-s',
    'an over-long merchant id is left to the worker',
    JSON.stringify({ referenceMerchantId: 'm'.repeat(65) }),
  ],
  [
    '5.1-ack-was-s',
    'an entry with an unknown pspName is left to the worker',
    '{"referenceMerchantId":"m-psp","registrationResult":{"registrationStatus":"PENDING"},"pspRegistrationResultList":[{"pspName":"NEW_WALLET","productCodes":["X"]}]}',
  ],
  [
    '5.1-ack-was-s',
    'a reason of 2,000 characters is left to the worker',
    JSON.stringify({
      referenceMerchantId: 'm-reason',
      pspRegistrationResultList: [
        {
          pspName: 'DANA',
          productCodes: ['CASHIER_PAYMENT'],
          registrationResult: { registrationStatus: 'REJECTED', rejectionReason: '理'.repeat(2000) },
        },
      ],
    }),
  ],
  [
    '5.1-ack-was-s',
    'COMPLETED beside a PENDING entry is left to the worker',
    '{"referenceMerchantId":"m-contradicts","registrationResult":{"registrationStatus":"COMPLETED"},"pspRegistrationResultList":[{"pspName":"DANA","productCodes":["CASHIER_PAYMENT"],"registrationResult":{"registrationStatus":"PENDING"}}]}',
  ],
  [
    '5-null-is-absent',
    'optionals that are null are not judged',
    '{"referenceMerchantId":"m-nulls","referenceStoreId":null,"registrationRequestId":null,"registrationResult":null,"pspRegistrationResultList":null}',
  ],
  [
    '5-null-is-absent',
    'optionals that are empty texts are not judged',
    '{"referenceMerchantId":"m-empties","referenceStoreId":"","registrationRequestId":""}',
  ],
  [
    '10-sender-quirks',
    'an indented body is taken as it is',
    JSON.stringify(
      { referenceMerchantId: 'm-indented', registrationResult: { registrationStatus: 'PENDING' } },
      null,
      2,
    ),
  ],
  [
    '10-sender-quirks',
    'line ends of CR LF are taken as they are',
    '{\r\n  "referenceMerchantId": "m-crlf"\r\n}\r\n',
  ],
  [
    '10-sender-quirks',
    'the members may stand in any order',
    '{"registrationResult":{"registrationStatus":"PENDING"},"pspRegistrationResultList":null,"referenceMerchantId":"m-last"}',
  ],
  [
    '4.1-bytes',
    'blanks before and after the object are part of the bytes',
    ' \t\r\n {"referenceMerchantId":"m-blanks"} \t\n ',
  ],
  [
    '4.1-bytes',
    'a body of Chinese and of four-byte characters is verified as bytes',
    '{"referenceMerchantId":"m-utf8","registrationResult":{"rejectionReason":"不符合要求🚫"}}',
  ],
  [
    '6-bom',
    'a byte order mark in front is tolerated and kept',
    Buffer.concat([bom, Buffer.from('{"referenceMerchantId":"m-bom"}')]),
  ],
  [
    '6-bom',
    'a byte order mark inside a text is an ordinary character',
    '{"referenceMerchantId":"m-\ufeffbom"}',
  ],
  [
    '6-long-lists',
    'a list of 10,000 entries is taken',
    JSON.stringify({
      referenceMerchantId: 'm-long',
      registrationResult: { registrationStatus: 'COMPLETED' },
      pspRegistrationResultList: entries(10_000),
    }),
  ],
  [
    '11-odd-json',
    'a member that stands twice is left to the worker',
    '{"referenceMerchantId":"m-first","referenceMerchantId":"m-second"}',
  ],
  [
    '11-odd-json',
    'a member __proto__ changes nothing',
    '{"__proto__":{"referenceMerchantId":"m-inherited"},"referenceMerchantId":"m-own"}',
  ],
  [
    '11-odd-json',
    'a constructor with a prototype changes nothing',
    '{"constructor":{"prototype":{"x":1}},"referenceMerchantId":"m-constructor"}',
  ],
  ['11-odd-json', 'a lone surrogate as an escape is kept as it is', '{"referenceMerchantId":"m-\\ud800"}'],
  [
    '11-odd-json',
    'a number of 31 digits is kept as it is',
    '{"referenceMerchantId":"m-digits","x":2020091811058602000006001420000}',
  ],
  [
    '11-odd-json',
    'a number beyond all range is kept as it is',
    '{"referenceMerchantId":"m-range","x":1e99999}',
  ],
  [
    '11-odd-json',
    'nesting of 33 levels is left to the worker',
    `{"referenceMerchantId":"m-deep-33","x":${nested(32)}}`,
  ],
  [
    '11-odd-json',
    'nesting of 1,000 levels is left to the worker',
    `{"x":${nested(1_000)},"referenceMerchantId":"m-deep-1000"}`,
  ],
  [
    '11-odd-json',
    'nesting of 100,000 levels is left to the worker',
    `{"referenceMerchantId":"m-deep-100000","x":${nested(100_000)}}`,
  ],
]

/** Signed bodies that are not one JSON object. */
const notOneObject: readonly Body[] = [
  ['6-one-object', 'an empty body', ''],
  ['6-one-object', 'blanks alone', ' \r\n '],
  ['6-one-object', 'a byte order mark alone', bom],
  [
    '6-bom',
    'two byte order marks before an object',
    Buffer.concat([bom, bom, Buffer.from('{"referenceMerchantId":"m"}')]),
  ],
  ['6-one-object', 'a list', '[]'],
  ['6-one-object', 'a list of one object', '[{"referenceMerchantId":"m"}]'],
  ['6-one-object', 'a text', '"referenceMerchantId"'],
  ['6-one-object', 'a number', '7'],
  ['6-one-object', 'true', 'true'],
  ['6-one-object', 'null', 'null'],
  ['6-one-object', 'a word', 'hello'],
  ['6-one-object', 'text after the object', '{"referenceMerchantId":"m"}x'],
  [
    '6-one-object',
    'a second object after the first',
    '{"referenceMerchantId":"m"}{"referenceMerchantId":"m"}',
  ],
  ['6-one-object', 'a comma after the object', '{"referenceMerchantId":"m"},'],
  ['6-one-object', 'a NUL after the object', '{"referenceMerchantId":"m"}\u0000'],
  ['6-one-object', 'text before the object', 'x{"referenceMerchantId":"m"}'],
  ['6-one-object', 'an object cut off', '{"referenceMerchantId":"m"'],
  ['6-one-object', 'a text cut off', '{"referenceMerchantId":"m'],
  ['6-one-object', 'a comma before the end', '{"referenceMerchantId":"m",}'],
  ['6-one-object', 'single quotes', "{'referenceMerchantId':'m'}"],
  ['6-one-object', 'a name without quotes', '{referenceMerchantId:"m"}'],
  ['6-one-object', 'a comment', '{"referenceMerchantId":"m"/* one */}'],
  ['6-one-object', 'NaN', '{"referenceMerchantId":"m","x":NaN}'],
  ['6-one-object', 'a number with a zero in front', '{"referenceMerchantId":"m","x":01}'],
  ['6-one-object', 'a line break in a text', '{"referenceMerchantId":"m\n"}'],
  ['6-one-object', 'an unknown escape', '{"referenceMerchantId":"\\x41"}'],
  ['6-one-object', 'a no-break space before the object', '\u00a0{"referenceMerchantId":"m"}'],
  [
    '6-one-object',
    'a byte that UTF-8 does not have',
    Buffer.from('{"referenceMerchantId":"\xff"}', 'latin1'),
  ],
  ['6-one-object', 'a letter of Latin-1', Buffer.from('{"referenceMerchantId":"caf\xe9"}', 'latin1')],
  ['6-one-object', 'an over-long sequence', Buffer.from('{"referenceMerchantId":"\xc0\xaf"}', 'latin1')],
  ['6-one-object', 'a surrogate in UTF-8', Buffer.from('{"referenceMerchantId":"\xed\xa0\x80"}', 'latin1')],
  [
    '6-one-object',
    'a character cut off by the end of the text',
    Buffer.from('{"referenceMerchantId":"\xe5\x95"}', 'latin1'),
  ],
  ['6-one-object', 'UTF-16', Buffer.from('\ufeff{"referenceMerchantId":"m"}', 'utf16le')],
  ['6-one-object', 'gzip without a word about it', Buffer.from('1f8b0800000000000003ab56', 'hex')],
  ['2-other-protocols', 'a legacy form post', 'notify_type=merchant&sign_type=RSA2&sign=x'],
]

/** Signed objects that nothing can be attached to. */
const unroutable: readonly Body[] = [
  ['1-unroutable', 'an empty object', '{}'],
  ['1-unroutable', 'both ids null', '{"referenceMerchantId":null,"registrationRequestId":null}'],
  ['1-unroutable', 'both ids empty', '{"referenceMerchantId":"","registrationRequestId":""}'],
  ['1-unroutable', 'a merchant id that is a number', '{"referenceMerchantId":2188120000190000}'],
  ['1-unroutable', 'a merchant id that is true', '{"referenceMerchantId":true}'],
  ['1-unroutable', 'a merchant id in a list', '{"referenceMerchantId":["m"]}'],
  ['1-unroutable', 'a merchant id that is an object', '{"referenceMerchantId":{"id":"m"}}'],
  [
    '1-unroutable',
    'a request id that is a number of 31 digits',
    '{"registrationRequestId":2020091811058602000006001420000}',
  ],
  ['1-unroutable', 'a store id alone', '{"referenceStoreId":"S1"}'],
  ['1-unroutable', 'a merchant id one level below', '{"body":{"referenceMerchantId":"m"}}'],
  ['1-unroutable', 'a merchant id inherited from __proto__', '{"__proto__":{"referenceMerchantId":"m"}}'],
  ['1-unroutable', 'a name in other letters', '{"ReferenceMerchantId":"m","referencemerchantid":"m"}'],
  ['1-unroutable', 'a name with a blank', '{" referenceMerchantId":"m"}'],
  ['1-unroutable', 'a name that stands as a text', '{"x":"referenceMerchantId","y":"m"}'],
  [
    '2-other-protocols',
    'the notifyRegistration of the marketplace',
    '{"notifyType":"REGISTRATION_RESULT","registrationInfo":{"referenceMerchantId":"m"}}',
  ],
]

const bodyCase = ([by, what, body]: Body) => ({ by, that: what, plan: { body } })
const keptCase = ([by, what, body]: Body) => ({ by, that: `${what}: refused and kept`, plan: { body } })

/** Bodies of every kind under a valid signature, and what is too large. */
export const bodyCases = ({ bodyLimitBytes }: { bodyLimitBytes: number }): Case[] => [
  ...alipayPlus(takenBodies.map((body) => ({ ...bodyCase(body), ...taken }))),
  ...ams(takenBodies.slice(0, 12).map((body) => ({ ...bodyCase(body), ...taken }))),
  ...alipayPlus(notOneObject.map((body) => ({ ...keptCase(body), ...setAside('not_json_object') }))),
  ...ams(notOneObject.slice(0, 8).map((body) => ({ ...keptCase(body), ...setAside('not_json_object') }))),
  ...bothDialects(unroutable.map((body) => ({ ...keptCase(body), ...setAside('unroutable') }))),
  ...bothDialects([
    {
      by: '1-refused-is-kept',
      that: 'a refused body is kept byte for byte, invalid UTF-8 included',
      plan: { body: Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)) },
      ...setAside('not_json_object'),
    },
    {
      by: '1-store-before-s',
      that: 'a plain notification is stored and acknowledged',
      plan: {},
      ...taken,
    },
    {
      by: '6-size',
      that: 'a body of exactly the limit is taken',
      plan: { body: bodyOf(bodyLimitBytes) },
      ...taken,
    },
    {
      by: '6-size',
      that: 'a body of one byte above the limit is refused',
      plan: { body: bodyOf(bodyLimitBytes + 1) },
      ...refused('PARAM_ILLEGAL'),
    },
    {
      by: '6-size',
      that: 'a body of the limit is taken in chunks, without a length',
      plan: { body: bodyOf(bodyLimitBytes), framing: 'chunked' },
      ...taken,
    },
    {
      by: '6-size',
      that: 'a body of one byte above the limit is refused in chunks too',
      plan: { body: bodyOf(bodyLimitBytes + 1), framing: 'chunked' },
      ...refused('PARAM_ILLEGAL'),
    },
  ]),
  ...alipayPlus([
    {
      by: '2-bodies',
      that: 'the sample of Alipay+ is taken',
      plan: {
        body:
          '{"registrationRequestId":"2020091811058602000006001420000","referenceMerchantId":"2188120000190000",' +
          '"referenceStoreId":"340000","registrationResult":{"registrationStatus":"COMPLETED"},' +
          '"pspRegistrationResultList":[{"productCodes":["IN_STORE_PAYMENT"],"pspName":"ALIPAY_CN",' +
          '"registrationResult":{"registrationStatus":"REJECTED","rejectionReason":"rejectionReason message"}},' +
          '{"productCodes":["CASHIER_PAYMENT"],"pspName":"ALIPAY_CN","registrationResult":{"registrationStatus":"APPROVED"}}]}',
      },
      ...taken,
    },
    {
      by: '2-bodies',
      that: 'a push client without the store id that it owes is taken',
      plan: {
        client: 'push',
        body: '{"referenceMerchantId":"m-push","registrationResult":{"registrationStatus":"PENDING"}}',
      },
      ...taken,
    },
    {
      by: '2-bodies',
      that: 'entries without productCodes are taken from Alipay+ too',
      plan: {
        body: '{"referenceMerchantId":"m-no-products","pspRegistrationResultList":[{"pspName":"DANA"}]}',
      },
      ...taken,
    },
  ]),
  ...ams([
    {
      by: '2-bodies',
      that: 'the sample of AMS is taken',
      plan: {
        body:
          '{"registrationRequestId":"202009181105860200000600142****","referenceMerchantId":"218812000019****",' +
          '"referenceStoreId":"34****","pspRegistrationResultList":[{"pspName":"AlipayCN",' +
          '"registrationResult":{"registrationStatus":"APPROVED"}}],"registrationResult":{"registrationStatus":"COMPLETED"}}',
      },
      ...taken,
    },
    {
      by: '2-bodies',
      that: 'COMPLETED with entries whose status is null is taken',
      plan: {
        body:
          '{"referenceMerchantId":"m-null-status","registrationResult":{"registrationStatus":"COMPLETED"},' +
          '"pspRegistrationResultList":[{"pspName":"AlipayCN","registrationResult":{"registrationStatus":null}}]}',
      },
      ...taken,
    },
    {
      by: '2-bodies',
      that: 'a body without any status is taken',
      plan: { body: '{"referenceMerchantId":"m-ams-bare"}' },
      ...taken,
    },
    {
      by: '5.1-ack-was-s',
      that: 'rejectReasons as a list is left to the worker',
      plan: {
        body:
          '{"referenceMerchantId":"m-reasons","pspRegistrationResultList":[{"pspName":"AlipayCN",' +
          '"registrationResult":{"registrationStatus":"REJECTED","rejectReasons":["a","b"]}}]}',
      },
      ...taken,
    },
  ]),
]

/** A routable object of so many bytes. */
function bodyOf(bytes: number): Buffer {
  const start = '{"referenceMerchantId":"m-large","filling":"'
  const end = '"}'
  return Buffer.from(`${start}${'x'.repeat(bytes - start.length - end.length)}${end}`)
}
