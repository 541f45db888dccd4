import { lettersOf } from './letters.ts'

const primeLow = 0x1b3 // the FNV prime is 2^40 + 0x1b3
const twoTo32 = 2 ** 32

/** The hash of `fnv1a64` takes so many letters. */
export const hashLetters = 11

/**
 * FNV-1a, 64 bits, in letters. It takes a UTF-16 code unit where the published algorithm takes a byte, so the two
 * agree on ASCII. Not for secrets: whoever wants two texts with one hash can make them.
 */
export function fnv1a64(text: string): string {
  let high = 0xcbf29ce4
  let low = 0x84222325
  for (let index = 0; index < text.length; index += 1) {
    low = (low ^ text.charCodeAt(index)) >>> 0
    const product = low * primeLow // below 2^41, hence exact
    high = (Math.imul(high, primeLow) + (low << 8) + Math.floor(product / twoTo32)) >>> 0
    low = product >>> 0
  }
  return hashOf(high, low)
}

/** A hash as an earlier build wrote it, 16 hex digits. */
export function hashOfHex(hex: string): string {
  return hashOf(Number.parseInt(hex.slice(0, 8), 16), Number.parseInt(hex.slice(8), 16))
}

/** Thirty bits in five letters, the other 34 in six. */
function hashOf(high: number, low: number): string {
  return lettersOf(low, 5) + lettersOf(4 * high + (low >>> 30), 6)
}
