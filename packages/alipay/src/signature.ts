import { type KeyObject, sign, verify } from 'node:crypto'
import { promisify } from 'node:util'

/** What is signed in both directions, see {@link signedText}. */
export type SignedParts = {
  /** The raw request target as sent: path with leading slash, plus the query if there is one. No host. */
  uri: string
  clientId: string
  /** The text of Request-Time, or of response-time, exactly as in the header. */
  time: string
  body: Uint8Array
}

export type SignatureHeader = { keyVersion: string | null; signature: Buffer }

/** The bytes under the signature: `POST <uri>\n<client>.<time>.<body>`, nothing after the body. */
export function signedText({ uri, clientId, time, body }: SignedParts): Buffer {
  const head = `POST ${uri}\n${clientId}.${time}.`
  const headBytes = Buffer.byteLength(head)
  const text = Buffer.allocUnsafe(headBytes + body.length)
  text.write(head, 0, headBytes, 'utf8')
  text.set(body, headBytes)
  return text
}

/** Whether `signature` is the RSASSA-PKCS1-v1_5 SHA-256 signature of the parts under the public key. */
export function verifySignature(parts: SignedParts, signature: Uint8Array, key: KeyObject): boolean {
  return verifyText(signedText(parts), signature, key)
}

/** As {@link verifySignature}, for a text that several keys are tried on. */
export function verifyText(text: Uint8Array, signature: Uint8Array, key: KeyObject): boolean {
  // The padding of a plain RSA key is PKCS #1 v1.5; naming it doubles the cost, as Node wraps the key anew then.
  return verify('sha256', text, key, signature)
}

const signOnThreadPool = promisify(
  (text: Uint8Array, key: KeyObject, done: (error: Error | null, signature: Buffer) => void) =>
    sign('sha256', text, key, done),
)

/** Signs the parts with an RSA private key; works on the thread pool, one signature costs about 270 µs. */
export function createSignature(parts: SignedParts, key: KeyObject): Promise<Buffer> {
  return signOnThreadPool(signedText(parts), key)
}

/** The header value in the one form that every official verifier reads. */
export function formatSignatureHeader({
  keyVersion,
  signature,
}: {
  keyVersion: string
  signature: Buffer
}): string {
  return `algorithm=RSA256,keyVersion=${keyVersion},signature=${encodeURIComponent(signature.toString('base64'))}`
}

const base64 = /^[A-Za-z0-9+/]+={0,2}$/
const keyVersionDigits = /^[0-9]+$/

/**
 * Reads a Signature header: comma-separated `key=value` in any order, unknown keys ignored. Null for whatever
 * is not a well-formed RSA256 signature: another algorithm, a repeated key, a bad escape, a foreign letter.
 */
export function parseSignatureHeader(header: string): SignatureHeader | null {
  const known: { algorithm?: string; keyVersion?: string; signature?: string } = {}
  for (const param of header.split(',')) {
    const text = param.trim()
    const equals = text.indexOf('=')
    if (equals < 1) return null
    const name = text.slice(0, equals)
    if (name !== 'algorithm' && name !== 'keyVersion' && name !== 'signature') continue
    if (known[name] !== undefined) return null
    known[name] = text.slice(equals + 1)
  }
  const { algorithm = 'RSA256', keyVersion = null } = known
  if (algorithm.toUpperCase() !== 'RSA256') return null
  if (keyVersion !== null && !keyVersionDigits.test(keyVersion)) return null
  const signature = decodeSignature(known.signature ?? '')
  return signature === null ? null : { keyVersion, signature }
}

/** Buffer.from(…, 'base64') skips what it does not know, so the alphabet is checked first. */
function decodeSignature(text: string): Buffer | null {
  const plain = text.includes('%') ? percentDecoded(text) : text
  const signature = Buffer.from(plain, 'base64')
  // What comes back as it was is well-formed, and told faster than by its letters.
  if (signature.toString('base64') === plain) return signature.length > 0 ? signature : null
  return plain.length % 4 === 0 && base64.test(plain) ? signature : null
}

/** A "+" stays one, as it must; a bad escape stays and is no base64. */
function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
