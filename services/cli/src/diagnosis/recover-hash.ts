import { constants, type KeyObject, publicDecrypt } from 'node:crypto'

/** The hash functions that a signature may name, by Node's names. */
export type HashName = 'sha256' | 'sha1' | 'sha512' | 'sha384' | 'sha224' | 'md5'

/** What opening a signature with a public key shows. */
export type Recovered =
  /** The key fits: its owner signed a text with this hash. */
  | { kind: 'hash'; algorithm: HashName; hash: Buffer }
  /** The key fits, but what was signed names no hash function. */
  | { kind: 'bare'; content: Buffer }
  /** The padding does not fit: another key made it, or another kind of signature, or it was damaged. */
  | { kind: 'unopened' }
  /** A signature is as long as its key. */
  | { kind: 'other_length'; signatureBytes: number; keyBytes: number }

/** The start of DigestInfo (RFC 8017, section 9.2), which the hash itself follows. */
const digestInfos: readonly (readonly [HashName, Buffer])[] = [
  ['sha256', Buffer.from('3031300d060960864801650304020105000420', 'hex')],
  ['sha1', Buffer.from('3021300906052b0e03021a05000414', 'hex')],
  ['sha512', Buffer.from('3051300d060960864801650304020305000440', 'hex')],
  ['sha384', Buffer.from('3041300d060960864801650304020205000430', 'hex')],
  ['sha224', Buffer.from('302d300d06096086480165030402040500041c', 'hex')],
  ['md5', Buffer.from('3020300c06082a864886f70d020505000410', 'hex')],
]

/**
 * Opens a signature of RSASSA-PKCS1-v1_5: anyone who has the public key can see the hash that was signed, and so
 * whether the key is right even when the text is not.
 */
export function recoverHash(signature: Uint8Array, key: KeyObject): Recovered {
  const keyBytes = Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8)
  if (signature.length !== keyBytes) {
    return { kind: 'other_length', signatureBytes: signature.length, keyBytes }
  }
  let content: Buffer
  try {
    content = publicDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, signature)
  } catch {
    return { kind: 'unopened' } // the only way OpenSSL has to say that the padding does not fit
  }
  for (const [algorithm, info] of digestInfos) {
    const hashBytes = info.at(-1) ?? 0
    if (content.length === info.length + hashBytes && content.subarray(0, info.length).equals(info)) {
      return { kind: 'hash', algorithm, hash: content.subarray(info.length) }
    }
  }
  return { kind: 'bare', content }
}
