import { expect, test } from 'vitest'
import { retryAfterMs } from './retry-after.ts'

const nowMs = Date.UTC(1994, 10, 6, 8, 49, 0)
const hourMs = 3_600_000

test.each([
  ['seconds', '120', 120_000],
  ['no wait', '0', 0],
  ['seconds in white space', ' 7 ', 7_000],
  ['more than an hour', '1000000000', hourMs],
  ['more than a number holds', '9'.repeat(400), hourMs],
  ['a date', 'Sun, 06 Nov 1994 08:49:37 GMT', 37_000],
  ['a date in the form of RFC 850', 'Sunday, 06-Nov-94 08:49:37 GMT', 37_000],
  ['a date in the form of asctime', 'Sun Nov  6 08:49:37 1994', 37_000],
  ['a date that is past', 'Sun, 06 Nov 1994 08:00:00 GMT', 0],
  ['a date far ahead', 'Fri, 31 Dec 1999 23:59:59 GMT', hourMs],
])('%s (%s)', (_, header, ms) => {
  expect(retryAfterMs(header, { nowMs })).toBe(ms)
})

test.each([null, '', '-5', '1.5', '5 minutes', 'soon', '1994-11-06', 'Sun, 99 Foo 1994 08:49:37 GMT'])(
  '%j says nothing',
  (header) => {
    expect(retryAfterMs(header, { nowMs })).toBeNull()
  },
)
