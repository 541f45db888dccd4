import { itemText, type Item, type Message, messageText } from './message.fixture.ts'

/** One way in which a signed body can be malformed. */
export type MalformedKind = {
  name: string
  /** The reason under which it must be found in quarantine. */
  reason: string
  /** The bytes, about the given merchant where they can name one. */
  body: (merchant: string) => Buffer
  client?: 'push'
  /** How far ahead of now it is signed. */
  signedAheadMs?: number
}

const hourMs = 3_600_000

const noText = [
  '1',
  '-1',
  '1.5e3',
  'true',
  'false',
  '{}',
  '{"a":1}',
  '[]',
  '["x"]',
  '1234567890123456789012345678901',
]
const noList = ['1', 'true', '"x"', '{}', '""']
const noObject = ['1', 'true', '"x"', '[]', '["x"]', '""']
const noTextItems = ['[1]', '[true]', '[{}]', '[[]]', '[null]', '["a",1]']
const noReason = ['1', 'true', '{}', '[1]', '[{}]', '[null]', '["a",1]']

const statuses = [
  'approved',
  'Approved',
  'APPROVED ',
  ' APPROVED',
  'APPROVED\\n',
  'DONE',
  'SUCCESS',
  'REJECT',
  'CANCELED',
  'UNKNOWN',
  '0',
  'null',
  'ＡＰＰＲＯＶＥＤ',
  'pending',
  'FAILED',
  'EXPIRED',
  'SUSPENDED',
  'IN_REVIEW',
  'ΑPPROVED',
  'A',
]
const entryStatuses = [...statuses, 'COMPLETED', 'PROCESSING']
const collectiveStatuses = [...statuses, 'APPROVED', 'REJECTED', 'CANCELLED', 'completed']

const tooLong = (length: number) => [
  { script: 'ASCII', text: 'x'.repeat(length) },
  { script: 'CJK', text: '户'.repeat(length) },
  { script: 'four bytes', text: '😀'.repeat(length) },
]
const unusable = [
  { name: 'NUL', text: 'a\\u0000b' },
  { name: 'half a pair', text: 'a\\ud800' },
  { name: 'the other half', text: '\\udc00b' },
]

/** More than five hundred of them, no two alike. */
export function malformedKinds(): MalformedKind[] {
  return [
    ...wrongTypes(),
    ...unknownStatuses(),
    ...missingMembers(),
    ...idsThatDoNotFit(),
    ...duplicates(),
    ...tooDeep(),
    ...notOneObject(),
    ...unroutable(),
    ...unattributable(),
    ...byClientAndTime(),
    ...tooLarge(),
  ]
}

function wrongTypes(): MalformedKind[] {
  return [
    ...['store', 'round'].flatMap((member) =>
      noText.map((value) => kind(`${member} is ${value}`, 'wrong_type', { [member]: value })),
    ),
    ...noText.map((value) => ({
      name: `merchant is ${value}`,
      reason: 'wrong_type',
      body: () => Buffer.from(messageText({ merchant: value })),
    })),
    ...noText.map((value) =>
      kind(`collective is ${value}`, 'wrong_type', { result: `{"registrationStatus":${value}}` }),
    ),
    ...noObject.map((value) => kind(`result is ${value}`, 'wrong_type', { result: value })),
    ...noList.map((value) => kind(`list is ${value}`, 'wrong_type', { list: value })),
    ...inEachPlace((place) => [
      ...[...noObject, 'null'].map((value) => itemKind(place, `item is ${value}`, 'wrong_type', value)),
      ...noText.map((value) => itemKind(place, `pspName is ${value}`, 'wrong_type', { psp: value })),
      ...noList.map((value) => itemKind(place, `productCodes is ${value}`, 'wrong_type', { codes: value })),
      ...noTextItems.map((value) =>
        itemKind(place, `productCodes holds ${value}`, 'wrong_type', { codes: value }),
      ),
      ...noObject.map((value) => itemKind(place, `its result is ${value}`, 'wrong_type', { result: value })),
      ...noText.map((value) => itemKind(place, `its status is ${value}`, 'wrong_type', { status: value })),
      ...['rejectionReason', 'rejectReasons'].flatMap((member) =>
        noReason.map((value) =>
          itemKind(place, `${member} is ${value}`, 'wrong_type', { reason: `"${member}":${value}` }),
        ),
      ),
    ]),
  ]
}

function unknownStatuses(): MalformedKind[] {
  return [
    ...collectiveStatuses.map((status) =>
      kind(`collective ${status}`, 'unknown_status', { result: `{"registrationStatus":"${status}"}` }),
    ),
    ...inEachPlace((place) =>
      entryStatuses.map((status) =>
        itemKind(place, `status ${status}`, 'unknown_status', { status: `"${status}"` }),
      ),
    ),
  ]
}

