import fc from 'fast-check'
import { expect, test } from 'vitest'
import { packHead, unpackHead } from './stored-head.ts'

const offset = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }).map(String)
const requestTime = fc.oneof(
  fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
  fc.constantFrom('2024-01-02T03:04:05-03:30', '1704164645000', '01704164645000', ''),
)

test('a head that was read back is packed to the text that it would have been packed to at first', () => {
  const cause = fc.record({
    notificationId: fc.oneof(fc.uuid(), fc.string({ unit: 'binary' })),
    requestTime,
    offset,
    appendTimeMs: fc.nat({ max: 2 ** 45 }),
  })
  fc.assert(
    fc.property(cause, offset, offset, (given, rev, laterRev) => {
      const head = { foldVersion: 1, rev, cause: given }
      const unpacked = unpackHead(packHead(head))
      expect(unpacked).toEqual(head)
      const later = { foldVersion: 2, rev: laterRev }
      expect(packHead({ ...later, cause: unpacked?.cause ?? given })).toBe(packHead({ ...head, ...later }))
      // A copy packs the same, without the text that was kept.
      expect(packHead({ ...later, cause: { ...(unpacked?.cause ?? given) } })).toBe(
        packHead({ ...head, ...later }),
      )
    }),
  )
})
