import type { KeyObject } from 'node:crypto'
import { verifyText } from '@signalbox/alipay/signature'

/** That `signature` was made of `text` with the private half of `key`; or not. */
export type SignatureClaim = { text: Uint8Array; signature: Uint8Array; key: KeyObject }

/** Claims in a form that another thread takes over without a copy. */
export type SignatureBatch = {
  /** The text of each claim, and its signature behind it. */
  bytes: Uint8Array<ArrayBuffer>
  /** Three numbers for each: where its text ends, where its signature ends, the place of its key. */
  places: Uint32Array<ArrayBuffer>
  keys: readonly KeyObject[]
}

/** What became of a claim; nobody knows of one whose verification threw. */
export const verdicts = { refuted: 0, holds: 1, unknown: 2 }

export function packClaims(claims: readonly SignatureClaim[]): SignatureBatch {
  const bytes = new Uint8Array(claims.reduce((sum, claim) => sum + claimBytes(claim), 0))
  const places = new Uint32Array(3 * claims.length)
  const keys: KeyObject[] = []
  let end = 0
  for (const [index, { text, signature, key }] of claims.entries()) {
    bytes.set(text, end)
    const textEnd = end + text.length
    bytes.set(signature, textEnd)
    end = textEnd + signature.length
    const known = keys.indexOf(key)
    places.set([textEnd, end, known === -1 ? keys.push(key) - 1 : known], 3 * index)
  }
  return { bytes, places, keys }
}

/** One of {@link verdicts} for each claim, in their order. */
export function judgeBatch({ bytes, places, keys }: SignatureBatch): Uint8Array<ArrayBuffer> {
  const found = new Uint8Array(places.length / 3)
  let start = 0
  for (const index of found.keys()) {
    const [textEnd = 0, end = 0, place = 0] = places.subarray(3 * index, 3 * index + 3)
    const key = keys[place]
    found[index] =
      key === undefined
        ? verdicts.unknown
        : verdictOf({ text: bytes.subarray(start, textEnd), signature: bytes.subarray(textEnd, end), key })
    start = end
  }
  return found
}

function verdictOf({ text, signature, key }: SignatureClaim): number {
  try {
    return verifyText(text, signature, key) ? verdicts.holds : verdicts.refuted
  } catch {
    return verdicts.unknown
  }
}

/** What a claim takes in a batch. */
export function claimBytes({ text, signature }: SignatureClaim): number {
  return text.length + signature.length
}
