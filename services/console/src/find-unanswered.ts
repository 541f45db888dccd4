import { merchantKey, registrationKey, type RegistrationRef } from '@signalbox/contracts/keys'
import type { AttentionCursor, RegistrationStore } from '@signalbox/registration-store/registration-store'

/** A registration that was opened and of which nothing has been heard since. */
export type Unanswered = { registration: RegistrationRef; sinceMs: number }

/** In one partition no more than this is looked at for one page: the rest of a long list comes with the next. */
const entriesPerRead = 500
const readsPerPage = 4

/**
 * Where a page ended: a time, and after which of the client's own registrations of that time; empty: before them all.
 * The lists are of all clients, but nothing of another client's stands in it.
 */
export type UnansweredCursor = { sinceMs: number; ownKey: string }

/**
 * The registrations of a client that are unanswered since before `untilMs`, those longest first. A page may be short,
 * or empty, although `next` says that there is more.
 */
export async function findUnanswered(
  { store, partitions }: { store: Pick<RegistrationStore, 'listAttention'>; partitions: number },
  query: { clientId: string; untilMs: number; limit: number; after: UnansweredCursor | null },
): Promise<{ unanswered: Unanswered[]; next: UnansweredCursor | null }> {
  const ownKeys = merchantKey({ clientId: query.clientId, referenceMerchantId: '' })
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
  return { unanswered, next: next === null ? null : withoutOthers(next) }

  async function readPartition(partition: number) {
    const unanswered: Unanswered[] = []
    let after = query.after && { sinceMs: query.after.sinceMs, key: ownKeys + query.after.ownKey }
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

  /** Of one time the client's registrations stand together, so that others come before them all or after. */
  function withoutOthers({ sinceMs, key }: AttentionCursor): UnansweredCursor {
    if (key.startsWith(ownKeys)) return { sinceMs, ownKey: key.slice(ownKeys.length) }
    return { sinceMs: key < ownKeys ? sinceMs : sinceMs + 1, ownKey: '' }
  }
}

/** `<since>.<own key>`, to be given back for the next page. */
export function cursorText({ sinceMs, ownKey }: UnansweredCursor): string {
  return `${sinceMs}.${ownKey}`
}

/** Null when it is no cursor of ours. */
export function parseCursor(text: string): UnansweredCursor | null {
  const match = /^([0-9]{1,15})\.(.*)$/.exec(text)
  return match === null ? null : { sinceMs: Number(match[1]), ownKey: match[2] ?? '' }
}

function cursorAt({ registration, sinceMs }: Unanswered): AttentionCursor {
  return { sinceMs, key: registrationKey(registration) }
}

/** As Redis sorts them; keys are ASCII. */
function compare(a: AttentionCursor, b: AttentionCursor): number {
  return a.sinceMs - b.sinceMs || (a.key < b.key ? -1 : Number(a.key > b.key))
}
