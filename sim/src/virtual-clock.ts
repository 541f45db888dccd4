/** The only time there is in a simulation. It stands still until somebody moves it. */
export type VirtualClock = {
  nowMs: () => number
  advance(ms: number): void
  /** Calls back once, when the clock has come so far and `fireDue` is called. */
  after(ms: number, action: () => void): void
  /** Does what has become due, in the order of its time. */
  fireDue(): void
  /** Moves on to what is due next; false when nothing is. */
  skipToNext(): boolean
}

type Alarm = { atMs: number; action: () => void }

export function createVirtualClock(startMs: number): VirtualClock {
  let now = startMs
  /** By time; of equal times the one set first comes first. */
  const alarms: Alarm[] = []

  function fireDue(): void {
    for (let first = alarms[0]; first !== undefined && first.atMs <= now; first = alarms[0]) {
      alarms.shift()
      first.action()
    }
  }

  return {
    nowMs: () => now,
    advance(ms) {
      now += ms
    },
    after(ms, action) {
      const alarm = { atMs: now + ms, action }
      const later = alarms.findIndex(({ atMs }) => atMs > alarm.atMs)
      alarms.splice(later === -1 ? alarms.length : later, 0, alarm)
    },
    fireDue,
    skipToNext() {
      const first = alarms[0]
      if (first === undefined) return false
      now = Math.max(now, first.atMs)
      fireDue()
      return true
    },
  }
}

/** Lets the production code of this thread read another clock; the returned function gives it the real one back. */
export function installClock(nowMs: () => number): () => void {
  // oxlint-disable-next-line typescript/unbound-method -- they go back to where they were taken from
  const real = { date: Date.now, performance: performance.now }
  Date.now = nowMs
  performance.now = nowMs
  return () => {
    Date.now = real.date
    performance.now = real.performance
  }
}
