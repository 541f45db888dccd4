/** Why a notification is not taken now. */
export type GateRefusal = 'waiting_limit' | 'bytes_limit' | 'event_loop' | 'kafka_slow'

export type GateLimits = {
  /** The most notifications that may wait for Kafka at a time. */
  maxWaiting: number
  /** The most bytes of bodies held at a time. */
  maxBytes: number
}

/**
 * Decides who is taken in, before the body is read. Everything that waits is counted, in all and per client, and a
 * client that uses less than its even share of a full house is still let in, so that none can use up another's.
 */
export type Gate = {
  /** Why a notification of this client and declared size is refused now; null: it may come. */
  refusal(request: { clientId: string; declaredBytes: number }): GateRefusal | null
  /** Bytes of a body have arrived. @returns false when there is no room for them at all */
  hold(clientId: string, bytes: number): boolean
  release(clientId: string, bytes: number): void
  /** A verified notification begins to wait for Kafka. @returns false when there is no room */
  enter(clientId: string): boolean
  leave(clientId: string, waitedMs: number): void
  /** To be called every {@link tickMs}; how late it is called tells how busy the event loop is. */
  tick(nowMs: number): void
  /** For readiness: not ok when most of what came for ten seconds was refused. */
  check(): { ok: boolean; detail: string }
  /** Figures for the metrics. */
  figures(): { waiting: number; waitingLimit: number; heldBytes: number; loopDelayMs: number }
}

/** The time between two looks at the event loop. */
export const tickMs = 50
const ticksPerWindow = 5

const leastWaiting = 8
/** Verified notifications beyond the limit that are let through: their heads came before the house was full. */
const overrun = 2
const slowWaitMs = 250
const slowShare = 0.01
const decrease = 0.7
const increase = 8
const busyLoopMs = 100
const oldWaitMs = 500
/** Bodies up to this size have half as much room again: a few large ones cannot keep the many small ones out. */
const smallBodyBytes = 64 * 1024
const smallBodyRoom = 1.5

const windowsToUnready = 40
const windowsToReady = 8

type Tally = { waiting: number; bytes: number }

/** @param oldestWaitMs how long the oldest notification has been waiting for Kafka */
export function createGate({ maxWaiting, maxBytes }: GateLimits, oldestWaitMs: () => number): Gate {
  const tallies = new Map<string, Tally>()
  let waiting = 0
  let heldBytes = 0
  let limit = maxWaiting
  let window = emptyWindow()
  let lastTickMs: number | null = null
  let loopDelayMs = 0
  let overloadedWindows = 0
  let quietWindows = 0

  function tallyOf(clientId: string): Tally {
    const known = tallies.get(clientId)
    if (known !== undefined) return known
    const tally = { waiting: 0, bytes: 0 }
    tallies.set(clientId, tally)
    return tally
  }

  function forgetWhenIdle(clientId: string, tally: Tally): void {
    if (tally.waiting === 0 && tally.bytes === 0) tallies.delete(clientId)
  }

  /** Whether one more is within what is for all, or within what is this client's in any case. */
  function fits(used: number, own: number, all: number, wanted: number): boolean {
    return used + wanted <= all || own + wanted <= all / activeClients()
  }

  function activeClients(): number {
    return Math.max(2, tallies.size)
  }

  function judge(clientId: string, declaredBytes: number): GateRefusal | null {
    const own = tallies.get(clientId) ?? { waiting: 0, bytes: 0 }
    const room = declaredBytes <= smallBodyBytes ? maxBytes * smallBodyRoom : maxBytes
    if (!fits(heldBytes, own.bytes, room, declaredBytes)) return 'bytes_limit'
    if (!fits(waiting, own.waiting, limit, 1)) return 'waiting_limit'
    // Who has nothing waiting is let in as a probe: otherwise nothing would tell when the trouble is over.
    if (own.waiting === 0) return null
    if (loopDelayMs > busyLoopMs) return 'event_loop'
    return oldestWaitMs() > oldWaitMs ? 'kafka_slow' : null
  }

  function closeWindow(): void {
    const { waits, slowWaits, taken, refused, delaysMs } = window
    loopDelayMs = median(delaysMs)
    if (slowWaits > waits * slowShare || loopDelayMs > busyLoopMs) {
      limit = Math.max(leastWaiting, Math.floor(limit * decrease))
    } else {
      limit = Math.min(maxWaiting, limit + increase)
    }
    quietWindows = refused === 0 ? quietWindows + 1 : 0
    if (refused > taken) overloadedWindows += 1
    if (quietWindows >= windowsToReady) overloadedWindows = 0
    window = emptyWindow()
  }

  return {
    refusal({ clientId, declaredBytes }) {
      const refusal = judge(clientId, declaredBytes)
      if (refusal === null) window.taken += 1
      else window.refused += 1
      return refusal
    },
    hold(clientId, bytes) {
      const tally = tallyOf(clientId)
      tally.bytes += bytes
      heldBytes += bytes
      return fits(heldBytes, tally.bytes, maxBytes * smallBodyRoom, 0)
    },
    release(clientId, bytes) {
      const tally = tallyOf(clientId)
      tally.bytes -= bytes
      heldBytes -= bytes
      forgetWhenIdle(clientId, tally)
    },
    enter(clientId) {
      const tally = tallyOf(clientId)
      if (!fits(waiting, tally.waiting, maxWaiting * overrun, 1)) return false
      tally.waiting += 1
      waiting += 1
      return true
    },
    leave(clientId, waitedMs) {
      const tally = tallyOf(clientId)
      tally.waiting -= 1
      waiting -= 1
      window.waits += 1
      if (waitedMs > slowWaitMs) window.slowWaits += 1
      forgetWhenIdle(clientId, tally)
    },
    tick(nowMs) {
      if (lastTickMs !== null) window.delaysMs.push(Math.max(0, nowMs - lastTickMs - tickMs))
      lastTickMs = nowMs
      if (window.delaysMs.length >= ticksPerWindow) closeWindow()
    },
    check() {
      const ok = overloadedWindows < windowsToUnready
      const detail = `${waiting} of ${limit} wait for Kafka, ${heldBytes} bytes held`
      return { ok, detail: ok ? detail : `overloaded: most requests are refused; ${detail}` }
    },
    figures: () => ({ waiting, waitingLimit: limit, heldBytes, loopDelayMs }),
  }
}

function emptyWindow() {
  return { waits: 0, slowWaits: 0, taken: 0, refused: 0, delaysMs: [] as number[] }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
