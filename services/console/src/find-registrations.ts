import { merchantKey } from '@signalbox/contracts/keys'
import { partitionOf } from '@signalbox/kafka/partition'
import type { NamedRegistration, RegistrationStore } from '@signalbox/registration-store/registration-store'
import type { RegistrationsQuery } from './registrations-query.ts'

/** `complete` is false while the view is being made: what is not there may exist then. */
export type Page = { registrations: NamedRegistration[]; next: string | null; complete: boolean }

/**
 * Creates the search for a merchant's registrations. Asked for one store, it finds the registration without
 * store beside it when a round is common to both: where the acquirer registered by request id, Alipay+ may name the store
 * in some notifications and not in others.
 */
export function createFindRegistrations(ports: {
  store: Pick<RegistrationStore, 'read'>
  partitions: number
}) {
  return async function findRegistrations(query: RegistrationsQuery): Promise<Page> {
    const { clientId, referenceMerchantId, referenceStoreId, limit } = query
    const merchant = { clientId, referenceMerchantId }
    const of = { partition: partitionOf(merchantKey(merchant), ports.partitions), merchant }
    if (referenceStoreId === undefined) {
      return ports.store.read({ ...of, cursor: query.cursor ?? null, limit })
    }
    const one = { ...of, cursor: null, limit: 1 }
    const [asked, storeless] = await Promise.all([
      ports.store.read({ ...one, store: referenceStoreId }),
      ports.store.read({ ...one, store: null }),
    ])
    const rounds = new Set(asked.registrations.flatMap(roundIds))
    const beside = storeless.registrations.filter((found) => roundIds(found).some((id) => rounds.has(id)))
    return {
      registrations: [...beside, ...asked.registrations],
      next: null,
      complete: asked.complete && storeless.complete,
    }
  }
}

function roundIds({ stored }: NamedRegistration): string[] {
  return stored.registration.registers.rounds.map(({ id }) => id)
}
