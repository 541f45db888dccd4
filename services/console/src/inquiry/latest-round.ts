import { merchantKey, type RegistrationRef } from '@signalbox/contracts/keys'
import { partitionOf } from '@signalbox/kafka/partition'
import type { RegistrationStore } from '@signalbox/registration-store/registration-store'

/** The latest round of a registration, null when none is known; `unknown` while the view is being made. */
export type LatestRound = { kind: 'known'; round: string | null } | { kind: 'unknown' }

/** Creates the look-up of the round to ask for: by its request id an answer is about that round and no other. */
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
    const rounds = registrations[0]?.stored.registration.registers.rounds
    return { kind: 'known', round: rounds?.at(-1)?.id ?? null }
  }
}
