import type { OutcomeCounts, RegistrationStore } from '@signalbox/registration-store/registration-store'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import { keyPrefix } from './workbench.ts'

/** What the books of all partitions say together, and through which offset each counts. */
export type AllBooks = {
  counts: OutcomeCounts
  total: number
  countedThrough: ReadonlyMap<number, bigint>
}

export async function readAllBooks(of: { store: RegistrationStore; partitions: number }): Promise<AllBooks> {
  const numbers = Array.from({ length: of.partitions }, (_, partition) => partition)
  const books = await Promise.all(numbers.map((partition) => of.store.readBooks({ partition })))
  const counts: OutcomeCounts = { applied: 0, flagged: 0, repeated: 0, stale: 0, quarantined: 0 }
  const countedThrough = new Map<number, bigint>()
  for (const [partition, book] of books.entries()) {
    if (book === null) continue
    countedThrough.set(partition, BigInt(book.countedThrough))
    counts.applied += book.counts.applied
    counts.flagged += book.counts.flagged
    counts.repeated += book.counts.repeated
    counts.stale += book.counts.stale
    counts.quarantined += book.counts.quarantined
  }
  return { counts, total: Object.values(counts).reduce((sum, some) => sum + some, 0), countedThrough }
}

/** How many merchants the view holds; in a bench each has one registration. */
export async function countRegistrations(redis: Redis): Promise<number> {
  let found = 0
  for await (const keys of redis.scanStream({ match: `${keyPrefix}{p*}:m:*`, count: 1_000 })) {
    found += z.array(z.string()).parse(keys).length
  }
  return found
}
