import { expect, test } from 'vitest'
import { fnv1a64 } from './fnv1a64.ts'

test.each([
  ['', 'cbf29ce484222325'],
  ['a', 'af63dc4c8601ec8c'],
  ['foobar', '85944171f73967e8'],
])('agrees with the published vector for %j', (text, hash) => {
  expect(fnv1a64(text)).toBe(hash)
})
