import { compareText } from './text-order.ts'

// Whatever is merged here comes back as the very object that was known when nothing in it rose,
// so "did any register rise?" is one comparison of references.

/** Two lists joined by key, like with like; in the order of the keys unless `compare` says otherwise. */
export function mergeLists<Item>({
  known,
  said,
  keyOf,
  merge,
  compare = (left, right) => compareText(keyOf(left), keyOf(right)),
}: {
  known: readonly Item[]
  said: readonly Item[]
  keyOf: (item: Item) => string
  merge: (known: Item, said: Item) => Item
  compare?: (left: Item, right: Item) => number
}): readonly Item[] {
  const merged = new Map(known.map((item) => [keyOf(item), item]))
  let rose = false
  for (const item of said) {
    const key = keyOf(item)
    const before = merged.get(key)
    const after = before === undefined ? item : merge(before, item)
    if (after === before) continue
    merged.set(key, after)
    rose = true
  }
  return rose ? [...merged.values()].toSorted(compare) : known
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
