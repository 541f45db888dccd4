/** Decides which lines are written when there are very many of a kind. */
export type LogSampler = {
  /** How many occurrences the next line stands for; null: it is not written. */
  next(): number | null
  /** How many were not written since this was asked last. */
  takeSkipped(): number
}

/** Writes the first `fullPerSecond` lines of every second, and of what comes beyond one in `thenOneIn`. */
export function createLogSampler({
  fullPerSecond,
  thenOneIn,
  now,
}: {
  fullPerSecond: number
  thenOneIn: number
  now: () => number
}): LogSampler {
  let second = Number.NaN
  let inSecond = 0
  let skipped = 0
  return {
    next() {
      const current = Math.floor(now() / 1000)
      if (current !== second) {
        second = current
        inSecond = 0
      }
      inSecond += 1
      if (inSecond <= fullPerSecond) return 1
      if ((inSecond - fullPerSecond) % thenOneIn === 0) return thenOneIn
      skipped += 1
      return null
    },
    takeSkipped() {
      const count = skipped
      skipped = 0
      return count
    },
  }
}
