import fc from 'fast-check'
import { expect, test } from 'vitest'
import { countMembers, inspectJson, measureJson, type MemberTree } from './json-text.ts'

const used = {}
const tree: MemberTree = {
  members: { a: { members: { b: used }, items: { members: { b: used } } }, ab: used },
}
const inspect = (text: string, maxDepth = 32) => inspectJson(text, { maxDepth, tree })

test.each([
  ['a scalar has no depth', '"text"', 0],
  ['an empty object', '{}', 1],
  ['brackets in texts do not count', '{"a":"[{","b":"\\"]}"}', 1],
  ['objects in a list in an object', '{"a":[{"b":[]}]}', 4],
  ['the deepest of several branches counts', '[[],[[[]]],[]]', 4],
])('%s', (_, text, depth) => {
  expect(inspect(text)).toEqual({ depth, duplicate: null })
})

test.each([
  ['at the top', '{"a":1,"b":2,"a":3}', 'a'],
  ['below a member', '{"a":{"b":1,"b":1}}', 'a.b'],
  ['in an item of a list', '{"a":[{"b":1},{"b":1,"c":[],"b":2}]}', 'a[].b'],
  ['written with an escape', '{"ab":1,"a\\u0062":2}', 'ab'],
  ['with white space before the colon', '{"a" :1,"a"\t\r\n:2}', 'a'],
  ['after a value that ends in an escaped backslash', '{"a":"\\\\","a":""}', 'a'],
  ['the first of several', '{"ab":1,"a":{"b":1,"b":2},"ab":2}', 'a.b'],
])('a member that stands twice is found %s', (_, text, duplicate) => {
  expect(inspect(text).duplicate).toEqual(duplicate)
})

test.each([
  ['the same name in two objects', '{"a":[{"b":1},{"b":1}]}'],
  ['the same name on two levels', '{"a":{"a":{"a":1}}}'],
  ['a value that equals a name', '{"a":"a","c":["a","a"]}'],
  ['a member that is not in the tree', '{"c":1,"c":2,"d":{"b":1,"b":2}}'],
  ['a member that is in the tree elsewhere', '{"b":1,"b":2}'],
  ['a name that reads like a path', '{"a.b":1,"a.b":2}'],
  ['a name that every object has by inheritance', '{"__proto__":1,"__proto__":2,"toString":1,"toString":2}'],
])('%s is no duplicate', (_, text) => {
  expect(inspect(text).duplicate).toBeNull()
})

const many = (name: string) => `{"${name}":{${'"a":0,'.repeat(400_000)}"a":0}}`
const timeOf = (text: string) => {
  const since = performance.now()
  inspect(text)
  return performance.now() - since
}

test('the walk is linear: long names and many duplicates elsewhere cost nothing extra', () => {
  timeOf(many('c')) // warm
  // Quadratic work took minutes here; the bound is coarse so that a busy machine does not matter.
  expect(timeOf(many('c'.repeat(1_000_000)))).toBeLessThan(5_000)
})

test('the walk ends below the greatest depth that is looked at', () => {
  expect(inspect('['.repeat(100_000) + ']'.repeat(100_000), 32).depth).toBe(33)
})

const anyJson = fc
  .tuple(fc.jsonValue({ maxDepth: 8, stringUnit: 'binary' }), fc.constantFrom(undefined, 2, '\t'))
  .map(([value, indent]) => JSON.stringify(value, null, indent))

test('a text has as many members as its value, and is as deep as the walk for duplicates says', () => {
  fc.assert(
    fc.property(anyJson, (text) => {
      const { depth, members } = measureJson(text, { maxDepth: 32 })
      expect(members).toBe(countMembers(JSON.parse(text)))
      expect(depth).toBe(inspect(text).depth)
    }),
  )
})

test('a text in which any member stands twice has more members than its value', () => {
  fc.assert(
    fc.property(anyJson, fc.string(), anyJson, anyJson, (around, name, one, other) => {
      const twice = `{${JSON.stringify(name)}:${one},"between":${around},${JSON.stringify(name)}:${other}}`
      const text = `[${around},{"x":${twice}}]`
      expect(measureJson(text, { maxDepth: 64 }).members).toBeGreaterThan(countMembers(JSON.parse(text)))
    }),
  )
})

test('the count of members ends below the greatest depth that is looked at', () => {
  expect(measureJson('['.repeat(100_000) + ']'.repeat(100_000), { maxDepth: 32 }).depth).toBe(33)
})

test('what JSON.stringify writes has the depth of its value and no duplicates', () => {
  const depthOf = (value: unknown): number =>
    typeof value === 'object' && value !== null
      ? 1 + Math.max(0, ...Object.values(value).map((below) => depthOf(below)))
      : 0
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 8 }), fc.constantFrom(undefined, 2, '\t'), (value, indent) => {
      const text = JSON.stringify(value, null, indent)
      expect(inspect(text)).toEqual({ depth: depthOf(JSON.parse(text)), duplicate: null })
    }),
  )
})

test('a member of the tree written twice is found whatever its name and values', () => {
  fc.assert(
    fc.property(fc.string(), fc.jsonValue(), fc.jsonValue(), (name, first, second) => {
      const member = JSON.stringify(name)
      const twice = `[{${member}:${JSON.stringify(first)},${member}:${JSON.stringify(second)}}]`
      const members: MemberTree = { items: { members: Object.fromEntries([[name, used]]) } }
      expect(inspectJson(twice, { maxDepth: 32, tree: members }).duplicate).toBe(`[].${name}`)
    }),
  )
})
