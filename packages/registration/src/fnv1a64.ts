import { lettersOf } from './letters.ts'

const primeLow = 0x1b3 // the FNV prime is 2^40 + 0x1b3

/** A hash of `Fnv1a64` takes so many letters. */
export const hashLetters = 11

/**
 * FNV-1a, 64 bits, of some texts as if they were one; to make one of them would take as long again. It takes a UTF-16
 * code unit where the published algorithm takes a byte, so the two agree on ASCII. Not for secrets: whoever wants two
 * texts with one hash can make them.
 */
export class Fnv1a64 {
  #high = 0xcbf29ce4 | 0
  #low = 0x84222325 | 0

  add(text: string): void {
    let high = this.#high
    let low = this.#low
    for (let index = 0; index < text.length; index += 1) {
      low ^= text.charCodeAt(index)
      // In halves of 16 bits every product fits into 32, which costs half as much as one in floating point.
      const lower = (low & 0xffff) * primeLow
      const upper = (low >>> 16) * primeLow + (lower >>> 16)
      high = (Math.imul(high, primeLow) + (low << 8) + (upper >>> 16)) | 0
      low = (upper << 16) | (lower & 0xffff)
    }
    this.#high = high
    this.#low = low
  }

  /** Of all that was added, in letters. */
  hash(): string {
    return hashOf(this.#high >>> 0, this.#low >>> 0)
  }
}

/** The same hash out of 16 hex digits, as others write it. */
export function hashOfHex(hex: string): string {
  return hashOf(Number.parseInt(hex.slice(0, 8), 16), Number.parseInt(hex.slice(8), 16))
}

/** Thirty bits in five letters, the other 34 in six. */
function hashOf(high: number, low: number): string {
  return lettersOf(low, 5) + lettersOf(4 * high + (low >>> 30), 6)
}
