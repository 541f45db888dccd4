import { constants, createHash, type KeyObject, verify } from 'node:crypto'
import { type SignedParts, signedText } from '@signalbox/alipay/signature'
import { type HashName, recoverHash } from './recover-hash.ts'
import { type Hints, type Message, type Part, protocolMessage, type Variant, variantsOf } from './variants.ts'

/** How a signed text differs from the received one. */
export type Difference = { part: Part; what: string }

/** Why a signature does not hold; `key` is the one that fits, of those that were tried. */
export type Diagnosis<K> =
  /** `key` made it, over a text with this hash. */
  | {
      kind: 'opened'
      key: K
      algorithm: HashName
      signedHash: string
      /** Of the text that we take for signed. */
      receivedHash: string
      /** Empty: the received text is what was signed. Null: it differs in a way that was not guessed. */
      differences: Difference[] | null
      /** False: the text is too long for all guesses to be tried. */
      complete: boolean
    }
  /** `key` made it, but without saying which hash it signs. */
  | { kind: 'bare'; key: K; contentBytes: number }
  /** `key` made it, with the padding of RSASSA-PSS. */
  | { kind: 'pss'; key: K }
  /** None of the keys made it. */
  | { kind: 'no_key'; tried: number; signatureBytes: number; keyBytes: number[] }

/** A second or two of work; of a body of 4 MiB enough for every guess by itself. */
const maxHashedBytes = 1024 * 1024 * 1024

/**
 * Finds out why a signature does not hold. A public key opens a signature of RSASSA-PKCS1-v1_5 and shows the hash that
 * was signed; so the key that fits is known, and texts that a sender may have signed by mistake can be tried.
 */
export function diagnose<K extends { key: KeyObject }>({
  parts,
  signature,
  keys,
  hints,
}: {
  parts: SignedParts
  signature: Uint8Array
  /** Likeliest first. */
  keys: readonly K[]
  hints: Hints
}): Diagnosis<K> {
  for (const key of keys) {
    const recovered = recoverHash(signature, key.key)
    if (recovered.kind === 'bare') return { kind: 'bare', key, contentBytes: recovered.content.length }
    if (recovered.kind !== 'hash') continue
    const { algorithm, hash } = recovered
    return {
      kind: 'opened',
      key,
      algorithm,
      signedHash: hash.toString('hex'),
      receivedHash: hashOf(algorithm, protocolMessage(parts)).toString('hex'),
      ...findDifferences({ algorithm, hash, parts, hints }),
    }
  }
  const pss = keys.find(({ key }) => isPss(parts, signature, key))
  if (pss !== undefined) return { kind: 'pss', key: pss }
  return {
    kind: 'no_key',
    tried: keys.length,
    signatureBytes: signature.length,
    keyBytes: [
      ...new Set(keys.map(({ key }) => Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8))),
    ],
  }
}

function findDifferences({
  algorithm,
  hash,
  parts,
  hints,
}: {
  algorithm: HashName
  hash: Buffer
  parts: SignedParts
  hints: Hints
}): { differences: Difference[] | null; complete: boolean } {
  let hashedBytes = 0
  const isSigned = (message: Message) => {
    hashedBytes += message.body.length
    return hashOf(algorithm, message).equals(hash)
  }
  const isOver = () => hashedBytes > maxHashedBytes
  const received = protocolMessage(parts)
  if (isSigned(received)) return { differences: [], complete: true }

  const variants = variantsOf(parts, hints)
  const together = variants.filter(({ alone }) => alone !== true)
  const single = variants.filter(({ alone }) => alone === true)
  for (const variant of [...together, ...single]) {
    if (isOver()) return { differences: null, complete: false }
    if (isSigned(variant.change(received))) return { differences: [differenceOf(variant)], complete: true }
  }
  for (const [index, first] of together.entries()) {
    const changed = first.change(received)
    for (const second of together.slice(index + 1)) {
      if (second.part === first.part) continue
      if (isOver()) return { differences: null, complete: false }
      if (isSigned(second.change(changed))) {
        return { differences: [second, first].map(differenceOf), complete: true }
      }
    }
  }
  return { differences: null, complete: true }
}

function hashOf(algorithm: HashName, { start, uri, lineEnd, clientId, time, body }: Message): Buffer {
  return createHash(algorithm).update(`${start}${uri}${lineEnd}${clientId}.${time}.`).update(body).digest()
}

function isPss(parts: SignedParts, signature: Uint8Array, key: KeyObject): boolean {
  const padding = constants.RSA_PKCS1_PSS_PADDING
  return verify(
    'sha256',
    signedText(parts),
    { key, padding, saltLength: constants.RSA_PSS_SALTLEN_AUTO },
    signature,
  )
}

function differenceOf({ part, what }: Variant): Difference {
  return { part, what }
}
