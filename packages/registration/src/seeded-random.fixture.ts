// For tests only.

/** A stream of repeatable choices: the same seed gives the same stream. */
export type Random = {
  /** In [0, 1). */
  next(): number
  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number
  /** True in this share of cases. */
  chance(share: number): boolean
  /** One of the choices, of which there must be at least one. */
  pick<Choice>(choices: readonly Choice[]): Choice
  shuffled<Item>(list: readonly Item[]): Item[]
}

/** Mulberry32: 32 bits of state, good enough to make histories. */
export function createRandom(seed: number): Random {
  let state = seed | 0
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number) => Math.floor(next() * limit)
  return {
    next,
    below,
    chance: (share) => next() < share,
    pick: (choices) => {
      const chosen = choices[below(choices.length)]
      if (chosen === undefined) throw new Error('there is nothing to pick from')
      return chosen
    },
    shuffled: (list) => {
      const left = [...list]
      return list.flatMap(() => left.splice(below(left.length), 1))
    },
  }
}
