const primeLow = 0x1b3 // the FNV prime is 2^40 + 0x1b3
const twoTo32 = 2 ** 32

/**
 * FNV-1a, 64 bits, as 16 hex digits. It takes a UTF-16 code unit where the published algorithm takes a byte,
 * so the two agree on ASCII. Not for secrets: whoever wants two texts with one hash can make them.
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
  return hex32(high) + hex32(low)
}

function hex32(word: number): string {
  return word.toString(16).padStart(8, '0')
}
