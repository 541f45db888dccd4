import { mostVarintBytes, writeVarint } from './varint.ts'

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
/** Up to here a text is written character by character, which takes less time than asking the runtime to do it. */
const shortText = 63

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

  encode({ key, value, headers = {} }: RecordContent): EncodedRecord {
    this.#from = this.#at
    this.#content(key)
    this.#content(value)
    const names = Object.keys(headers)
    this.#length(names.length)
    for (const name of names) {
      this.#text(name)
      this.#content(headers[name] ?? null)
    }
    return { chunk: this.#chunk, from: this.#from, to: this.#at }
  }

  #content(content: string | Buffer | null): void {
    if (typeof content === 'string') return this.#text(content)
    this.#length(content === null ? -1 : content.length)
    if (content === null) return
    this.#reserve(content.length)
    this.#chunk.set(content, this.#at)
    this.#at += content.length
  }

  #text(text: string): void {
    if (text.length > shortText || !this.#shortAscii(text)) this.#anyText(text)
  }

  /** False, and nothing is written, when it is not ASCII. */
  #shortAscii(text: string): boolean {
    this.#reserve(1 + text.length)
    const chunk = this.#chunk
    let at = writeVarint(chunk, this.#at, text.length)
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index)
      if (code > 0x7f) return false
      chunk[at++] = code
    }
    this.#at = at
    return true
  }

  #anyText(text: string): void {
    const bytes = Buffer.byteLength(text)
    this.#length(bytes)
    this.#reserve(bytes)
    // What is as long in bytes as in characters is ASCII and need not be looked at again.
    this.#chunk.write(text, this.#at, bytes, bytes === text.length ? 'latin1' : 'utf8')
    this.#at += bytes
  }

  #length(length: number): void {
    this.#reserve(mostVarintBytes)
    this.#at = writeVarint(this.#chunk, this.#at, length)
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
