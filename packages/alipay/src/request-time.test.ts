import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatResponseTime, parseRequestTime } from './request-time.ts'

test.each([
  ['1685599933871', 1685599933871],
  ['2019-04-04T12:08:56+05:30', Date.UTC(2019, 3, 4, 6, 38, 56)],
  ['2019-04-04T12:08:56.253+05:30', Date.UTC(2019, 3, 4, 6, 38, 56, 253)],
  ['2019-04-04T12:08:49.09Z', Date.UTC(2019, 3, 4, 12, 8, 49, 90)],
  ['2019-04-04T12:08:56Z', Date.UTC(2019, 3, 4, 12, 8, 56)],
  ['2019-04-04T12:08:56+0800', Date.UTC(2019, 3, 4, 4, 8, 56)],
  ['2019-04-04T12:08:56.1234567Z', Date.UTC(2019, 3, 4, 12, 8, 56, 123)],
  ['2024-02-29T00:00:00-01:30', Date.UTC(2024, 1, 29, 1, 30)],
  ['0099-01-01T00:00:00Z', -59_042_995_200_000],
])('%s is read', (text, ms) => {
  expect(parseRequestTime(text)).toBe(ms)
})

test.each([
  '',
  '168559993387',
  '16855999338710',
  '2019-04-04T12:08:56',
  '2019-04-04 12:08:56Z',
  '2019-04-04t12:08:56z',
  '2019-02-30T12:08:56Z',
  '2023-02-29T12:08:56Z',
  '2019-13-01T12:08:56Z',
  '2019-04-04T24:00:00Z',
  '2019-04-04T12:60:00Z',
  '2019-04-04T12:08:60Z',
  '2019-04-04T12:08:56.Z',
  '2019-04-04T12:08:56.1234567890Z',
  '2019-04-04T12:08:56+24:00',
  ' 2019-04-04T12:08:56Z',
  '2019-04-04T12:08:56Z\n',
])('"%s" is refused', (text) => {
  expect(parseRequestTime(text)).toBeNull()
})

test('every response-time has whole seconds and is itself a valid Request-Time', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4_000_000_000_000 }), (ms) => {
      expect(parseRequestTime(formatResponseTime(ms))).toBe(Math.floor(ms / 1000) * 1000)
    }),
  )
})
