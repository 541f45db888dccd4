import fc from 'fast-check'

/** A body, and the letter that its maker knows it to deserve; null: only a look at the bytes can tell. */
export type FuzzedBody = { bytes: Buffer; letter: 'S' | 'F' | null }

const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf])

/** Bodies of all kinds, the small ones by far the most frequent. */
export function fuzzedBodies({ seed, count }: { seed: number; count: number }): FuzzedBody[] {
  return fc.sample(fuzzedBody, { seed, numRuns: count })
}

/**
 * What the ingress has to decide about a body, by the words of the protocol alone: S for one JSON object in UTF-8 with
 * a usable id (a non-empty JSON string), whatever else it holds; a byte order mark in front is tolerated.
 */
export function letterOf(bytes: Buffer): 'S' | 'F' {
  const text = bytes.subarray(0, 3).equals(byteOrderMark) ? bytes.subarray(3) : bytes
  const decoded = text.toString('utf8')
  // Decoding replaces what is no UTF-8, so only UTF-8 comes back as it went in.
  if (!Buffer.from(decoded).equals(text)) return 'F'
  let value: unknown
  try {
    value = JSON.parse(decoded)
  } catch {
    return 'F'
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'F'
  const own = new Map(Object.entries(value))
  return isUsable(own.get('referenceMerchantId')) || isUsable(own.get('registrationRequestId')) ? 'S' : 'F'
}

const isUsable = (id: unknown) => typeof id === 'string' && id.length > 0

/** A letter or an odd one: controls, quotes, other scripts, both halves of surrogate pairs alone. */
const oddText = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom(
    '\u0000',
    '\u007f',
    '\u2028',
    '\ufeff',
    '\ud800',
    '\udc00x',
    '__proto__',
    '*',
    '/',
    '商户🛍️',
    ' ',
  ),
)

/** Ids that a body can be routed by. */
const usableId = fc.oneof(
  { weight: 6, arbitrary: fc.stringMatching(/^[0-9]{1,32}$/) },
  { weight: 3, arbitrary: oddText.filter((text) => text !== '') },
  { weight: 1, arbitrary: fc.integer({ min: 65, max: 5_000 }).map((length) => 'm'.repeat(length)) },
)

/** JSON texts of what is no usable id. */
const unusableId = fc.constantFrom(
  'null',
  '""',
  '2020091811058602000006001420000',
  '0',
  'true',
  '["m"]',
  '{"id":"m"}',
  '{}',
)

const escape = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`

/** A JSON string in one of its spellings: as JSON.stringify writes it, all escaped, or some of it. */
const spelled = (text: string) =>
  fc.constantFrom('plain', 'escaped', 'first').map((how) => {
    if (how === 'escaped') return `"${text.split('').map(escape).join('')}"`
    // Of a pair only both halves may be escaped.
    if (how === 'first' && /^[a-zA-Z]/.test(text))
      return `"${escape(text)}${JSON.stringify(text.slice(1)).slice(1)}`
    return JSON.stringify(text)
  })

const spelledText = oddText.chain(spelled)

const numberText = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
  fc.constantFrom('2020091811058602000006001420000', '1e99999', '-0', '0.1E-7', '9007199254740993'),
)

/** JSON values in odd spellings, nested a little. */
const { value: jsonText } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthIdentifier: 'json' },
    spelledText,
    numberText,
    fc.constantFrom('null', 'true', 'false', '[]', '{}'),
    fc.array(tie('value'), { maxLength: 4 }).map((items) => `[${items.join(',')}]`),
    fc
      .array(fc.tuple(spelledText, tie('value')), { maxLength: 4 })
      .map((members) => `{${members.map((pair) => pair.join(':')).join(',')}}`),
  ),
}))

