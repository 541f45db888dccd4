import { merchantKey, type RegistrationRef } from '@signalbox/contracts/keys'
import { partitionOf } from '@signalbox/kafka/partition'
import type { RegistrationStore } from '@signalbox/registration-store/registration-store'

/**
 * The latest round of a registration, null when none is known; `unknown` while the view is being made; `erased` when
 * nothing was heard since, and an answer would bring back what was to go.
 */
export type LatestRound = { kind: 'known'; round: string | null } | { kind: 'unknown' } | { kind: 'erased' }

/**
 * Creates the look-up of the round to ask for: by its request id an answer is about that round and no other. It throws
 * when the registration cannot be read.
 */
export function createLatestRound({
  store,
  partitions,
}: {
  store: Pick<RegistrationStore, 'read'>
  partitions: number
}) {
  return async function latestRound(registration: RegistrationRef): Promise<LatestRound> {
    const { referenceStoreId, ...merchant } = registration
    const partition = partitionOf(merchantKey(merchant), partitions)
    const of = { partition, merchant, store: referenceStoreId, cursor: null, limit: 1 }
    const { registrations, complete } = await store.read(of)
    if (!complete) return { kind: 'unknown' }
    const known = registrations[0]?.stored.registration
    if (known !== undefined && known.view.erasedAtMs !== null) return { kind: 'erased' }
    return { kind: 'known', round: known?.registers.rounds.at(-1)?.id ?? null }
  }
}
