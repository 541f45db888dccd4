import { isUtf8 } from 'node:buffer'

/** What a scan finds without making a single value of the text. */
export type ScannedObject = {
  /** The deepest nesting of objects and lists. */
  depth: number
  /** Punctuation marks and scalars. */
  tokens: number
  /** Per member asked for: its text, or null when it is absent or no string. Of one that stands twice the last counts. */
  texts: ReadonlyMap<string, string | null>
}

/**
 * Scans bytes that should be one JSON object, as RFC 8259 and `JSON.parse` have it, in UTF-8, with a byte order mark
 * allowed in front. Neither depth nor number of values costs more than their bytes: `JSON.parse` needs 0.8 s for 4 MiB
 * of nothing but brackets, and holds 200 MB meanwhile.
 *
 * @param wanted members of the outermost object
 * @returns null when the bytes are not one JSON object
 */
export function scanJsonObject(bytes: Uint8Array, wanted: readonly string[]): ScannedObject | null {
  if (!isUtf8(bytes)) return null
  const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0
  return new Scan(bytes, start, wanted).run()
}

const tab = 0x09
const lineFeed = 0x0a
const carriageReturn = 0x0d
const blank = 0x20
const quote = 0x22
const plus = 0x2b
const comma = 0x2c
const minus = 0x2d
const point = 0x2e
const zero = 0x30
const nine = 0x39
const colon = 0x3a
const openBracket = 0x5b
const backslash = 0x5c
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

/** What may come after a backslash but `u`: " / \ b f n r t. */
const escapes = new Set([quote, 0x2f, backslash, 0x62, 0x66, 0x6e, 0x72, 0x74])
const literals = new Map(['true', 'false', 'null'].map((word) => [word.charCodeAt(0), Buffer.from(word)]))

/** One pass over one text; `at` only goes forward. */
class Scan {
  readonly #bytes: Uint8Array
  #at: number
  /** The open levels, outermost first: true for an object. */
  readonly #levels: boolean[] = []
  #depth = 0
  #tokens = 0
  /** Whether the string stepped over last holds an escape. */
  #hasEscape = false
  readonly #texts: Map<string, string | null>
  readonly #wanted: readonly { name: string; bytes: Buffer }[]

  constructor(bytes: Uint8Array, start: number, wanted: readonly string[]) {
    this.#bytes = bytes
    this.#at = start
    this.#texts = new Map(wanted.map((name) => [name, null]))
    this.#wanted = wanted.map((name) => ({ name, bytes: Buffer.from(name) }))
  }

