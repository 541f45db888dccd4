import fc from 'fast-check'
import kafkaJsCrc32c from 'kafkajs/src/protocol/recordBatch/crc32C/index.js'
import { expect, test } from 'vitest'
import { crc32c } from './crc32c.ts'

// RFC 3720, appendix B.4, and the check value of the algorithm's catalogue entry.
test.each([
  ['32 zeros', Buffer.alloc(32), 0x8a91_36aa],
  ['32 ones', Buffer.alloc(32, 0xff), 0x62a8_ab43],
  ['32 rising bytes', Buffer.from(Array.from({ length: 32 }, (_, n) => n)), 0x46dd_794e],
  ['123456789', Buffer.from('123456789'), 0xe306_9283],
  ['nothing', Buffer.alloc(0), 0],
])('the checksum of %s is the published one', (_, bytes, checksum) => {
  expect(crc32c(bytes)).toBe(checksum)
})

test('any bytes have the checksum that kafkajs computes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat({ max: 7 }), (bytes, skipped) => {
      // Where it begins in memory must not matter.
      const some = bytes.subarray(skipped)
      expect(crc32c(some)).toBe(kafkaJsCrc32c(Buffer.from(some)) >>> 0)
    }),
    { numRuns: 1_000 },
  )
})
