import type { StateRecord } from './read-state.ts'

/** What is the newest of a registration, as far as its state records were read. */
type Newest = {
  version: number
  rev: bigint
  isForgotten: boolean
  /** An older record stands behind it in the log, and compaction would keep that one. */
  isBuried: boolean
}

/**
 * The newest record of each registration in a state topic, whatever the order in which a zombie or a late produce has
 * put them: the greatest (version, rev), and nothing of what came before a forgetting.
 */
export function createNewestStates() {
  const newest = new Map<string, Newest>()

  return {
    /** Takes the next record of the log. */
    take(record: StateRecord): void {
      if (record.key === null) return
      const known = newest.get(record.key)
      const next = after(known, record)
      if (next !== null) newest.set(record.key, next)
      else if (known !== undefined) known.isBuried = true
    },

    /** The place of the newest among the next records of one registration; -1: what is known is newer than all. */
    newestAmong(records: readonly StateRecord[]): number {
      let found = -1
      let known = newest.get(records[0]?.key ?? '')
      for (const [place, record] of records.entries()) {
        const next = after(known, record)
        if (next === null) continue
        found = place
        known = next
      }
      return found
    },

    has: (key: string) => newest.has(key),

    /** Registrations whose newest record has to be published again. */
    buried(): { key: string; forgottenRev: bigint | null }[] {
      const keys = []
      for (const [key, { isBuried, isForgotten, rev }] of newest) {
        if (isBuried) keys.push({ key, forgottenRev: isForgotten ? rev : null })
      }
      return keys
    },
  }
}

export type NewestStates = ReturnType<typeof createNewestStates>

/** What is the newest once a record has been read; null: it is what it was. */
function after(known: Newest | undefined, record: StateRecord): Newest | null {
  if (record.kind === 'unreadable' || (known !== undefined && isOlder(record, known))) return null
  const isForgotten = record.kind === 'forgotten'
  return {
    version: isForgotten ? 0 : record.version,
    rev: record.rev ?? known?.rev ?? 0n,
    isForgotten,
    isBuried: false,
  }
}

/** Whether a record says less than what is known. Equal is not older: publishing again is a normal operation. */
export function isOlder(
  record: Exclude<StateRecord, { kind: 'unreadable' }>,
  known: { version: number; rev: bigint; isForgotten: boolean },
): boolean {
  if (record.kind === 'forgotten') return record.rev !== null && record.rev < known.rev
  // A registration that is heard of again begins anew with version 1, so only the log tells before from after.
  if (known.isForgotten) return record.rev <= known.rev
  return record.version < known.version || (record.version === known.version && record.rev < known.rev)
}
