/** Where processing of a partition stands: the offset that must come next, and how often another one came. */
export type LogPosition = { next: bigint; misses: number }

/** What to do with records that were fetched. */
export type Continuity =
  /** They go on exactly where processing stopped. */
  | 'continues'
  /** They do not; most probably they were fetched before a seek. */
  | 'stale'
  /** That happened again and again: what the log holds has to be asked anew. */
  | 'broken'
  /** Not even that helped. */
  | 'lost'

const missesToReattach = 3
const missesToGiveUp = 12

/**
 * Compares the offsets of fetched records with the position. Without compaction and transactions a partition's offsets have no
 * gaps, so the first other offset means a race with a seek, and a repeated one that retention or a truncation
 * has taken what should come next.
 */
export function continuity(position: LogPosition, records: readonly { offset: bigint }[]): Continuity {
  if (areConsecutive(position.next, records)) return 'continues'
  const misses = position.misses + 1
  if (misses >= missesToGiveUp) return 'lost'
  return misses % missesToReattach === 0 ? 'broken' : 'stale'
}

function areConsecutive(first: bigint, records: readonly { offset: bigint }[]): boolean {
  let next = first
  for (const { offset } of records) {
    if (offset !== next) return false
    next += 1n
  }
  return true
}
