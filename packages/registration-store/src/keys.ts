import { merchantKey, encodeKeyPart, type RegistrationRef } from '@signalbox/contracts/keys'

export type Merchant = Pick<RegistrationRef, 'clientId' | 'referenceMerchantId'>

/** Names keys and fields of one partition. All keys share a hash tag, so that Redis Cluster keeps them together. */
export function keysOf({ prefix, partition }: { prefix: string; partition: number }) {
  const tagged = `${prefix}{p${partition}}`
  return {
    watermark: `${tagged}:watermark`,
    books: `${tagged}:books`,
    /** One hash per merchant, a field per store. */
    merchant: (merchant: Merchant) => `${tagged}:m:${merchantKey(merchant)}`,
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
