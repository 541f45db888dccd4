/** What the rounds of a run gave: the middle one, and how far they lie apart. */
export type Spread = { median: number; min: number; max: number }

/** NaN of none. */
export function spreadOf(values: readonly number[]): Spread {
  const ascending = values.toSorted((one, other) => one - other)
  const middle = (ascending.length - 1) / 2
  const lower = ascending[Math.floor(middle)] ?? Number.NaN
  const upper = ascending[Math.ceil(middle)] ?? Number.NaN
  return {
    median: (lower + upper) / 2,
    min: ascending[0] ?? Number.NaN,
    max: ascending.at(-1) ?? Number.NaN,
  }
}
