import fc from 'fast-check'
import { expect, test } from 'vitest'
import { inspectJson } from './json-text.ts'

const inspect = (text: string, maxDepth = 32) => {
  const { depth, duplicates } = inspectJson(text, { maxDepth })
  return { depth, duplicates: [...duplicates] }
}

test.each([
  ['a scalar has no depth', '"text"', 0],
  ['an empty object', '{}', 1],
  ['brackets in texts do not count', '{"a":"[{","b":"\\"]}"}', 1],
  ['objects in a list in an object', '{"a":[{"b":[]}]}', 4],
  ['the deepest of several branches counts', '[[],[[[]]],[]]', 4],
])('%s', (_, text, depth) => {
  expect(inspect(text)).toEqual({ depth, duplicates: [] })
})

test.each([
  ['at the top', '{"a":1,"b":2,"a":3}', ['a']],
  ['below a member', '{"a":{"b":1,"b":1}}', ['a.b']],
  ['in an item of a list', '{"a":[{"b":1},{"b":1,"c":[],"b":2}]}', ['a[].b']],
  ['written with an escape', '{"ab":1,"a\\u0062":2}', ['ab']],
  ['with white space before the colon', '{"a" :1,"a"\t\r\n:2}', ['a']],
  ['named like a property of every object', '{"__proto__":1,"__proto__":2}', ['__proto__']],
  ['after a value that ends in an escaped backslash', '{"a":"\\\\","a":""}', ['a']],
])('a member that stands twice is found %s', (_, text, duplicates) => {
  expect(inspect(text).duplicates).toEqual(duplicates)
})

test.each([
  ['the same name in two objects', '[{"a":1},{"a":1}]'],
  ['the same name on two levels', '{"a":{"a":{"a":1}}}'],
  ['a value that equals a name', '{"a":"a","b":["a","a"]}'],
])('%s is no duplicate', (_, text) => {
  expect(inspect(text).duplicates).toEqual([])
})

test('the walk ends below the greatest depth that is looked at', () => {
  expect(inspect('['.repeat(100_000) + ']'.repeat(100_000), 32).depth).toBe(33)
})

test('what JSON.stringify writes has the depth of its value and no duplicates', () => {
  const depthOf = (value: unknown): number =>
    typeof value === 'object' && value !== null
      ? 1 + Math.max(0, ...Object.values(value).map((below) => depthOf(below)))
      : 0
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 8 }), fc.constantFrom(undefined, 2, '\t'), (value, indent) => {
      const text = JSON.stringify(value, null, indent)
      expect(inspect(text)).toEqual({ depth: depthOf(JSON.parse(text)), duplicates: [] })
    }),
  )
})

test('a member written twice is found wherever it stands', () => {
  fc.assert(
    fc.property(fc.string(), fc.jsonValue(), fc.jsonValue(), (name, first, second) => {
      const member = JSON.stringify(name)
      const twice = `{${member}:${JSON.stringify(first)},${member}:${JSON.stringify(second)}}`
      expect(inspect(`[${twice}]`).duplicates).toContain(name === '' ? '[].' : `[].${name}`)
    }),
  )
})
