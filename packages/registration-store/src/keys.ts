import { encodeKeyPart, merchantKey, type RegistrationRef } from '@signalbox/contracts/keys'

export type Merchant = Pick<RegistrationRef, 'clientId' | 'referenceMerchantId'>

/** Why a registration is on a list for somebody to look at. */
export const attentionKinds = ['doubtful', 'pending', 'unanswered', 'erased'] as const

export type AttentionKind = (typeof attentionKinds)[number]

type PartitionKeys = ReturnType<typeof keysOf>

/** The names of the keys of each partition. They are made once, as all that is called for every registration. */
export function createKeys(prefix: string): (partition: number) => PartitionKeys {
  const made = new Map<number, PartitionKeys>()
  return (partition) => {
    let keys = made.get(partition)
    if (keys === undefined) made.set(partition, (keys = keysOf(prefix, partition)))
    return keys
  }
}

/** All keys of a partition share a hash tag, so that Redis Cluster keeps them together. */
function keysOf(prefix: string, partition: number) {
  const tagged = `${prefix}{p${partition}}`
  return {
    watermark: `${tagged}:watermark`,
    books: `${tagged}:books`,
    /** A sorted set of registration keys by the time since when. */
    attention: (kind: AttentionKind) => `${tagged}:attention:${kind}`,
    /** One hash per merchant, a field per store. */
    merchant: (merchant: Merchant) => `${tagged}:m:${merchantKey(merchant)}`,
    everyMerchant: `${tagged}:m:*`,
  }
}

/** No encoded store contains it, and it sorts before all of them. */
const noStore = '!'

export function fieldOf(referenceStoreId: string | null): string {
  return referenceStoreId === null ? noStore : encodeKeyPart(referenceStoreId)
}

export function storeOf(field: string): string | null {
  return field === noStore ? null : decodeURIComponent(field)
}
