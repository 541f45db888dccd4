import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatWatermark, parseWatermark } from './watermark.ts'

test('a watermark comes back as it was written, whatever its texts and however great its offset', () => {
  const anyText = fc.string({ unit: 'binary' })
  const watermark = fc.record({
    clusterId: anyText,
    topic: anyText,
    partition: fc.nat(),
    offset: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
    notificationId: fc.option(anyText),
  })
  fc.assert(
    fc.property(watermark, (given) => {
      expect(parseWatermark(formatWatermark(given))).toEqual(given)
    }),
  )
})

test('the members stand in one order, because watermarks are compared as texts', () => {
  const members = { notificationId: null, offset: 7n, partition: 1, topic: 't', clusterId: 'c' }
  expect(formatWatermark(members)).toBe(
    '{"clusterId":"c","topic":"t","partition":1,"offset":"7","notificationId":null}',
  )
})

test.each([
  '',
  'null',
  '{}',
  'rebuilding:0198',
  '{"clusterId":"c","topic":"t","partition":1,"offset":"-7","notificationId":null}',
])('%s is no watermark', (text) => {
  expect(parseWatermark(text)).toBeNull()
})
