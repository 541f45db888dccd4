import { registrationKey, type RegistrationRef } from '@signalbox/contracts/keys'
import type { AttentionCursor, RegistrationStore } from '@signalbox/registration-store/registration-store'

/** A registration that was opened and of which nothing has been heard since. */
export type Unanswered = { registration: RegistrationRef; sinceMs: number }

/** In one partition no more than this is looked at for one page: the rest of a long list comes with the next. */
const entriesPerRead = 500
const readsPerPage = 4

/**
 * The registrations of a client that are unanswered since before `untilMs`, those longest first. A page may be short
 * although `next` says that there is more.
 */
export async function findUnanswered(
  { store, partitions }: { store: Pick<RegistrationStore, 'listAttention'>; partitions: number },
  query: { clientId: string; untilMs: number; limit: number; after: AttentionCursor | null },
): Promise<{ unanswered: Unanswered[]; next: AttentionCursor | null }> {
  const lists = await Promise.all(
    Array.from({ length: partitions }, (_, partition) => readPartition(partition)),
  )
  // Beyond what was read of every partition, one that stands earlier may be missing.
  const readTo = lists.flatMap(({ next }) => next ?? []).toSorted(compare)[0] ?? null
  const found = lists
    .flatMap(({ unanswered }) => unanswered)
    .filter((one) => readTo === null || compare(cursorAt(one), readTo) <= 0)
    .toSorted((a, b) => compare(cursorAt(a), cursorAt(b)))
  const unanswered = found.slice(0, query.limit)
  const last = unanswered.at(-1)
  const next = found.length > unanswered.length && last !== undefined ? cursorAt(last) : readTo
  return { unanswered, next }

  async function readPartition(partition: number) {
    const unanswered: Unanswered[] = []
    let after = query.after
    for (let read = 0; read < readsPerPage; read++) {
      const page = await store.listAttention({
        partition,
        kind: 'unanswered',
        untilMs: query.untilMs,
        limit: entriesPerRead,
        after,
      })
      unanswered.push(...page.entries.filter(({ registration }) => registration.clientId === query.clientId))
      after = page.next
      if (after === null || unanswered.length > query.limit) break
    }
    return { unanswered, next: after }
  }
}

/** `<since>.<key>`, to be given back for the next page. */
export function cursorText({ sinceMs, key }: AttentionCursor): string {
  return `${sinceMs}.${key}`
}

/** Null when it is no cursor of ours. */
export function parseCursor(text: string): AttentionCursor | null {
  const match = /^([0-9]{1,15})\.(.+)$/.exec(text)
  return match === null ? null : { sinceMs: Number(match[1]), key: match[2] ?? '' }
}

function cursorAt({ registration, sinceMs }: Unanswered): AttentionCursor {
  return { sinceMs, key: registrationKey(registration) }
}

/** As Redis sorts them; keys are ASCII. */
function compare(a: AttentionCursor, b: AttentionCursor): number {
  return a.sinceMs - b.sinceMs || (a.key < b.key ? -1 : Number(a.key > b.key))
}
