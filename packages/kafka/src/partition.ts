const seed = 0x9747b28c
const mix = 0x5bd1e995

/**
 * The partition that Java's default partitioner gives to a key: murmur2 of its UTF-8 bytes. Every client of
 * the topics, whatever its language, finds the same one.
 */
export function partitionOf(key: string, partitions: number): number {
  return (murmur2(Buffer.from(key, 'utf8')) & 0x7fffffff) % partitions
}

/** As in `org.apache.kafka.common.utils.Utils.murmur2`: 32 bits, signed. */
export function murmur2(bytes: Buffer): number {
  let hash = seed ^ bytes.length
  const tail = bytes.length & ~3
  for (let i = 0; i < tail; i += 4) {
    let word = Math.imul(bytes.readInt32LE(i), mix)
    word = Math.imul(word ^ (word >>> 24), mix)
    hash = Math.imul(hash, mix) ^ word
  }
  if (bytes.length > tail) {
    hash = Math.imul(hash ^ bytes.readUIntLE(tail, bytes.length - tail), mix)
  }
  hash = Math.imul(hash ^ (hash >>> 13), mix)
  return hash ^ (hash >>> 15)
}
