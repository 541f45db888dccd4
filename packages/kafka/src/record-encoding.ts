import { mostVarintBytes, varintLetters, writeVarint } from './varint.ts'

/** What of a record goes into its bytes. */
export type RecordContent = {
  key: string
  value: Buffer | string | null
  headers?: Readonly<Record<string, string | Buffer>>
}

/** A record's bytes from its key on, in `chunk`. What stands before them depends on its place in a batch. */
export type EncodedRecord = { chunk: Buffer; from: number; to: number }

/** What a record needs on the wire in front of its encoded bytes at most: lengths, attributes, time and place. */
export const mostRecordPrefixBytes = 2 * mostVarintBytes + 2

const defaultChunkBytes = 128 * 1024

/**
 * Encodes records once, whatever becomes of them: sending them again takes no more than copying. One behind the other
 * into chunks that they share; a chunk lives as long as one of its records.
 */
export class RecordEncoder {
  readonly #chunkBytes: number
  #chunk: Buffer
  #from = 0
  #at = 0

  constructor(chunkBytes = defaultChunkBytes) {
    this.#chunkBytes = chunkBytes
    this.#chunk = Buffer.allocUnsafeSlow(chunkBytes)
  }

  encode(record: RecordContent): EncodedRecord {
    this.#from = this.#at
    if (!this.#inLetters(record)) this.#inPieces(record)
    return { chunk: this.#chunk, from: this.#from, to: this.#at }
  }

  /**
   * Writes all texts as one, which takes less than one by one. False, and nothing is written, when that cannot be done:
   * one of them is not ASCII, or a header is bytes.
   */
  #inLetters({ key, value, headers = {} }: RecordContent): boolean {
    const length = value === null ? -1 : value.length
    const before = sized(key) + numberLetters(length) + (typeof value === 'string' ? value : '')
    const marksBefore = marksOf(key.length) + marksOf(length)
    const names = Object.keys(headers)
    let behind = numberLetters(names.length)
    let marksBehind = marksOf(names.length)
    for (const name of names) {
      const header = headers[name]
      if (typeof header !== 'string') return false
      behind += sized(name) + sized(header)
      marksBehind += marksOf(name.length) + marksOf(header.length)
    }
    // What stands behind a value of bytes is another text.
    if (Buffer.isBuffer(value)) {
      if (!areAscii(before, marksBefore) || !areAscii(behind, marksBehind)) return false
      this.#letters(before)
      this.#bytes(value)
      this.#letters(behind)
    } else {
      const all = before + behind
      if (!areAscii(all, marksBefore + marksBehind)) return false
      this.#letters(all)
    }
    return true
  }

  #letters(all: string): void {
    this.#reserve(all.length)
    this.#at += this.#chunk.write(all, this.#at, all.length, 'latin1')
  }

  #inPieces({ key, value, headers = {} }: RecordContent): void {
    this.#piece(key)
    this.#piece(value)
    const names = Object.keys(headers)
    this.#number(names.length)
    for (const name of names) {
      this.#piece(name)
      this.#piece(headers[name] ?? null)
    }
  }

  #piece(content: string | Buffer | null): void {
    if (content === null) return this.#number(-1)
    if (typeof content !== 'string') {
      this.#number(content.length)
      return this.#bytes(content)
    }
    const bytes = Buffer.byteLength(content)
    this.#number(bytes)
    this.#reserve(bytes)
    this.#at += this.#chunk.write(content, this.#at, bytes, 'utf8')
  }

  #number(value: number): void {
    this.#reserve(mostVarintBytes)
    this.#at = writeVarint(this.#chunk, this.#at, value)
  }

  #bytes(content: Buffer): void {
    this.#reserve(content.length)
    this.#chunk.set(content, this.#at)
    this.#at += content.length
  }

  /** Goes on in a new chunk with what is written of the record when the rest of this one is too short. */
  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#chunk.length) return
    const written = this.#at - this.#from
    const next = Buffer.allocUnsafeSlow(Math.max(this.#chunkBytes, written + bytes))
    this.#chunk.copy(next, 0, this.#from, this.#at)
    this.#chunk = next
    this.#from = 0
    this.#at = written
  }
}

const shortNumbers = Array.from({ length: 64 }, (_, value) => varintLetters(value))

/** A number in as many letters as it takes bytes. */
function numberLetters(value: number): string {
  return shortNumbers[value] ?? varintLetters(value)
}

/** How many of these are not ASCII: each but the last is marked as one that others follow. */
function marksOf(value: number): number {
  return numberLetters(value).length - 1
}

/** A text behind its length. */
function sized(text: string): string {
  return numberLetters(text.length) + text
}

/** Whether all is ASCII but for so many marks: in UTF-8 each letter beyond takes more than one byte. */
function areAscii(text: string, marks: number): boolean {
  return Buffer.byteLength(text) === text.length + marks
}
