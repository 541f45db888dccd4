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
    /** Takes the next record of the log. Says whether it is the newest of its registration so far. */
    take(record: StateRecord): boolean {
      if (record.kind === 'unreadable') {
        if (record.key !== null) bury(record.key)
        return false
      }
      const known = newest.get(record.key)
      if (known !== undefined && isOlder(record, known)) {
        bury(record.key)
        return false
      }
      const isForgotten = record.kind === 'forgotten'
      newest.set(record.key, {
        version: isForgotten ? 0 : record.version,
        rev: record.rev ?? known?.rev ?? 0n,
        isForgotten,
        isBuried: false,
      })
      return true
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

  function bury(key: string): void {
    const known = newest.get(key)
    if (known !== undefined) known.isBuried = true
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
