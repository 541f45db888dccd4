import { parseRequestTime } from '@signalbox/alipay/request-time'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRandom } from './random.ts'
import { createQuirks, formatRequestTime } from './sender-quirks.ts'

const ms = Date.UTC(2019, 3, 4, 6, 38, 49, 91)

test.each([
  ['epoch', '1554359929091'],
  ['offset', '2019-04-04T12:08:49+05:30'],
  ['fraction-offset', '2019-04-04T12:08:49.091+05:30'],
  ['short-fraction', '2019-04-04T06:38:49.09Z'],
  ['zulu', '2019-04-04T06:38:49Z'],
  ['compact-offset', '2019-04-04T14:38:49+0800'],
  ['ticks', '2019-04-04T06:38:49.0914567Z'],
] as const)('the form %s reads %s', (form, text) => {
  expect(formatRequestTime(ms, form)).toBe(text)
})

test('a Request-Time in any form of either dialect means the time, up to a second cut off', () => {
  fc.assert(
    fc.property(
      fc.nat(),
      fc.constantFrom('alipayplus' as const, 'ams' as const),
      fc.integer({ min: 1_500_000_000_000, max: 4_000_000_000_000 }),
      (seed, dialect, signedMs) => {
        const { requestTimeForm } = createQuirks(createRandom(seed), dialect)
        const read = parseRequestTime(formatRequestTime(signedMs, requestTimeForm)) ?? Number.NaN
        expect(read).toBeLessThanOrEqual(signedMs)
        expect(read).toBeGreaterThan(signedMs - 1_000)
      },
    ),
  )
})
