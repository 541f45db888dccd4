import { constants, createHash, type KeyObject, privateEncrypt } from 'node:crypto'

const blockBytes = 256
const sha256Oid = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01]
const sha512Oid = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03]
const sha1Oid = [0x2b, 0x0e, 0x03, 0x02, 0x1a]
const md5Oid = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x05]
const nullParams = [0x05, 0x00]

/** The private operation over a whole block, which a library would never do to a block of this kind. */
export function signBlock(block: Buffer, key: KeyObject): Buffer {
  return privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, block)
}

const element = (tag: number, content: readonly number[]) => [tag, content.length, ...content]

/** SEQUENCE { SEQUENCE { hash, parameters }, digest } */
function digestInfo({
  oid = sha256Oid,
  params = nullParams,
  digest,
}: {
  oid?: number[]
  params?: number[]
  digest: Buffer
}) {
  const algorithm = element(0x30, [...element(0x06, oid), ...params])
  return Buffer.from(element(0x30, [...algorithm, ...element(0x04, [...digest])]))
}

/** `00 01 FF…FF 00` and the content, with as much padding as there is room for. */
function padded(content: Buffer, { start = [0x00, 0x01], filling = 0xff, separator = [0x00] } = {}): Buffer {
  const room = blockBytes - start.length - separator.length - content.length
  return Buffer.concat([Buffer.from(start), Buffer.alloc(room, filling), Buffer.from(separator), content])
}

/** Little padding, the content, and garbage up to the end: what is signed by a cube root where e is 3. */
function garbageBehind(content: Buffer, { padding, garbage }: { padding: number; garbage: number }): Buffer {
  const start = Buffer.concat([
    Buffer.from([0x00, 0x01]),
    Buffer.alloc(padding, 0xff),
    Buffer.from([0x00]),
    content,
  ])
  return Buffer.concat([start, Buffer.alloc(blockBytes - start.length, garbage)])
}

/** The one right block of a text, to see that the others differ from it in one thing only. */
export function rightBlock(text: Buffer): Buffer {
  return padded(digestInfo({ digest: createHash('sha256').update(text).digest() }))
}

/** Blocks that a lax verifier takes for the right one. */
export function wrongBlocks(text: Buffer): readonly (readonly [name: string, block: Buffer])[] {
  const digest = createHash('sha256').update(text).digest()
  const right = digestInfo({ digest })
  const longLength = Buffer.concat([Buffer.from([0x30, 0x81, right.length - 2]), right.subarray(2)])
  const changed = (at: number, value: number) => {
    const copy = Buffer.from(right)
    copy[at] = value
    return copy
  }
  return [
    ['the digest without DigestInfo', padded(digest)],
    ['the digest in hexadecimal', padded(Buffer.from(digest.toString('hex')))],
    [
      'the digest of the digest',
      padded(digestInfo({ digest: createHash('sha256').update(digest).digest() })),
    ],
    ['the bytes of the digest in reverse', padded(digestInfo({ digest: Buffer.from(digest.toReversed()) }))],
    ['a digest of 31 bytes', padded(digestInfo({ digest: digest.subarray(0, 31) }))],
    ['a digest of 33 bytes', padded(digestInfo({ digest: Buffer.concat([digest, Buffer.from([0])]) }))],
    ['an empty digest', padded(digestInfo({ digest: Buffer.alloc(0) }))],
    [
      'a SHA-1 digest under its own name',
      padded(digestInfo({ oid: sha1Oid, digest: createHash('sha1').update(text).digest() })),
    ],
    ['a SHA-256 digest under the name of SHA-1', padded(digestInfo({ oid: sha1Oid, digest }))],
    ['a SHA-256 digest under the name of SHA-512', padded(digestInfo({ oid: sha512Oid, digest }))],
    ['a SHA-256 digest under the name of MD5', padded(digestInfo({ oid: md5Oid, digest }))],
    [
      'a SHA-1 digest under the name of SHA-256',
      padded(digestInfo({ digest: createHash('sha1').update(text).digest() })),
    ],
    ['an empty name of the hash', padded(digestInfo({ oid: [], digest }))],
    ['no parameters beside the hash', padded(digestInfo({ params: [], digest }))],
    ['garbage as parameters', padded(digestInfo({ params: element(0x04, [1, 2, 3, 4]), digest }))],
    ['two NULL as parameters', padded(digestInfo({ params: [...nullParams, ...nullParams], digest }))],
    ['a length in its long form', padded(longLength)],
    ['an outer length too small', padded(changed(1, right.length - 3))],
    ['an outer length too great', padded(changed(1, right.length))],
    ['an inner length too great', padded(changed(3, 0x0e))],
    ['a SET instead of a SEQUENCE', padded(changed(0, 0x31))],
    ['a BIT STRING instead of an OCTET STRING', padded(changed(right.length - 34, 0x03))],
    ['DigestInfo twice', padded(Buffer.concat([right, right]))],
    ['a byte behind DigestInfo', padded(Buffer.concat([right, Buffer.from([0])]))],
    ['block type 00', padded(right, { start: [0x00, 0x00], filling: 0x00 })],
    ['block type 02', padded(right, { start: [0x00, 0x02], filling: 0xaa })],
    ['padding of FE', padded(right, { filling: 0xfe })],
    ['padding of 00', padded(right, { filling: 0x00 })],
    ['no separator', padded(right, { separator: [] })],
    ['a separator of FF', padded(right, { separator: [0xff] })],
    ['no zero in front', padded(right, { start: [0x01] })],
    ['a second zero in front', padded(right, { start: [0x00, 0x00, 0x01] })],
    ['eight bytes of padding and zeros behind', garbageBehind(right, { padding: 8, garbage: 0x00 })],
    ['eight bytes of padding and garbage behind', garbageBehind(right, { padding: 8, garbage: 0x5a })],
    ['one byte of padding and garbage behind', garbageBehind(right, { padding: 1, garbage: 0x5a })],
    ['no padding and garbage behind', garbageBehind(right, { padding: 0, garbage: 0x5a })],
    [
      'the digest without DigestInfo and garbage behind',
      garbageBehind(digest, { padding: 8, garbage: 0x5a }),
    ],
  ]
}
