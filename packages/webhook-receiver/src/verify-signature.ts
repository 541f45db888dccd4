import { createHmac, createPublicKey, type KeyObject, timingSafeEqual, verify } from 'node:crypto'

/** The published key set, `/.well-known/signalbox-webhook-keys` of the console; keys of other kinds are passed over. */
export type PublicKeySet = {
  keys: readonly { kty?: string | undefined; crv?: string | undefined; x?: string | undefined }[]
}

/** What is signed: the id and the time as their headers say them, and the body byte for byte. */
export type Signed = { id: string; timestamp: string; body: Uint8Array }

/** Which scheme of Standard Webhooks verified: `v1` with a secret, `v1a` with a public key; null: none did. */
export type Verify = (signed: Signed, signatures: string) => 'v1' | 'v1a' | null

/** A sender lists one or two signatures; more cost time and are not looked at. */
const mostSignatures = 16

/** The bytes of a secret, `whsec_` and base64; the library standardwebhooks takes the same texts. */
export function readSecret(
  text: string,
): { kind: 'secret'; bytes: Uint8Array } | { kind: 'refused'; problem: string } {
  const encoded = text.startsWith('whsec_') ? text.slice('whsec_'.length) : text
  const bytes = Buffer.from(encoded, 'base64')
  if (encoded === '') return refused('it is empty')
  if (bytes.toString('base64') !== encoded) return refused('what follows whsec_ is not base64; is it whole?')
  if (bytes.length < 24 || bytes.length > 64) return refused(`it has ${bytes.length} bytes, not 24 to 64`)
  return { kind: 'secret', bytes }
}

function refused(problem: string) {
  return { kind: 'refused' as const, problem }
}

/** The Ed25519 keys of a key set. */
export function readPublicKeys(
  set: PublicKeySet,
): { kind: 'keys'; keys: readonly KeyObject[] } | { kind: 'refused'; problem: string } {
  const texts = set.keys.flatMap(({ kty, crv, x }) => (kty === 'OKP' && crv === 'Ed25519' && x ? [x] : []))
  if (texts.length === 0) return refused('it holds no Ed25519 key')
  try {
    const keys = texts.map((x) => createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }))
    return { kind: 'keys', keys }
  } catch {
    return refused('one of its keys is not 32 bytes in base64url')
  }
}

/** Any secret and any key may have signed: during a rotation two are in force. */
export function createVerify(secrets: readonly Uint8Array[], keys: readonly KeyObject[]): Verify {
  return ({ id, timestamp, body }, signatures) => {
    const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body])
    const given = signatures.split(' ', mostSignatures)
    const expected = secrets.map((secret) =>
      Buffer.from(`v1,${createHmac('sha256', secret).update(signed).digest('base64')}`),
    )
    const isExpected = given.some((text) => expected.some((bytes) => isSame(Buffer.from(text), bytes)))
    if (isExpected) return 'v1'
    const isSigned = given
      .flatMap(bytesOfV1a)
      .some((signature) => keys.some((key) => verify(null, signed, key, signature)))
    return isSigned ? 'v1a' : null
  }
}

function isSame(given: Uint8Array, expected: Uint8Array): boolean {
  return given.length === expected.length && timingSafeEqual(given, expected)
}

function bytesOfV1a(text: string): Buffer[] {
  if (!text.startsWith('v1a,')) return []
  const encoded = text.slice('v1a,'.length)
  const bytes = Buffer.from(encoded, 'base64')
  // Base64 can be written loosely; only the exact text is a signature.
  return bytes.length === 64 && bytes.toString('base64') === encoded ? [bytes] : []
}