/** Values that are long or deep, which parsers and walkers stumble over. */
const extremeText = fc.oneof(
  fc.integer({ min: 1, max: 20_000 }).map((depth) => '['.repeat(depth) + ']'.repeat(depth)),
  fc.integer({ min: 1, max: 2_000 }).map((depth) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`),
  fc.integer({ min: 1, max: 300_000 }).map((length) => JSON.stringify('店'.repeat(length / 3))),
  fc
    .integer({ min: 1, max: 2_000 })
    .map((length) => JSON.stringify(Array.from({ length }, (_, pspName) => ({ pspName })))),
  fc.integer({ min: 1, max: 5_000 }).map((length) => `[${'{},'.repeat(length)}{}]`),
)

type Member = readonly [name: string, value: string]

/** Members that change nothing about the letter; the ids of an inner object or of a prototype are not the body's. */
const otherMember: fc.Arbitrary<Member> = fc.oneof(
  { weight: 40, arbitrary: fc.tuple(spelledText.filter(isOtherName), jsonText) },
  {
    weight: 20,
    arbitrary: fc.constantFrom<Member>(
      ['"__proto__"', '{"referenceMerchantId":"inherited"}'],
      ['"constructor"', '{"prototype":{"referenceMerchantId":"inherited"}}'],
      ['"body"', '{"referenceMerchantId":"inner","registrationRequestId":"inner"}'],
      ['"ReferenceMerchantId"', '"m"'],
      ['"referenceStoreId"', '"S1"'],
      ['"registrationResult"', '{"registrationStatus":"COMPLETED"}'],
      ['"toString"', 'null'],
    ),
  },
  { weight: 1, arbitrary: fc.tuple(fc.constant('"x"'), extremeText) },
)

const idNames = ['referenceMerchantId', 'registrationRequestId'] as const

function isOtherName(name: string): boolean {
  return !idNames.some((id) => JSON.parse(name) === id)
}

/** An id member; of one that stands twice the last counts, as JSON.parse has it. */
const idMembers = (usable: boolean): fc.Arbitrary<Member[]> =>
  fc.constantFrom(...idNames).chain((id) => {
    const named = (value: fc.Arbitrary<string>) => fc.tuple(spelled(id), value)
    const last = named(usable ? usableId.chain(spelled) : unusableId)
    const before = named(fc.oneof(usableId.chain(spelled), unusableId))
    return fc
      .tuple(fc.array(before, { maxLength: 2, size: 'max' }), last)
      .map(([doubles, one]) => [...doubles, one])
  })

const blanks = fc.constantFrom('', '', '', ' ', '\n', '\r\n', '\t', ' \r\n\t ')

/** An object's members put together with blanks wherever JSON allows them. */
const written = (members: fc.Arbitrary<readonly Member[]>) =>
  fc.tuple(members, blanks, blanks, blanks).map(([list, outer, inner, around]) => {
    const texts = list.map(([name, value]) => `${inner}${name}${around}:${around}${value}`)
    return `${outer}{${texts.join(`${inner},`)}${inner}}${outer}`
  })

/** Id members stay in their order, so that the last one stays the last; others stand between them. */
const objectText = (ids: fc.Arbitrary<Member[]>) =>
  written(
    fc
      .tuple(ids, fc.array(otherMember, { maxLength: 6 }), fc.nat(6))
      .map(([own, others, at]) => [...others.slice(0, at), ...own, ...others.slice(at)]),
  )

const withMark = (text: fc.Arbitrary<string>) =>
  fc
    .tuple(text, fc.nat(9))
    .map(([content, dice]) =>
      dice === 0 ? Buffer.concat([byteOrderMark, Buffer.from(content)]) : Buffer.from(content),
    )

const routable = withMark(objectText(idMembers(true)))
const unroutable = withMark(
  fc.oneof(objectText(fc.constant([])), objectText(idMembers(false))).filter((text) => text !== ''),
)

/** What is no JSON object, whatever it holds. */
const notAnObject = fc.oneof(
  fc
    .constantFrom('', ' \r\n', '\ufeff', '\ufeff\ufeff{"referenceMerchantId":"m"}', 'null', '"x"', '-1')
    .map((text) => Buffer.from(text)),
  jsonText.map((text) => Buffer.from(`[${text}]`)),
  spelledText.map((text) => Buffer.from(text)),
  // After or before an object: nothing but blanks may stand there.
  fc
    .tuple(routable, fc.constantFrom('x', ',', '{}', '\u0000', '\u00a0', '\u000b', ';'))
    .map(([object, more]) => Buffer.concat([object, Buffer.from(more)])),
  fc
    .tuple(objectText(idMembers(true)), fc.constantFrom('x', '\u00a0', '\u000c', ")]}'\n", '\u0000'))
    .map(([object, more]) => Buffer.from(more + object)),
  // Bytes that UTF-8 does not have, in a text that would be fine without them.
  fc
    .constantFrom('ff', 'c0af', 'eda080', 'e595', 'f5808080', '80', 'f08080af')
    .map((hex) =>
      Buffer.concat([Buffer.from('{"referenceMerchantId":"m'), Buffer.from(hex, 'hex'), Buffer.from('"}')]),
    ),
  // JSON as people write it.
  fc
    .constantFrom(
      '{"referenceMerchantId":"m",}',
      "{'referenceMerchantId':'m'}",
      '{referenceMerchantId:"m"}',
      '{"referenceMerchantId":"m"/**/}',
      '{"referenceMerchantId":"m","x":01}',
      '{"referenceMerchantId":"m","x":NaN}',
      '{"referenceMerchantId":"m","x":.5}',
      '{"referenceMerchantId":"m","x":1.}',
      '{"referenceMerchantId":"m","x":+1}',
      '{"referenceMerchantId":"m\n"}',
      String.raw`{"referenceMerchantId":"\x41"}`,
      String.raw`{"referenceMerchantId":"\u12"}`,
      '{"referenceMerchantId":"m"',
      '{"referenceMerchantId"}',
    )
    .map((text) => Buffer.from(text)),
  objectText(idMembers(true)).map((text) => Buffer.from(`\ufeff${text}`, 'utf16le')),
)

const anyByte = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 0x20, max: 0x7e }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xff }) },
)

/** A good body after something has happened to some of its bytes. */
const damaged = fc
  .tuple(
    fc.oneof(routable, unroutable),
    fc.array(fc.tuple(fc.nat(2), fc.nat(), anyByte), { minLength: 1, maxLength: 3 }),
  )
  .map(([body, damages]) =>
    damages.reduce<Buffer>((bytes, [how, where, byte]) => {
      const at = bytes.length === 0 ? 0 : where % bytes.length
      const after = how === 0 ? at : at + 1
      return Buffer.concat([
        bytes.subarray(0, at),
        ...(how === 1 ? [] : [Buffer.of(byte)]),
        bytes.subarray(after),
      ])
    }, body),
  )

const randomBytes = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))
const largeNoise = fc
  .tuple(fc.uint8Array({ minLength: 1, maxLength: 64 }), fc.integer({ min: 1, max: 200_000 }))
  .map(([pattern, length]) => Buffer.alloc(length, pattern))

const of = (letter: FuzzedBody['letter'], bytes: fc.Arbitrary<Buffer>) =>
  bytes.map((content): FuzzedBody => ({ bytes: content, letter }))

const fuzzedBody = fc.oneof(
  { weight: 50, arbitrary: of('S', routable) },
  { weight: 12, arbitrary: of('F', unroutable) },
  { weight: 12, arbitrary: of('F', notAnObject) },
  { weight: 20, arbitrary: of(null, damaged) },
  { weight: 5, arbitrary: of(null, randomBytes) },
  { weight: 1, arbitrary: of(null, largeNoise) },
)
