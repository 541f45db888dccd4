import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatWatermark, isRebuildMarker, parseWatermark, rebuildMarker } from './watermark.ts'

test('a watermark comes back as it was written, whatever its texts and however great its offset', () => {
  const anyText = fc.string({ unit: 'binary' })
  const watermark = fc.record({
    clusterId: anyText,
    topic: anyText,
    partition: fc.nat(),
    offset: fc.bigInt({ min: -1n, max: 2n ** 63n - 1n }),
    notificationId: fc.option(anyText),
    stateOffset: fc.option(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })),
  })
  fc.assert(
    fc.property(watermark, (given) => {
      expect(parseWatermark(formatWatermark(given))).toEqual(given)
    }),
  )
})

test('the members stand in one order, because watermarks are compared as texts', () => {
  const members = {
    stateOffset: 9n,
    notificationId: null,
    offset: 7n,
    partition: 1,
    topic: 't',
    clusterId: 'c',
  }
  expect(formatWatermark(members)).toBe(
    '{"clusterId":"c","topic":"t","partition":1,"offset":"7","notificationId":null,"stateOffset":"9"}',
  )
})

test('a watermark of the time before the auditor is read', () => {
  const text = '{"clusterId":"c","topic":"t","partition":1,"offset":"7","notificationId":null}'
  expect(parseWatermark(text)).toMatchObject({ offset: 7n, stateOffset: null })
})

test('a marker of a rebuild is no watermark', () => {
  const marker = rebuildMarker('0198')
  expect(isRebuildMarker(marker)).toBe(true)
  expect(parseWatermark(marker)).toBeNull()
  const members = { clusterId: 'c', topic: 't', partition: 1, notificationId: null, stateOffset: null }
  expect(isRebuildMarker(formatWatermark({ ...members, offset: 7n }))).toBe(false)
})

test.each([
  '',
  'null',
  '{}',
  '{"clusterId":"c","topic":"t","partition":1,"offset":"-2","notificationId":null}',
])('%s is no watermark', (text) => {
  expect(parseWatermark(text)).toBeNull()
})