function missingMembers(): MalformedKind[] {
  return [
    ...[undefined, 'null', '{}', '{"registrationStatus":null}', '{"registrationStatus":""}'].map((result) =>
      kind(`no collective: ${result}`, 'missing_member', { result }),
    ),
    ...inEachPlace((place) => [
      ...[undefined, 'null', '""'].map((psp) =>
        itemKind(place, `no pspName: ${psp}`, 'missing_member', { psp }),
      ),
      ...[undefined, 'null', '[]', '[""]', '["",""]'].map((codes) =>
        itemKind(place, `no productCodes: ${codes}`, 'missing_member', { codes }),
      ),
    ]),
  ]
}

function idsThatDoNotFit(): MalformedKind[] {
  const lengths = [
    { member: 'store', lengths: [33, 64, 500] },
    { member: 'round', lengths: [65, 128, 500] },
  ]
  return [
    ...lengths.flatMap(({ member, lengths }) =>
      lengths.flatMap((length) =>
        tooLong(length).map(({ script, text }) =>
          kind(`${member} of ${length} in ${script}`, 'over_long_id', { [member]: `"${text}"` }),
        ),
      ),
    ),
    ...[65, 128, 500].flatMap((length) =>
      tooLong(length).map(({ script, text }) => ({
        name: `merchant of ${length} in ${script}`,
        reason: 'over_long_id',
        body: () => Buffer.from(messageText({ merchant: `"${text}"` })),
      })),
    ),
    ...unusable.flatMap(({ name, text }) => [
      ...['store', 'round'].map((member) =>
        kind(`${name} in ${member}`, 'invalid_text', { [member]: `"${text}"` }),
      ),
      ...inEachPlace((place) => [
        itemKind(place, `${name} in pspName`, 'invalid_text', { psp: `"${text}"` }),
        itemKind(place, `${name} in productCodes`, 'invalid_text', { codes: `["OK","${text}"]` }),
      ]),
    ]),
  ]
}

function duplicates(): MalformedKind[] {
  const members = [
    ['referenceMerchantId', '"M"'],
    ['referenceStoreId', '"S1"'],
    ['referenceStoreId', 'null'],
    ['registrationRequestId', '"R1"'],
    ['registrationRequestId', '"R2"'],
    ['registrationResult', '{"registrationStatus":"PENDING"}'],
    ['registrationResult', 'null'],
    ['pspRegistrationResultList', '[]'],
    ['pspRegistrationResultList', 'null'],
  ] as const
  const inItem = [
    ['pspName', '"GCASH"'],
    ['pspName', '"TNG"'],
    ['productCodes', '["IN_STORE_PAYMENT"]'],
    ['productCodes', '[]'],
    ['registrationResult', '{"registrationStatus":"REJECTED"}'],
    ['registrationResult', 'null'],
  ] as const
  return [
    ...members.map(([name, value]) =>
      kind(`${name} again, as ${value}`, 'duplicate_member', (merchant) => ({
        more: [`"${name}":${name === 'referenceMerchantId' ? `"${merchant}"` : value}`],
      })),
    ),
    kind('the collective status twice', 'duplicate_member', {
      result: '{"registrationStatus":"PENDING","registrationStatus":"PENDING"}',
    }),
    kind('the same name escaped', 'duplicate_member', {
      result: '{"registrationStatus":"PENDING","registration\\u0053tatus":"COMPLETED"}',
    }),
    ...inEachPlace((place) => [
      ...inItem.map(([name, value]) =>
        itemKind(place, `${name} again, as ${value}`, 'duplicate_member', { more: [`"${name}":${value}`] }),
      ),
      ...['registrationStatus', 'rejectionReason', 'rejectReasons'].map((name) =>
        itemKind(place, `${name} twice`, 'duplicate_member', {
          result: `{"registrationStatus":"APPROVED","${name}":"a","${name}":"a"}`,
        }),
      ),
    ]),
  ]
}

const nested = (depth: number, [open, close]: readonly [string, string]) =>
  `${open.repeat(depth)}1${close.repeat(depth)}`

function tooDeep(): MalformedKind[] {
  return [32, 33, 100, 5_000, 100_000].flatMap((depth) => [
    kind(`lists ${depth} deep`, 'too_deep', { more: [`"x":${nested(depth, ['[', ']'])}`] }),
    kind(`objects ${depth} deep`, 'too_deep', { more: [`"x":${nested(depth, ['{"a":', '}'])}`] }),
  ])
}

