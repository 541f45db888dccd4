import { digitAt, letterOf } from './letters.ts'
import type { Rank } from './registration.ts'

/**
 * How values of one type stand in a packed text: one behind the other, without names, mostly in letters that JSON need
 * not escape. A number takes a letter for each five bits, a time is its distance from the time before it, and a text
 * or rank that has been there before is its place among those.
 */
export type Codec<Value> = {
  pack: (value: Value, into: Packing) => void
  /** Total: what does not fit is noted in `from`, and some value of the type takes its place. */
  unpack: (from: Unpacking) => Value
}

type Packing = { packed: string; texts: Map<string, number>; ranks: Rank[]; previousMs: number }
type Unpacking = {
  packed: string
  at: number
  texts: string[]
  ranks: Rank[]
  previousMs: number
  isDamaged: boolean
}

/** `format` is one letter. Whoever keeps the text where it may be damaged has to add a checksum. */
export function packText<Value>(
  codec: Codec<Value>,
  { format, value }: { format: string; value: Value },
): string {
  const into: Packing = { packed: format, texts: new Map(), ranks: [], previousMs: 0 }
  codec.pack(value, into)
  return into.packed
}

/** null: not a text of `packText` with this codec and format. `end`: from there on something else follows. */
export function unpackText<Value>(
  codec: Codec<Value>,
  { format, packed }: { format: string; packed: string },
): { value: Value; end: number } | null {
  if (!packed.startsWith(format)) return null
  const from: Unpacking = {
    packed,
    at: format.length,
    texts: [],
    ranks: [],
    previousMs: 0,
    isDamaged: false,
  }
  const value = codec.unpack(from)
  return from.isDamaged ? null : { value, end: from.at }
}

/** From 0 upwards. The lowest bits come first; a letter of the upper half says that more follow. */
export const number: Codec<number> = {
  pack(value, into) {
    let rest = value
    for (; rest >= 32; rest = Math.floor(rest / 32)) into.packed += letterOf(32 + (rest % 32))
    into.packed += letterOf(rest)
  },
  unpack(from) {
    let value = 0
    let scale = 1
    let digit = nextDigit(from)
    for (; digit >= 32; digit = nextDigit(from)) {
      value += (digit - 32) * scale
      scale *= 32
    }
    value += digit * scale
    return Number.isSafeInteger(value) ? value : damaged(from, 0)
  },
}

export const time: Codec<number> = {
  pack(value, into) {
    const sincePreviousMs = value - into.previousMs
    into.previousMs = value
    number.pack(sincePreviousMs < 0 ? -2 * sincePreviousMs - 1 : 2 * sincePreviousMs, into)
  },
  unpack(from) {
    const folded = number.unpack(from)
    from.previousMs += folded % 2 === 0 ? folded / 2 : -(folded + 1) / 2
    return from.previousMs
  },
}

/** A place in a list of choices, which may therefore only grow at its end. */
export function oneOf<Choice>(...choices: readonly [Choice, ...Choice[]]): Codec<Choice> {
  return {
    pack: (value, into) => number.pack(choices.indexOf(value), into),
    unpack: (from) => choices[number.unpack(from)] ?? damaged(from, choices[0]),
  }
}

export function nullable<Value>(codec: Codec<Value>): Codec<Value | null> {
  return {
    pack(value, into) {
      number.pack(value === null ? 0 : 1, into)
      if (value !== null) codec.pack(value, into)
    },
    unpack: (from) => (number.unpack(from) === 0 ? null : codec.unpack(from)),
  }
}

export function list<Item>(codec: Codec<Item>): Codec<readonly Item[]> {
  return {
    pack(items, into) {
      number.pack(items.length, into)
      for (const item of items) codec.pack(item, into)
    },
    unpack(from) {
      const length = number.unpack(from)
      // Each item takes a letter or more, so damage cannot make a list longer than the text.
      if (length > from.packed.length - from.at) return damaged(from, [])
      const items: Item[] = []
      while (items.length < length) items.push(codec.unpack(from))
      return items
    },
  }
}

/** A text, or none. Those in `wellKnown` take a letter or two, always; that list may only grow at its end. */
export function nullableText(wellKnown: readonly string[]): Codec<string | null> {
  const placeOfWellKnown = new Map(wellKnown.map((text, place) => [text, place]))
  return {
    pack(value, into) {
      if (value === null) return number.pack(textCodes.none, into)
      const known = placeOfWellKnown.get(value)
      if (known !== undefined) return number.pack(textCodes.places + 2 * known, into)
      const place = into.texts.get(value)
      if (place !== undefined) return number.pack(textCodes.places + 2 * place + 1, into)
      into.texts.set(value, into.texts.size)
      packNewText(value, into)
    },
    unpack(from) {
      const code = number.unpack(from)
      if (code === textCodes.none) return null
      if (code < textCodes.places) {
        const value = unpackNewText(code, from)
        from.texts.push(value)
        return value
      }
      const place = Math.floor((code - textCodes.places) / 2)
      const value = (code - textCodes.places) % 2 === 0 ? wellKnown[place] : from.texts[place]
      return value ?? damaged(from, '')
    },
  }
}

export function text(wellKnown: readonly string[]): Codec<string> {
  const { pack, unpack } = nullableText(wellKnown)
  return { pack, unpack: (from) => unpack(from) ?? damaged(from, '') }
}

/** A rank, or its place among those before it: entries that were seen in the same snapshot have the same. */
export function sharedRank(compare: (left: Rank, right: Rank) => number, codec: Codec<Rank>): Codec<Rank> {
  return {
    pack(value, into) {
      const place = into.ranks.findIndex((rank) => rank === value || compare(rank, value) === 0)
      number.pack(place + 1, into)
      if (place !== -1) return
      if (into.ranks.length < ranksShared) into.ranks.push(value)
      codec.pack(value, into)
    },
    unpack(from) {
      const code = number.unpack(from)
      const shared = from.ranks[code - 1]
      if (shared !== undefined) return shared
      const value = code === 0 ? codec.unpack(from) : damaged(from, codec.unpack(from))
      if (from.ranks.length < ranksShared) from.ranks.push(value)
      return value
    },
  }
}

/** What the number before a text says; from `places` on, in turns a place among well-known texts and among others. */
const textCodes = { none: 0, asItIs: 1, byUnits: 2, places: 3 }

function packNewText(value: string, into: Packing): void {
  // Half a surrogate pair has no UTF-8 form: such a text would come back as another.
  const isStorable = value.isWellFormed()
  number.pack(isStorable ? textCodes.asItIs : textCodes.byUnits, into)
  number.pack(value.length, into)
  if (isStorable) into.packed += value
  else for (let index = 0; index < value.length; index += 1) number.pack(value.charCodeAt(index), into)
}

function unpackNewText(code: number, from: Unpacking): string {
  const length = number.unpack(from)
  if (length > from.packed.length - from.at) return damaged(from, '')
  if (code === textCodes.byUnits) {
    return Array.from({ length }, () => String.fromCharCode(number.unpack(from))).join('')
  }
  from.at += length
  return from.packed.slice(from.at - length, from.at)
}

/** Beyond these, looking for an equal one would take longer than it is worth. */
const ranksShared = 30

function nextDigit(from: Unpacking): number {
  const digit = digitAt(from.packed, from.at)
  from.at += 1
  return digit ?? damaged(from, 0)
}

function damaged<Value>(from: Unpacking, instead: Value): Value {
  from.isDamaged = true
  from.at = from.packed.length
  return instead
}
