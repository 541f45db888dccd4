import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'

const leastBits = 2048

/** A key, or in words why the text is none. */
export type ParsedKey = { kind: 'key'; key: KeyObject } | { kind: 'refused'; problem: string }

/** Reads an RSA public key: base64 SubjectPublicKeyInfo on one line, as Alipay+ shows it, or PEM. */
export function parsePublicKey(text: string): ParsedKey {
  if (text.includes('PRIVATE KEY'))
    return { kind: 'refused', problem: 'it is a private key, a public key is needed' }
  return rsaKey('public (SubjectPublicKeyInfo)', () =>
    text.includes('-----BEGIN')
      ? createPublicKey(text)
      : createPublicKey({ key: Buffer.from(text.trim(), 'base64'), format: 'der', type: 'spki' }),
  )
}

/** Reads an RSA private key: base64 PKCS#8 on one line, or PEM. */
export function parsePrivateKey(text: string): ParsedKey {
  return rsaKey('private (PKCS#8)', () =>
    text.includes('-----BEGIN')
      ? createPrivateKey(text)
      : createPrivateKey({ key: Buffer.from(text.trim(), 'base64'), format: 'der', type: 'pkcs8' }),
  )
}

function rsaKey(form: string, read: () => KeyObject): ParsedKey {
  let key: KeyObject
  try {
    key = read()
  } catch {
    return { kind: 'refused', problem: `it is no ${form} key in base64 DER or PEM` }
  }
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
  if (key.asymmetricKeyType !== 'rsa') return { kind: 'refused', problem: 'it is no RSA key' }
  if (bits < leastBits)
    return { kind: 'refused', problem: `it has ${bits} bits, at least ${leastBits} are needed` }
  return { kind: 'key', key }
}
