/**
 * How values of one type stand in a packed text: JSON of lists only, without names. Each text stands once, at the
 * head, and is referred to by its place there; a time is its distance from the time before it.
 */
export type Codec<Value> = {
  pack: (value: Value, into: Packing) => unknown
  /** Total: what does not fit is noted in `from`, and some value of the type takes its place. */
  unpack: (packed: unknown, from: Unpacking) => Value
}

type Packing = { texts: Map<string, number>; previousMs: number }
type Unpacking = { texts: readonly unknown[]; previousMs: number; damaged: boolean }

export function packText<Value>(
  codec: Codec<Value>,
  { format, value }: { format: number; value: Value },
): string {
  const packing: Packing = { texts: new Map(), previousMs: 0 }
  const packed = codec.pack(value, packing)
  return JSON.stringify([format, [...packing.texts.keys()], packed])
}

/** null: not a text of `packText` with this codec and format, or damaged. */
export function unpackText<Value>(
  codec: Codec<Value>,
  { format, packed }: { format: number; packed: string },
): Value | null {
  const from: Unpacking = { texts: [], previousMs: 0, damaged: false }
  const [itsFormat, texts, value] = listOf(parse(packed), from, { length: 3 })
  if (itsFormat !== format) return null
  from.texts = listOf(texts, from)
  const unpacked = codec.unpack(value, from)
  return from.damaged ? null : unpacked
}

export const number: Codec<number> = {
  pack: (value) => value,
  unpack: (packed, from) =>
    typeof packed === 'number' && Number.isSafeInteger(packed) ? packed : damaged(from, 0),
}

export const time: Codec<number> = {
  pack(value, into) {
    const sincePreviousMs = value - into.previousMs
    into.previousMs = value
    return sincePreviousMs
  },
  unpack(packed, from) {
    from.previousMs += number.unpack(packed, from)
    return from.previousMs
  },
}

export const text: Codec<string> = {
  pack(value, { texts }) {
    const place = texts.get(value) ?? texts.size
    texts.set(value, place)
    return place
  },
  unpack(packed, from) {
    const value = from.texts[number.unpack(packed, from)]
    return typeof value === 'string' ? value : damaged(from, '')
  },
}

/** A place in a list of choices, which may therefore only grow at its end. */
export function oneOf<Choice>(...choices: readonly [Choice, ...Choice[]]): Codec<Choice> {
  return {
    pack: (value) => choices.indexOf(value),
    unpack: (packed, from) => choices[number.unpack(packed, from)] ?? damaged(from, choices[0]),
  }
}

export function nullable<Value>(codec: Codec<Value>): Codec<Value | null> {
  return {
    pack: (value, into) => (value === null ? null : codec.pack(value, into)),
    unpack: (packed, from) => (packed === null ? null : codec.unpack(packed, from)),
  }
}

/** For a member that an object may lack. */
export function optional<Value>(codec: Codec<Value>): Codec<Value | undefined> {
  return {
    pack: (value, into) => (value === undefined ? null : codec.pack(value, into)),
    unpack: (packed, from) => (packed === null ? undefined : codec.unpack(packed, from)),
  }
}

export function list<Item>(codec: Codec<Item>): Codec<readonly Item[]> {
  return {
    pack: (items, into) => items.map((item) => codec.pack(item, into)),
    unpack: (packed, from) => listOf(packed, from).map((item) => codec.unpack(item, from)),
  }
}

/** An object, as the list of its members in the order in which `members` names them. */
export function record<Thing extends object>(
  members: {
    [Name in keyof Thing]-?: Codec<Thing[Name]>
  },
): Codec<Thing> {
  const length = Object.keys(members).length
  return {
    pack(thing, into) {
      const packed: unknown[] = []
      for (const name in members) packed.push(members[name].pack(thing[name], into))
      return packed
    },
    unpack(packed, from) {
      const values = listOf(packed, from, { length }).values()
      const thing: Partial<Thing> = {}
      for (const name in members) {
        const value = members[name].unpack(values.next().value, from)
        if (value !== undefined) thing[name] = value
      }
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only `optional` leaves a member out
      return thing as Thing
    },
  }
}

function listOf(packed: unknown, from: Unpacking, { length }: { length?: number } = {}): readonly unknown[] {
  if (!Array.isArray(packed) || (length !== undefined && packed.length !== length)) return damaged(from, [])
  return packed
}

function damaged<Value>(from: Unpacking, instead: Value): Value {
  from.damaged = true
  return instead
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return null
  }
}