  run(): ScannedObject | null {
    this.#skipBlanks()
    if (this.#bytes[this.#at] !== openBrace || !this.#values()) return null
    this.#skipBlanks()
    if (this.#at !== this.#bytes.length) return null
    return { depth: this.#depth, tokens: this.#tokens, texts: this.#texts }
  }

  /** Steps over one value and all within it; false when there is none. */
  #values(): boolean {
    let name: string | null = null
    for (;;) {
      this.#skipBlanks()
      const from = this.#at
      const kind = this.#valueStart()
      if (kind === 'none') return false
      if (name !== null) this.#texts.set(name, kind === 'string' ? this.#textFrom(from) : null)
      if (kind !== 'opened' && !this.#close()) return false
      if (this.#levels.length === 0) return true
      if (this.#levels.at(-1) !== true) {
        name = null
        continue
      }
      const member = this.#memberName()
      if (member === false) return false
      name = member
    }
  }

  /** Steps over a scalar, an empty object or list, or the opening of a filled one. */
  #valueStart(): 'string' | 'other' | 'opened' | 'none' {
    this.#tokens += 1
    const byte = this.#bytes[this.#at]
    if (byte === quote) return this.#string() ? 'string' : 'none'
    if (byte === openBrace || byte === openBracket) {
      this.#at += 1
      this.#depth = Math.max(this.#depth, this.#levels.length + 1)
      this.#skipBlanks()
      const isObject = byte === openBrace
      if (this.#bytes[this.#at] === (isObject ? closeBrace : closeBracket)) {
        this.#tokens += 1
        this.#at += 1
        return 'other'
      }
      this.#levels.push(isObject)
      return 'opened'
    }
    const word = byte === undefined ? undefined : literals.get(byte)
    const isScalar = word === undefined ? this.#number() : this.#literal(word)
    return isScalar ? 'other' : 'none'
  }

  /** Behind a value: closes what ends here, and steps over the comma if there is one. */
  #close(): boolean {
    while (this.#levels.length > 0) {
      this.#skipBlanks()
      const byte = this.#bytes[this.#at]
      this.#tokens += 1
      this.#at += 1
      if (byte === comma) return true
      if (byte !== (this.#levels.pop() === true ? closeBrace : closeBracket)) return false
    }
    return true
  }

  /** Steps over a member's name and its colon: the name when it is wanted, null when not, false when there is none. */
  #memberName(): string | null | false {
    this.#skipBlanks()
    const from = this.#at
    if (this.#bytes[this.#at] !== quote || !this.#string()) return false
    const name = this.#levels.length === 1 ? this.#wantedNameFrom(from) : null
    this.#skipBlanks()
    if (this.#bytes[this.#at] !== colon) return false
    this.#tokens += 2
    this.#at += 1
    return name
  }

  /** The wanted name that the string from there is; most are told from it by their length. */
  #wantedNameFrom(from: number): string | null {
    if (this.#hasEscape) {
      const name = this.#textFrom(from)
      return this.#texts.has(name) ? name : null
    }
    const bytes = this.#at - from - 2
    const found = this.#wanted.find(
      (wanted) => wanted.bytes.length === bytes && this.#holds(wanted.bytes, from + 1),
    )
    return found?.name ?? null
  }

  #holds(wanted: Buffer, from: number): boolean {
    return wanted.equals(this.#bytes.subarray(from, from + wanted.length))
  }

  #string(): boolean {
    const bytes = this.#bytes
    let at = this.#at + 1
    this.#hasEscape = false
    for (;;) {
      const byte = bytes[at]
      // The end, or a control character.
      if (byte === undefined || byte < blank) return false
      at += 1
      if (byte === quote) {
        this.#at = at
        return true
      }
      if (byte === backslash) {
        this.#hasEscape = true
        this.#at = at
        if (!this.#escape()) return false
        at = this.#at
      }
    }
  }

  #escape(): boolean {
    const byte = this.#bytes[this.#at] ?? 0
    this.#at += 1
    if (byte !== 0x75) return escapes.has(byte)
    for (let digit = 0; digit < 4; digit++) {
      if (!isHexDigit(this.#bytes[this.#at])) return false
      this.#at += 1
    }
    return true
  }

  #literal(word: Buffer): boolean {
    for (const byte of word) {
      if (this.#bytes[this.#at] !== byte) return false
      this.#at += 1
    }
    return true
  }

  #number(): boolean {
    if (this.#bytes[this.#at] === minus) this.#at += 1
    if (this.#bytes[this.#at] === zero) this.#at += 1
    else if (!this.#digits()) return false
    if (this.#bytes[this.#at] === point) {
      this.#at += 1
      if (!this.#digits()) return false
    }
    const exponent = this.#bytes[this.#at]
    if (exponent !== 0x45 && exponent !== 0x65) return true
    this.#at += 1
    const sign = this.#bytes[this.#at]
    if (sign === plus || sign === minus) this.#at += 1
    return this.#digits()
  }

  /** One digit or more. */
  #digits(): boolean {
    const from = this.#at
    while (isDigit(this.#bytes[this.#at])) this.#at += 1
    return this.#at > from
  }

  #skipBlanks(): void {
    for (;;) {
      const byte = this.#bytes[this.#at]
      if (byte !== blank && byte !== lineFeed && byte !== carriageReturn && byte !== tab) return
      this.#at += 1
    }
  }

  /** The content of the string that began at `from` and has just been stepped over. */
  #textFrom(from: number): string {
    const json = Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + from, this.#at - from).toString(
      'utf8',
    )
    return json.includes('\\') ? String(JSON.parse(json)) : json.slice(1, -1)
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= zero && byte <= nine
}

function isHexDigit(byte: number | undefined): boolean {
  if (byte === undefined) return false
  const lower = byte | 0x20
  return isDigit(byte) || (lower >= 0x61 && lower <= 0x66)
}
