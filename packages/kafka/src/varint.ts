/** Bytes of a whole number of 32 bits as Kafka writes it: in zigzag form, seven bits a byte. */
export function varintBytes(value: number): number {
  const zigzag = zigzagOf(value)
  if (zigzag < 0x80) return 1
  if (zigzag < 0x4000) return 2
  if (zigzag < 0x20_0000) return 3
  return zigzag < 0x1000_0000 ? 4 : 5
}

export const mostVarintBytes = 5

/** Writes one and tells where it ends. */
export function writeVarint(into: Buffer, at: number, value: number): number {
  let end = at
  let zigzag = zigzagOf(value)
  while (zigzag >= 0x80) {
    into[end++] = (zigzag & 0x7f) | 0x80
    zigzag >>>= 7
  }
  into[end++] = zigzag
  return end
}

/** The same bytes as a text, one letter each, for Latin-1: all but the last are beyond ASCII. */
export function varintLetters(value: number): string {
  let letters = ''
  let zigzag = zigzagOf(value)
  while (zigzag >= 0x80) {
    letters += String.fromCharCode((zigzag & 0x7f) | 0x80)
    zigzag >>>= 7
  }
  return letters + String.fromCharCode(zigzag)
}

function zigzagOf(value: number): number {
  return ((value << 1) ^ (value >> 31)) >>> 0
}
