import type { AlertQueue } from './adapters/alert-queue.ts'

/** Those of these batches whose jobs will still send their alerts; null stands for none. */
export async function liveBatches(
  batchIds: readonly (string | null)[],
  queue: Pick<AlertQueue, 'stateOf'>,
): Promise<ReadonlySet<string | null>> {
  const known = [...new Set(batchIds)].filter((batchId) => batchId !== null)
  const states = await Promise.all(known.map((batchId) => queue.stateOf(batchId)))
  return new Set(known.filter((_, index) => states[index] === 'live'))
}
