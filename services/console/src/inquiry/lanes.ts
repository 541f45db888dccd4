/**
 * How much each client may be asked about: a token bucket that holds a tenth of a minute's inquiries, and a pause with
 * jitter that doubles while Alipay+ cannot answer. After a pause one inquiry goes first, alone.
 */
export type Lanes = {
  /** Whether `take` would give leave now. */
  isFree(clientId: string): boolean
  /** Takes leave for one inquiry; false: not now. */
  take(clientId: string): boolean
  /** Tells how it went. `trouble`: Alipay+ could not be reached or answered U. `unasked`: it came to nothing. */
  settle(clientId: string, went: 'well' | 'trouble' | 'unasked'): void
}

type Lane = { tokens: number; filledMs: number; failures: number; pausedUntilMs: number; isProbing: boolean }

const minuteMs = 60_000
const firstPauseMs = 1_000
const longestPauseMs = 5 * minuteMs

export function createLanes({
  perMinute,
  now,
  random,
}: {
  perMinute: number
  /** Milliseconds of a clock that nobody sets. */
  now: () => number
  /** From 0 to 1, as Math.random. */
  random: () => number
}): Lanes {
  const capacity = Math.max(1, perMinute / 10)
  const lanes = new Map<string, Lane>()

  function laneOf(clientId: string): Lane {
    const known = lanes.get(clientId)
    if (known !== undefined) return known
    const lane = { tokens: capacity, filledMs: now(), failures: 0, pausedUntilMs: 0, isProbing: false }
    lanes.set(clientId, lane)
    return lane
  }

  function isFree(lane: Lane): boolean {
    const nowMs = now()
    lane.tokens = Math.min(capacity, lane.tokens + ((nowMs - lane.filledMs) / minuteMs) * perMinute)
    lane.filledMs = nowMs
    return lane.tokens >= 1 && lane.pausedUntilMs <= nowMs && !lane.isProbing
  }

  return {
    isFree: (clientId) => isFree(laneOf(clientId)),
    take(clientId) {
      const lane = laneOf(clientId)
      if (!isFree(lane)) return false
      lane.tokens -= 1
      lane.isProbing = lane.failures > 0
      return true
    },
    settle(clientId, went) {
      const lane = laneOf(clientId)
      lane.isProbing = false
      if (went === 'unasked') return
      lane.failures = went === 'well' ? 0 : lane.failures + 1
      const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** (lane.failures - 1)) * (0.5 + random() / 2)
      lane.pausedUntilMs = went === 'well' ? 0 : now() + pauseMs
    },
  }
}
