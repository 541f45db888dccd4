import type { View } from './registration.ts'
import { entryKey, type EntryStatus, type FinalStatus, isFinal } from './statement.ts'

export type AlertableEvent =
  | {
      kind: 'entry'
      pspName: string
      productCode: string
      status: FinalStatus
      /** null: the entry was not there before. */
      previousStatus: EntryStatus | null
      rejectionReason: string | null
    }
  | { kind: 'collective_completed' }

/** What merchants are told of a change: entries that enter or change a final, and the collective becoming COMPLETED. */
export function alertableEvents(previous: View, next: View): readonly AlertableEvent[] {
  const before = new Map(previous.entries.map((entry) => [entryKey(entry), entry.status]))
  const events: AlertableEvent[] = []
  for (const entry of next.entries) {
    const { pspName, productCode, status, rejectionReason } = entry
    const previousStatus = before.get(entryKey(entry)) ?? null
    if (!isFinal(status) || status === previousStatus) continue
    events.push({ kind: 'entry', pspName, productCode, status, previousStatus, rejectionReason })
  }
  if (next.collectiveStatus === 'COMPLETED' && previous.collectiveStatus !== 'COMPLETED') {
    events.push({ kind: 'collective_completed' })
  }
  return events
}
