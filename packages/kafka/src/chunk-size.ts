export const firstChunkSize = 100
export const defaultMaxChunkSize = 500
const leastChunkSize = 10
/** What a process with a dozen busy partitions needs for a chunk of the largest size, the others' work included. */
const quickMs = 500
/** Redis and Kafka are slow, or the records are large: nobody should wait for a whole large chunk then. */
const slowMs = 1_500
/** A chunk is held in memory several times over while it is worked on. */
const maxChunkBytes = 4 * 1024 * 1024

/**
 * How many records the next chunk may have after one of `records` took `tookMs`. Quick chunks grow, because much of
 * their time is round trips; slow ones shrink, so that a partition can be given back and one record's trouble repeats
 * little work. A quick chunk that was not full proves nothing.
 */
export function nextChunkSize(
  size: number,
  { records, tookMs, max }: { records: number; tookMs: number; max: number },
): number {
  if (tookMs > slowMs) return Math.min(max, Math.max(leastChunkSize, Math.floor(size / 2)))
  if (tookMs < quickMs && records >= size) return Math.min(max, size * 2)
  return size
}

/** The first of `records` that may be a chunk together: bounded by bytes, and one record at least. Asks for no more. */
export function chunkOf<R extends { bytes: number }>(records: Iterable<R>): R[] {
  const chunk: R[] = []
  let bytes = 0
  for (const record of records) {
    bytes += record.bytes
    if (bytes > maxChunkBytes && chunk.length > 0) break
    chunk.push(record)
  }
  return chunk
}
