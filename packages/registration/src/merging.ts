// Whatever is merged here comes back as the very object that was known when nothing in it rose,
// so "did any register rise?" is one comparison of references.

/** Two lists in the order of `compare`, joined like with like. */
export function mergeLists<Item>(
  known: readonly Item[],
  said: readonly Item[],
  {
    compare,
    merge,
  }: { compare: (left: Item, right: Item) => number; merge: (known: Item, said: Item) => Item },
): readonly Item[] {
  if (said.length === 0) return known
  if (known.length === 0) return said
  const merged: Item[] = []
  let rose = false
  let place = 0
  let before = known[0]
  for (const item of said) {
    while (before !== undefined && compare(before, item) < 0) {
      merged.push(before)
      before = known[++place]
    }
    if (before === undefined || compare(before, item) > 0) {
      merged.push(item)
      rose = true
    } else {
      const after = merge(before, item)
      merged.push(after)
      rose ||= after !== before
      before = known[++place]
    }
  }
  if (!rose) return known
  for (; before !== undefined; before = known[++place]) merged.push(before)
  return merged
}

/** `known` when each property of `merged` is the same value or the same object. */
export function knownUnlessChanged<Thing extends object>(known: Thing, merged: Thing): Thing {
  for (const property in merged) {
    if (merged[property] !== known[property]) return merged
  }
  return known
}

/** The list without the items that fail; the very list when none does. */
export function keepIf<Item>(list: readonly Item[], isKept: (item: Item) => boolean): readonly Item[] {
  return list.every(isKept) ? list : list.filter(isKept)
}

/** The later of two times; any time is later than none. */
export function laterOf(left: number | null, right: number | null): number | null {
  return left === null || right === null ? (left ?? right) : Math.max(left, right)
}

/** The earlier of two times; any time is earlier than none. */
export function earlierOf(left: number | null, right: number | null): number | null {
  return left === null || right === null ? (left ?? right) : Math.min(left, right)
}
