import { setTimeout as delay } from 'node:timers/promises'
import {
  type OutcomeCounts,
  openRegistrationStore,
  type RegistrationStore,
} from '@signalbox/registration-store/registration-store'
import { type Balance, balanceOf, outcomesOf } from './balance.ts'
import type { Pipeline } from './pipeline.ts'
import { type RunFacts, readRunFacts } from './run-facts.ts'
import { silent } from './silent.ts'

const pollMs = 500

/** The processor's books, summed over the partitions. */
async function readOutcomes(
  store: Pick<RegistrationStore, 'readBooks'>,
  { partitions }: { partitions: number },
): Promise<OutcomeCounts> {
  const total: OutcomeCounts = { applied: 0, flagged: 0, repeated: 0, stale: 0, quarantined: 0 }
  for (let partition = 0; partition < partitions; partition++) {
    const books = await store.readBooks({ partition })
    total.applied += books?.counts.applied ?? 0
    total.flagged += books?.counts.flagged ?? 0
    total.repeated += books?.counts.repeated ?? 0
    total.stale += books?.counts.stale ?? 0
    total.quarantined += books?.counts.quarantined ?? 0
  }
  return total
}

/**
 * Waits until every raw record has its outcome and every alert owed has its receipt, and returns what there is then.
 *
 * @throws past `deadlineMs`, with what is still open
 */
export async function untilQuiet(
  pipeline: Pipeline,
  options: { deadlineMs: number; onProgress?: (message: string) => void },
): Promise<{ facts: RunFacts; balance: Balance }> {
  await using store = await openRegistrationStore({ ...pipeline.redis, log: silent })
  const deadline = performance.now() + options.deadlineMs
  let said = ''
  while (true) {
    const outcomes = await readOutcomes(store, pipeline.kafka)
    const facts = await readRunFacts(pipeline)
    const balance = balanceOf(facts, outcomes)
    const open = openItems(balance)
    if (open === '') return { facts, balance }
    if (performance.now() > deadline) throw new Error(`not quiet within ${options.deadlineMs} ms: ${open}`)
    if (open !== said) options.onProgress?.(open)
    said = open
    await delay(pollMs)
  }
}

function openItems(balance: Balance): string {
  const records = balance.inKafka - outcomesOf(balance)
  const alerts = balance.alerts.withoutReceipt
  return [
    ...(records > 0 ? [`${records} records without outcome`] : []),
    ...(alerts > 0 ? [`${alerts} alerts without receipt`] : []),
  ].join(', ')
}
