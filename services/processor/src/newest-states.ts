import type { StateRecord, UnreadableState } from './read-state.ts'

/** What is the newest of a registration, as far as its state records were read. */
type Newest = {
  rev: bigint
  isForgotten: boolean
  /** An older record stands behind it in the log, and compaction would keep that one. */
  isBuried: boolean
}

/** Records that could not be read: how many, and the first of them. */
export type Unreadable = { records: number; first: UnreadableState }

/**
 * The newest record of each registration in a state topic, whatever the order in which a zombie or a late produce has
 * put them: the one with the greatest rev, which rises with every move. Versions begin again after a forgetting.
 */
export function createNewestStates() {
  const newest = new Map<string, Newest>()
  /** Of each registration the newest record that could not be read. */
  const unreadable = new Map<string, UnreadableState & { rev: bigint }>()
  let found: Unreadable | null = null

  function takeUnreadable(record: UnreadableState): void {
    found = { records: (found?.records ?? 0) + 1, first: found?.first ?? record }
    const { key, rev } = record
    if (key === null || rev === null) return
    if (rev >= (unreadable.get(key)?.rev ?? 0n)) unreadable.set(key, { ...record, rev })
  }

  return {
    /** Takes the next record of the log. */
    take(record: StateRecord): void {
      if (record.kind === 'unreadable') takeUnreadable(record)
      if (record.key === null) return
      const known = newest.get(record.key)
      const next = after(known, record)
      if (next !== null) newest.set(record.key, next)
      else if (known !== undefined) known.isBuried = true
    },

    /** The place of the newest among the next records of one registration; -1: what is known is newer than all. */
    newestAmong(records: readonly StateRecord[]): number {
      let place = -1
      let known = newest.get(records[0]?.key ?? '')
      for (const [index, record] of records.entries()) {
        const next = after(known, record)
        if (next === null) continue
        place = index
        known = next
      }
      return place
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

    /** Records that could not be read; null: none. */
    unreadable: (): Unreadable | null => found,

    /** Of them those with which the newest state of a key is lost: no record that can be read is as new. */
    lost: () =>
      [...unreadable.values()].filter(({ key, rev }) => {
        const known = newest.get(key ?? '')
        return known === undefined || known.rev < rev
      }),
  }
}

export type NewestStates = ReturnType<typeof createNewestStates>

/** What is the newest once a record has been read; null: it is what it was. */
function after(known: Newest | undefined, record: StateRecord): Newest | null {
  if (record.kind === 'unreadable' || (known !== undefined && isOlder(record, known))) return null
  return { rev: record.rev, isForgotten: record.kind === 'forgotten', isBuried: false }
}

/** Whether a record says less than what is known. Equal is not older: publishing again is a normal operation. */
export function isOlder(
  record: Exclude<StateRecord, { kind: 'unreadable' }>,
  known: { rev: bigint; isForgotten: boolean },
): boolean {
  if (record.rev !== known.rev) return record.rev < known.rev
  return known.isForgotten && record.kind === 'state'
}
