/** Order by UTF-16 code units: the same on every machine, whatever its language settings. */
export function compareText(left: string, right: string): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}

/** The greater of two texts; any text is greater than none. */
export function greaterText(left: string | null, right: string | null): string | null {
  if (left === null || right === null) return left ?? right
  return left < right ? right : left
}
