/** Order by UTF-16 code units: the same on every machine, whatever its language settings. */
export function compareText(left: string, right: string): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}

/** The same order, with no text before any. */
export function compareOptionalText(left: string | null, right: string | null): number {
  return left === null || right === null
    ? Number(left !== null) - Number(right !== null)
    : compareText(left, right)
}

/** The greater of two texts; any text is greater than none. */
export function greaterText(left: string | null, right: string | null): string | null {
  return compareOptionalText(left, right) < 0 ? right : left
}
