import assert from 'node:assert/strict'

/** A stream of repeatable choices: the same seed gives the same stream. */
export type Random = {
  /** A number in [0, 1). */
  next(): number
  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number
  /** True in this share of cases. */
  chance(share: number): boolean
  /** One of the choices, of which there must be at least one. */
  pick<T>(choices: readonly T[]): T
  shuffled<T>(list: readonly T[]): T[]
}

/** Mulberry32: 32 bits of state, good enough to make histories, not for secrets. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const between = (least: number, most: number) => least + Math.floor(next() * (most - least + 1))
  return {
    next,
    between,
    chance: (share) => next() < share,
    pick: (choices) => {
      const chosen = choices[between(0, choices.length - 1)]
      assert(chosen !== undefined, 'there is something to pick from')
      return chosen
    },
    shuffled: (list) =>
      list
        .map((element) => ({ element, position: next() }))
        .toSorted((left, right) => left.position - right.position)
        .map(({ element }) => element),
  }
}