function notOneObject(): MalformedKind[] {
  const sound = messageText({ merchant: '"M"' })
  const texts = [
    '',
    ' ',
    'null',
    '1',
    'true',
    '"text"',
    '[]',
    `[${sound}]`,
    '{',
    '}',
    '{]',
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    '{,}',
    '{a:1}',
    "{'a':1}",
    '{"a":1}{"b":2}',
    `${sound} x`,
    `${sound}${sound}`,
    sound.slice(0, -1),
    sound.slice(1),
    sound.slice(0, 40),
    '{"a":01}',
    '{"a":+1}',
    '{"a":.5}',
    '{"a":1.}',
    '{"a":NaN}',
    '{"a":Infinity}',
    '{"a":tru}',
    '{"a":"\\x"}',
    '{"a":"\\u12"}',
    '{"a":"\n"}',
    '{"a":"\t"}',
    '{"a":1 /* c */}',
    '// c\n{}',
    '{"a":undefined}',
    '<xml/>',
    'a=b&c=d',
    '\u00a0{}',
  ]
  return [
    ...texts.map((text, index) => ({
      name: `no object ${index}: ${text.slice(0, 30)}`,
      reason: 'not_json_object',
      body: () => Buffer.from(text),
    })),
    ...[[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xc0, 0x80]].map((bytes) => ({
      name: `bytes that are no UTF-8: ${bytes.join(' ')}`,
      reason: 'not_json_object',
      body: (merchant: string) =>
        Buffer.concat([
          Buffer.from(`{"referenceMerchantId":"${merchant}","x":"`),
          Buffer.from(bytes),
          Buffer.from('"}'),
        ]),
    })),
  ]
}

function unroutable(): MalformedKind[] {
  return [undefined, 'null', '""'].flatMap((merchant) =>
    [undefined, 'null', '""'].map((round) => ({
      name: `neither merchant (${merchant}) nor round (${round})`,
      reason: 'unroutable',
      body: () => Buffer.from(messageText({ merchant, round })),
    })),
  )
}

function unattributable(): MalformedKind[] {
  return [undefined, 'null', '""'].flatMap((merchant) =>
    ['R1', 'R2', 'R3', 'R4'].map((round) => ({
      name: `no merchant (${merchant}) in round ${round}`,
      reason: 'unattributable',
      body: () => Buffer.from(messageText({ merchant, round: `"${round}"` })),
    })),
  )
}

function byClientAndTime(): MalformedKind[] {
  return [
    ...[undefined, 'null', '""'].map((store) => ({
      ...kind(`push without store: ${store}`, 'store_missing', { store }),
      client: 'push' as const,
    })),
    ...[49, 72, 24 * 365, 24 * 365 * 50].map((hours) => ({
      ...kind(`signed ${hours} h ahead`, 'implausible_time', {}),
      signedAheadMs: hours * hourMs,
    })),
  ]
}

const codes = (count: number) => `[${Array.from({ length: count }, (_, index) => `"P${index}"`).join(',')}]`

function tooLarge(): MalformedKind[] {
  return [
    kind('one entry with 80,001 product codes', 'registration_too_large', {
      items: [itemText({ codes: codes(80_001) })],
    }),
    kind('three items with 30,000 product codes each', 'registration_too_large', {
      items: ['"A"', '"B"', '"C"'].map((psp) => itemText({ psp, codes: codes(30_000) })),
    }),
    kind('a reason of 8,000 characters for 1,000 product codes', 'registration_too_large', {
      items: [
        itemText({
          codes: codes(1_000),
          status: '"REJECTED"',
          reason: `"rejectionReason":"${'x'.repeat(8_000)}"`,
        }),
      ],
    }),
  ]
}

function kind(
  name: string,
  reason: string,
  message: Message | ((merchant: string) => Message),
): MalformedKind {
  return {
    name,
    reason,
    body: (merchant) =>
      Buffer.from(
        messageText({
          merchant: `"${merchant}"`,
          ...(typeof message === 'function' ? message(merchant) : message),
        }),
      ),
  }
}

/** Something wrong with one item of three; a text stands for the whole item. */
function itemKind(place: number, name: string, reason: string, item: Item | string): MalformedKind {
  const wrong = typeof item === 'string' ? item : itemText(item)
  const sound = ['"GCASH"', '"TNG"', '"KAKAOPAY"'].map((psp) => itemText({ psp }))
  return kind(`item ${place}: ${name}`, reason, { items: sound.with(place, wrong) })
}

function inEachPlace(kinds: (place: number) => MalformedKind[]): MalformedKind[] {
  return [0, 1, 2].flatMap(kinds)
}
