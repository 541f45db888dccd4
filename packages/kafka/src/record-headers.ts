/** Headers of a record as it was fetched. What nobody asks for is never made; of a repeated header the last one counts. */
export class RecordHeaders implements ReadonlyMap<string, Buffer> {
  readonly #bytes: Buffer
  readonly #names: HeaderNames
  readonly #spans: readonly number[]

  /** @param spans where each content begins and ends in `bytes`, in turn; where there is none, it ends before it begins */
  constructor(bytes: Buffer, names: HeaderNames, spans: readonly number[]) {
    this.#bytes = bytes
    this.#names = names
    this.#spans = spans
  }

  get size(): number {
    let size = 0
    for (const name of this.#names.places.keys()) if (this.has(name)) size += 1
    return size
  }

  get(name: string): Buffer | undefined {
    const place = this.#names.places.get(name)
    return place === undefined ? undefined : this.#contentAt(place)
  }

  /** The content as text, without a buffer in between. */
  text(name: string): string | undefined {
    const place = this.#names.places.get(name)
    if (place === undefined) return undefined
    const from = this.#spans[2 * place] ?? 0
    const to = this.#spans[2 * place + 1] ?? -1
    return to < from ? undefined : this.#bytes.toString('utf8', from, to)
  }

  has(name: string): boolean {
    return this.get(name) !== undefined
  }

  *entries(): MapIterator<[string, Buffer]> {
    for (const [name, place] of this.#names.places) {
      const content = this.#contentAt(place)
      if (content !== undefined) yield [name, content]
    }
  }

  *keys(): MapIterator<string> {
    for (const [name] of this.entries()) yield name
  }

  *values(): MapIterator<Buffer> {
    for (const [, content] of this.entries()) yield content
  }

  [Symbol.iterator](): MapIterator<[string, Buffer]> {
    return this.entries()
  }

  forEach(call: (content: Buffer, name: string, headers: ReadonlyMap<string, Buffer>) => void): void {
    for (const [name, content] of this.entries()) call(content, name, this)
  }

  #contentAt(place: number): Buffer | undefined {
    const from = this.#spans[2 * place] ?? 0
    const to = this.#spans[2 * place + 1] ?? -1
    return to < from ? undefined : this.#bytes.subarray(from, to)
  }
}

/** The names of a record's headers in their order. Most records of a topic have the same, so they share one of these. */
export class HeaderNames {
  readonly all: readonly string[]
  /** Each as it stood in the record where it was read, behind its length. */
  readonly encoded: readonly Buffer[]
  /** Of a repeated name the last place. */
  readonly places: ReadonlyMap<string, number>

  constructor(all: readonly string[], encoded: readonly Buffer[]) {
    this.all = all
    this.encoded = encoded
    this.places = new Map(all.map((name, place) => [name, place]))
  }
}

export const noNames = new HeaderNames([], [])
