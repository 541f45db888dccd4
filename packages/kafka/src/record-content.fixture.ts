import type { EncodedRecord } from './record-encoding.ts'

/** Reads key and value back. */
export function contentOf({ chunk, from }: EncodedRecord): {
  key: string
  value: Buffer | null
} {
  let at = from
  const length = () => {
    let zigzag = 0
    for (let shift = 0; ; shift += 7) {
      const byte = chunk.readUInt8(at++)
      zigzag |= (byte & 0x7f) << shift
      if (byte < 0x80) return (zigzag >>> 1) ^ -(zigzag & 1)
    }
  }
  const content = () => {
    const bytes = length()
    if (bytes < 0) return null
    at += bytes
    return chunk.subarray(at - bytes, at)
  }
  const key = String(content())
  return { key, value: content() }
}
