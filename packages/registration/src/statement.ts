import { Fnv1a64 } from './fnv1a64.ts'
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

/**
 * A short hash of what a record says, apart from when it was said and how names were spelled. Order, whitespace and
 * null or absent members of the message do not change it.
 */
export function contentHash(said: Statement): string {
  const { clientId, referenceMerchantId, referenceStoreId } = said.registration
  const parts = new Fnv1a64()
  addPart(parts, said.kind)
  addPart(parts, clientId)
  addPart(parts, referenceMerchantId)
  addPart(parts, referenceStoreId)
  switch (said.kind) {
    case 'notification':
    case 'inquiry':
      addPart(parts, said.round)
      addPart(parts, said.collective)
      addPart(parts, said.selfContradiction ? 'contradicted' : null)
      addPart(parts, said.unusualValue ? 'unusual' : null)
      for (const { pspName, productCode, status, rejectionReason } of said.entries) {
        addPart(parts, pspName)
        addPart(parts, productCode)
        addPart(parts, status)
        addPart(parts, rejectionReason)
      }
      break
    case 'opening':
      addPart(parts, said.round)
      for (const productCode of said.productCodes) addPart(parts, productCode)
      break
    default:
      break
  }
  return parts.hash()
}

const shortLengths = Array.from({ length: 64 }, (_, length) => `${length}:`)

/** With its length in front, so that no two lists of parts are one text. */
function addPart(parts: Fnv1a64, part: string | null): void {
  if (part === null) return parts.add('-')
  parts.add(shortLengths[part.length] ?? `${part.length}:`)
  parts.add(part)
}
