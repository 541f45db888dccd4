import { expect, test } from 'vitest'
import { Fnv1a64, hashLetters, hashOfHex } from './fnv1a64.ts'

test.each([
  ['', 'cbf29ce484222325'],
  ['a', 'af63dc4c8601ec8c'],
  ['foobar', '85944171f73967e8'],
])('agrees with the published vector for %j', (text, hex) => {
  const [whole, inParts] = [new Fnv1a64(), new Fnv1a64()]
  whole.add(text)
  for (const letter of text) inParts.add(letter)
  expect(whole.hash()).toBe(hashOfHex(hex))
  expect(inParts.hash()).toBe(hashOfHex(hex))
})

test('each of the 64 bits shows', () => {
  const zero = '0'.repeat(16)
  const hashes = new Set([hashOfHex(zero)])
  for (let bit = 0; bit < 64; bit += 1)
    hashes.add(hashOfHex((1n << BigInt(bit)).toString(16).padStart(16, '0')))
  expect(hashes.size).toBe(65)
  for (const hash of hashes) expect(hash).toHaveLength(hashLetters)
})
