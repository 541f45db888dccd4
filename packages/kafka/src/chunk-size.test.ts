import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { chunkOf, nextChunkSize } from './chunk-size.ts'

const mebibyte = 1024 * 1024
const sized = (...bytes: number[]) => bytes.map((each) => ({ bytes: each }))

describe('the size of the next chunk', () => {
  test.each([
    ['doubles after a full chunk that was quick', 100, { records: 100, tookMs: 12 }, 200],
    ['does not grow beyond its maximum', 400, { records: 400, tookMs: 12 }, 500],
    ['stays after a chunk that was quick because it was small', 100, { records: 99, tookMs: 1 }, 100],
    ['stays after a chunk that was neither quick nor slow', 200, { records: 200, tookMs: 500 }, 200],
    ['stays at the border of slow', 200, { records: 200, tookMs: 1_500 }, 200],
    ['halves after a slow chunk', 201, { records: 201, tookMs: 1_501 }, 100],
    ['halves after a slow chunk that was small', 200, { records: 3, tookMs: 5_000 }, 100],
    ['does not shrink below ten', 15, { records: 15, tookMs: 5_000 }, 10],
  ])('%s', (_, size, chunk, next) => {
    expect(nextChunkSize(size, { ...chunk, max: 500 })).toBe(next)
  })

  test('never exceeds a maximum below ten', () => {
    expect(nextChunkSize(4, { records: 4, tookMs: 2_000, max: 4 })).toBe(4)
    expect(nextChunkSize(4, { records: 4, tookMs: 1, max: 4 })).toBe(4)
  })
})

describe('a chunk', () => {
  test.each([
    ['holds all that is there', sized(1, 1, 1), 3],
    ['may have 4 MiB', sized(mebibyte, 3 * mebibyte, 1), 2],
    ['ends before the record that makes it larger', sized(1, 2, 4 * mebibyte), 2],
    ['holds one larger record alone', sized(9 * mebibyte, 1), 1],
  ])('%s', (_, records, length) => {
    expect(chunkOf(records)).toEqual(records.slice(0, length))
  })

  test('whatever the sizes, chunks follow each other without a gap', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 6 * mebibyte }), { maxLength: 50 }), (bytes) => {
        const records = sized(...bytes)
        const chunks = []
        for (let start = 0; start < records.length; ) {
          const chunk = chunkOf(records.slice(start))
          expect(chunk.length).toBeGreaterThan(0)
          chunks.push(...chunk)
          start += chunk.length
        }
        expect(chunks).toEqual(records)
      }),
    )
  })

  test('asks for one record more than it holds, at most', () => {
    const records = sized(...Array.from({ length: 500 }, () => mebibyte)).values()
    expect(chunkOf(records)).toHaveLength(4)
    expect([...records]).toHaveLength(495)
  })
})
