import { headerText } from '@signalbox/contracts/header-texts'
import type { QuarantineTopics, Summary } from './quarantine.ts'

/** More is not looked through: it is half a minute of reading, and a person waits. */
export const maxScanned = 1_000_000n

type Appended = { partition: number; offset: bigint; timestampMs: number }

/**
 * Finds in the raw topic what was put back of these records. A record counts as put back when that was after it came
 * into the raw topic itself: what was put back and set aside again stands for itself.
 */
export async function findRedriven(
  { log, partitions, topics }: QuarantineTopics,
  records: readonly Summary[],
): Promise<{ kind: 'found'; wasRedriven: (record: Summary) => boolean } | { kind: 'too_many' }> {
  const topic = topics.raw
  const sinceMs = sinceByPartition(records, partitions)
  const ranges = []
  for (const [partition, timeMs] of sinceMs) {
    const from = await log.offsetAt({ topic, partition, timeMs })
    const { end: to } = await log.bounds({ topic, partition })
    if (from < to) ranges.push({ topic, partition, from, to })
  }
  if (ranges.reduce((sum, { from, to }) => sum + (to - from), 0n) > maxScanned) {
    return { kind: 'too_many' }
  }

  const appended = new Map<string, Appended[]>(records.map(({ source }) => [source, []]))
  for (const range of ranges) {
    for await (const some of log.read(range)) {
      for (const { headers, partition, offset, timestampMs } of some) {
        const source = headerText(headers, 'replayed-from')
        if (source !== undefined) appended.get(source)?.push({ partition, offset, timestampMs })
      }
    }
  }
  return {
    kind: 'found',
    wasRedriven: (record) => (appended.get(record.source) ?? []).some((at) => isAfter(at, record)),
  }
}

/** When a record came into Signalbox, epoch milliseconds. */
export function originMs({ origin, setAsideMs }: Pick<Summary, 'origin' | 'setAsideMs'>): number {
  return origin?.timestampMs ?? setAsideMs
}

function isAfter(at: Appended, record: Summary): boolean {
  const { origin } = record
  if (origin !== null && at.partition === origin.partition) return at.offset > BigInt(origin.offset)
  return at.timestampMs >= originMs(record)
}

/** From when on each partition of the raw topic may hold what was put back. */
function sinceByPartition(records: readonly Summary[], partitions: number): ReadonlyMap<number, number> {
  const since = new Map<number, number>()
  const look = (partition: number, timeMs: number) =>
    since.set(partition, Math.min(timeMs, since.get(partition) ?? timeMs))
  for (const record of records) look(record.partition, originMs(record))
  const moving = records.filter(mayHaveMoved)
  if (moving.length > 0) {
    const oldest = Math.min(...moving.map(originMs))
    for (let partition = 0; partition < partitions; partition++) look(partition, oldest)
  }
  return since
}

/** What is attributed, and what gets another key, may stand in any partition once it is put back. */
function mayHaveMoved({ key, reason, attributedTo }: Summary): boolean {
  const namesNoMerchant = key.split('/')[1] === ''
  return namesNoMerchant || attributedTo !== null || reason === 'unreadable_record'
}
