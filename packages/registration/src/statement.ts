import { hash } from 'node:crypto'
import { compareText } from './text-order.ts'

/** What one raw record says about one registration. */
export type Statement = Observation | InquiryAnswer | Opening | Erasure | Forgetting

/** What a notification says: a snapshot, as the sender chose to send it. */
export type Observation = { kind: 'notification' } & Snapshot

/** What the sender answered when it was asked. `round` is the one that was asked for; null: none was named. */
export type InquiryAnswer = { kind: 'inquiry' } & Snapshot

/** The acquirer has registered the merchant under this request id. */
export type Opening = {
  kind: 'opening'
  registration: RegistrationId
  round: string
  openedAtMs: number
  /** What was asked for; empty: not told. */
  productCodes: readonly string[]
}

/** Content and registers go; that they went stays. */
export type Erasure = {
  kind: 'erasure'
  registration: RegistrationId
  /** When the command was appended. */
  erasedAtMs: number
}

/** What an erasure left may go too. */
export type Forgetting = {
  kind: 'forgetting'
  registration: RegistrationId
  appendTimeMs: number
}

export type Snapshot = {
  registration: RegistrationId
  /** A registrationRequestId; null: the pseudo-round *none*. */
  round: string | null
  /** When it was signed: Request-Time, or Response-Time of an answer. */
  requestTimeMs: number
  collective: CollectiveStatus | null
  /** At most one per (pspName, productCode), in the order of these by code units. */
  entries: readonly ObservedEntry[]
  selfContradiction: boolean
  unusualValue: boolean
}

export type RegistrationId = {
  clientId: string
  referenceMerchantId: string
  referenceStoreId: string | null
}

/** Names an entry inside a registration. */
export type EntryId = { pspName: string; productCode: string }

export type ObservedEntry = EntryId & {
  status: EntryStatus
  rejectionReason: string | null
  /** How the sender spelled pspName, where that is not the canonical name. */
  reportedPspName: string | null
}

export type FinalStatus = 'APPROVED' | 'REJECTED' | 'CANCELLED'
export type EntryStatus = 'PENDING' | FinalStatus
export type CollectiveStatus = 'COMPLETED' | 'PENDING'

export function isFinal(status: EntryStatus): status is FinalStatus {
  return status !== 'PENDING'
}

/** Names an entry uniquely and sorts as `compareEntries` does: neither part can hold a NUL. */
export function entryKey({ pspName, productCode }: EntryId): string {
  return `${pspName}\0${productCode}`
}

/** Order by pspName, then productCode, by code units. */
export function compareEntries(left: EntryId, right: EntryId): number {
  return compareText(left.pspName, right.pspName) || compareText(left.productCode, right.productCode)
}

/** A hash of a content takes so many letters, of six bits each. */
export const hashLetters = 11

/**
 * A short hash of what a record says, apart from when it was said and how names were spelled. Order, whitespace and
 * null or absent members of the message do not change it.
 */
export function contentHash(said: Statement): string {
  const { clientId, referenceMerchantId, referenceStoreId } = said.registration
  const content = JSON.stringify([
    said.kind,
    clientId,
    referenceMerchantId,
    referenceStoreId,
    ...contentOf(said),
  ])
  return hash('sha256', content, 'base64url').slice(0, hashLetters)
}

function contentOf(said: Statement): readonly unknown[] {
  switch (said.kind) {
    case 'notification':
    case 'inquiry':
      return [
        said.round,
        said.collective,
        said.selfContradiction,
        said.unusualValue,
        said.entries.map(({ pspName, productCode, status, rejectionReason }) => [
          pspName,
          productCode,
          status,
          rejectionReason,
        ]),
      ]
    case 'opening':
      return [said.round, said.productCodes]
    default:
      return []
  }
}
