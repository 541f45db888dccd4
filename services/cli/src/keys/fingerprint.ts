import { createHash, type KeyObject } from 'node:crypto'

/** The public key as Alipay's developer center shows and takes it: base64 SubjectPublicKeyInfo on one line. */
export function oneLinePublicKey(publicKey: KeyObject): string {
  return spki(publicKey).toString('base64')
}

/** Names a public key in 16 hexadecimal digits: the start of the SHA-256 of its SubjectPublicKeyInfo. */
export function fingerprint(publicKey: KeyObject): string {
  return `SHA256:${createHash('sha256').update(spki(publicKey)).digest('hex').slice(0, 16)}`
}

function spki(publicKey: KeyObject): Buffer {
  return publicKey.export({ type: 'spki', format: 'der' })
}
