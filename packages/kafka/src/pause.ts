/** Waits. */
export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

const firstMs = 200
const longestMs = 5_000

/** How long to wait before the n-th new attempt (from 0): doubling, bounded, and spread so that many do not knock at once. */
export function backoffMs(attempt: number): number {
  const fullMs = Math.min(longestMs, firstMs * 2 ** Math.min(attempt, 10))
  return fullMs / 2 + (Math.random() * fullMs) / 2
}
