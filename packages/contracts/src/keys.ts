/** The ids that name one registration. */
export type RegistrationRef = {
  clientId: string
  referenceMerchantId: string
  referenceStoreId: string | null
}

const unreserved = /^[A-Za-z0-9._~-]*$/

/**
 * One part of a key: RFC 3986 unreserved characters stay, every other UTF-8 byte becomes `%XX` in upper case
 * (`*` too, so that a wildcard is never mistaken for an id). An unpaired surrogate, which has no UTF-8 form, is
 * encoded as U+FFFD.
 */
export function encodeKeyPart(text: string): string {
  if (unreserved.test(text)) return text
  // encodeURIComponent leaves five reserved characters as they are.
  return encodeURIComponent(text.toWellFormed()).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/** `client/merchant`: all raw records of one merchant meet in the partition of this key. */
export function merchantKey(id: Pick<RegistrationRef, 'clientId' | 'referenceMerchantId'>): string {
  return `${encodeKeyPart(id.clientId)}/${encodeKeyPart(id.referenceMerchantId)}`
}

/** `client//requestId`: the key of a raw record that names no merchant. */
export function unattributedKey(id: { clientId: string; registrationRequestId: string }): string {
  return `${encodeKeyPart(id.clientId)}//${encodeKeyPart(id.registrationRequestId)}`
}

/** `client/merchant/store`; without a store the last part is empty. */
export function registrationKey(id: RegistrationRef): string {
  return storeKey(merchantKey(id), id.referenceStoreId)
}

/** The same where the key of the merchant is known. */
export function storeKey(merchant: string, referenceStoreId: string | null): string {
  return `${merchant}/${encodeKeyPart(referenceStoreId ?? '')}`
}

/** The registration that a key of `registrationKey` names; null for any other text. */
export function parseRegistrationKey(key: string): RegistrationRef | null {
  const [clientId, referenceMerchantId, store, ...others] = key.split('/').map(decodeKeyPart)
  if (clientId === undefined || referenceMerchantId === undefined) return null
  if (store === undefined || others.length > 0) return null
  const registration = { clientId, referenceMerchantId, referenceStoreId: store === '' ? null : store }
  return registrationKey(registration) === key ? registration : null
}

function decodeKeyPart(part: string): string | undefined {
  if (!part.includes('%')) return part
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}
