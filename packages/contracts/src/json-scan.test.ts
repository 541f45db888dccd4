import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { scanJsonObject } from './json-scan.ts'

const wanted = ['a', 'b']
const strict = new TextDecoder('utf-8', { fatal: true })

/** The same by way of `JSON.parse`. */
function byParsing(bytes: Uint8Array): Record<string, string | null> | null {
  let value: unknown
  try {
    value = JSON.parse(strict.decode(bytes))
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  const members = new Map(Object.entries(value))
  return Object.fromEntries(
    wanted.map((name) => {
      const member: unknown = members.get(name)
      return [name, typeof member === 'string' ? member : null]
    }),
  )
}

function byScanning(bytes: Uint8Array): Record<string, string | null> | null {
  const scanned = scanJsonObject(bytes, wanted)
  return scanned === null ? null : Object.fromEntries(scanned.texts)
}

function expectAgreement(bytes: Uint8Array): void {
  expect(byScanning(bytes)).toEqual(byParsing(bytes))
}

const value = fc.jsonValue({ stringUnit: 'binary' })
const members = fc.dictionary(fc.oneof(fc.constantFrom('a', 'b', '__proto__'), fc.string()), value)
const text = fc
  .tuple(members, fc.constantFrom(undefined, 1, '\t'), fc.constantFrom('', '\uFEFF', ' \r\n'))
  .map(([object, indent, before]) => before + JSON.stringify(object, null, indent))

describe('what is one JSON object, and what its members say, is what JSON.parse finds', () => {
  test('in any object', () => {
    fc.assert(
      fc.property(text, (json) => expectAgreement(Buffer.from(json))),
      { numRuns: 2_000 },
    )
  })

  test('in any object with bytes changed, removed or put in', () => {
    const edit = fc.record({
      at: fc.nat(),
      remove: fc.nat({ max: 2 }),
      insert: fc.oneof(
        fc.constantFrom(
          '"',
          '\\',
          '\\u00',
          ',',
          ':',
          '[',
          ']',
          '{',
          '}',
          '-',
          '0',
          '1e',
          '.',
          'null',
          '\n',
          '\0',
        ),
        fc.uint8Array({ maxLength: 2 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
      ),
    })
    fc.assert(
      fc.property(text, fc.array(edit, { minLength: 1, maxLength: 3 }), (json, edits) => {
        let bytes = Buffer.from(json)
        for (const { at, remove, insert } of edits) {
          const from = at % (bytes.length + 1)
          bytes = Buffer.concat([
            bytes.subarray(0, from),
            Buffer.from(insert, 'latin1'),
            bytes.subarray(from + remove),
          ])
        }
        expectAgreement(bytes)
      }),
      { numRuns: 5_000 },
    )
  })

  test('in anything made of the letters of JSON', () => {
    const letters = fc.constantFrom(
      ...'{ } [ ] " , : \\ \n - + . 0 1 2 9 e E t r u f a l s n / b'.split(' '),
      ' ',
      '"a":',
      '"b"',
      'true',
      'null',
    )
    const anything = fc.array(letters, { maxLength: 24 }).map((parts) => `{${parts.join('')}}`)
    fc.assert(
      fc.property(anything, (json) => expectAgreement(Buffer.from(json))),
      { numRuns: 20_000 },
    )
  })

  test.each([
    '',
    '{',
    '{}',
    '{}}',
    '{} {}',
    '[]',
    'null',
    '\uFEFF{}',
    '\uFEFF\uFEFF{}',
    '{"a":"x","a":"y"}',
    '{"a":"x","a":null}',
    String.raw`{"\u0061":"\ud800\n\/"}`,
    '{"a":01}',
    '{"a":-}',
    '{"a":1.}',
    '{"a":1e+}',
    '{"a":.1}',
    '{"a":-0.5E-7}',
    '{"a":2030000000000000000000000000000}',
    '{"a":tru}',
    '{"a":"\t"}',
    '{"a":[1,]}',
    '{"a":1,}',
    '{,}',
    '{"a"}',
    '{"a":}',
    '{"a":[}]}',
    '{"x":{"a":"deeper"}}',
    '{"a":"x"}\v',
    "{'a':1}",
    '{"a":1}//',
  ])('in %j', (json) => expectAgreement(Buffer.from(json)))

  test('in bytes that are no UTF-8', () => {
    expectAgreement(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))
    expectAgreement(Buffer.from([0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x7d]))
  })
})

const scan = (json: string) => scanJsonObject(Buffer.from(json), [])

test('depth and tokens are counted', () => {
  expect(scan('{}')).toMatchObject({ depth: 1, tokens: 2 })
  expect(scan('{"a":[1,"x",{}]}')).toMatchObject({ depth: 3, tokens: 12 })
})

test('four million brackets in one another are no more than their bytes', () => {
  const half = 2 * 1024 * 1024
  const nested = Buffer.from(`{"x":${'['.repeat(half)}${']'.repeat(half)}}`)
  expect(scanJsonObject(nested, [])).toMatchObject({ depth: half + 1 })
})
