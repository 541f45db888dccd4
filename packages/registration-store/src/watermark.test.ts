import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  claimedFoldVersion,
  formatWatermark,
  isFromStart,
  isRebuildMarker,
  nextMarker,
  parseWatermark,
  rebuildMarker,
} from './watermark.ts'

test('a watermark comes back as it was written, whatever its texts and however great its offset', () => {
  const anyText = fc.string({ unit: 'binary' })
  const watermark = fc.record({
    clusterId: anyText,
    topic: anyText,
    partition: fc.nat(),
    offset: fc.bigInt({ min: -1n, max: 2n ** 63n - 1n }),
    notificationId: fc.option(anyText),
    stateOffset: fc.option(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })),
    foldVersion: fc.nat(),
  })
  fc.assert(
    fc.property(watermark, (given) => {
      expect(parseWatermark(formatWatermark(given))).toEqual(given)
      expect(claimedFoldVersion(formatWatermark(given))).toBe(given.foldVersion)
    }),
  )
})

test('the members stand in one order, because watermarks are compared as texts', () => {
  const members = {
    foldVersion: 4,
    stateOffset: 9n,
    notificationId: null,
    offset: 7n,
    partition: 1,
    topic: 't',
    clusterId: 'c',
  }
  expect(formatWatermark(members)).toBe(
    '{"clusterId":"c","topic":"t","partition":1,"offset":"7","notificationId":null,"stateOffset":"9","foldVersion":4}',
  )
})

test('a watermark of the time before the auditor, and before fold versions, is read', () => {
  const text = '{"clusterId":"c","topic":"t","partition":1,"offset":"7","notificationId":null}'
  expect(parseWatermark(text)).toMatchObject({ offset: 7n, stateOffset: null, foldVersion: 0 })
  expect(claimedFoldVersion(text)).toBe(0)
})

test('which fold wrote a watermark is told even when nothing else of it can be read', () => {
  expect(claimedFoldVersion('{"form":9,"foldVersion":12}')).toBe(12)
  expect(claimedFoldVersion('v2:9')).toBe(0)
})

test('each step of a rebuild has a marker of its own, and all tell whether the log is folded from its start', () => {
  for (const foldsFromStart of [false, true]) {
    let marker = rebuildMarker('0198', { foldsFromStart })
    const seen = new Set<string>()
    for (let step = 0; step < 12; step += 1) {
      expect(isRebuildMarker(marker)).toBe(true)
      expect(isFromStart(marker)).toBe(foldsFromStart)
      seen.add(marker)
      marker = nextMarker(marker)
    }
    expect(seen.size).toBe(12)
  }
  expect(rebuildMarker('0198')).toBe('rebuilding:0198:0')
})

test('a marker of a rebuild is no watermark', () => {
  const marker = rebuildMarker('0198')
  expect(isRebuildMarker(marker)).toBe(true)
  expect(parseWatermark(marker)).toBeNull()
  const members = {
    clusterId: 'c',
    topic: 't',
    partition: 1,
    notificationId: null,
    stateOffset: null,
    foldVersion: 1,
  }
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
