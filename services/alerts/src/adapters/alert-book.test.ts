import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { bucketOf } from './alert-book.ts'

test('the marker of an alert has its place by the first byte of its hash, whichever that is', () => {
  const hashes = Array.from({ length: 2_000 }, (_, n) => createHash('sha256').update(String(n)).digest())
  const buckets = hashes.map((hash) => bucketOf(`a-${hash.toString('base64url').slice(0, 22)}`))
  expect(buckets).toEqual(hashes.map((hash) => hash.toString('hex').slice(0, 2)))
  expect(new Set(buckets).size).toBe(256)
})
