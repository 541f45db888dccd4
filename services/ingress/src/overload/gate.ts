/** Why a notification is not taken now. */
export type GateRefusal = 'waiting_limit' | 'bytes_limit' | 'event_loop' | 'kafka_slow'

export type GateLimits = {
  /** The most notifications that may wait for Kafka at a time. */
  maxWaiting: number
  /** The most bytes of large bodies held at a time. */
  maxBytes: number
}

/** A body that is being read or kept. */
export type Body = {
  /** Bytes have arrived. @returns false when there is no room for them */
  take: (bytes: number) => boolean
  /** All of it is here, and it cannot be given up any more. */
  complete: () => void
  /** It is not held any more. To be called exactly once. */
  release: () => void
}

/**
 * Decides who is taken in, before the body is read. Only what was verified counts for a client, because anybody can
 * name a Client-Id. A client that has less than its even share is let in although the house is full, up to twice what
 * the house is meant to hold.
 */
export type Gate = {
  /** Why a notification of this client and declared size is refused now; null: it may come. */
  refusal: (request: { clientId: string; declaredBytes: number }) => GateRefusal | null
  /** @param giveUp ends the reading of a body that has been arriving for too long while others find no room */
  openBody: (giveUp: () => void) => Body
  /** A verified notification begins to wait for Kafka. @returns false when there is no room for it */
  enter: (clientId: string, bytes: number) => boolean
  leave: (clientId: string, bytes: number, waitedMs: number) => void
  /** To be called every {@link tickMs}; how late it is called tells how busy the event loop is. */
  tick: (nowMs: number) => void
  /** For readiness: not ok when the event loop has been late for ten seconds, until it is not for two. */
  check: () => { ok: boolean; detail: string }
  /** Figures for the metrics. */
  figures: () => { waiting: number; waitingLimit: number; heldBytes: number; loopDelayMs: number }
}

/** The time between two looks at the event loop. */
export const tickMs = 50
const ticksPerWindow = 5

/** Beyond the house's limit, for those below their share and for those let in before it was full. */
export const overrun = 2
const leastWaiting = 8
const slowWaitMs = 250
const slowShare = 0.01
const decrease = 0.7
const increase = 8
const busyLoopMs = 100
const oldWaitMs = 500
const windowsToUnready = 40
const windowsToReady = 8

/** Smaller bodies are bounded by the number of connections alone, so that large ones cannot keep them out. */
const smallBodyBytes = 16 * 1024
/** How long a large body may be arriving while another finds no room. */
const patienceMs = 1_000

type Tally = { waiting: number; bytes: number }
type LargeBody = { bytes: number; since: number; giveUp: (() => void) | null }

/** @param oldestWaitMs how long the oldest notification has been waiting for Kafka */
export function createGate(
  { maxWaiting, maxBytes }: GateLimits,
  { oldestWaitMs, now }: { oldestWaitMs: () => number; now: () => number },
): Gate {
  /** One per known client that has come, and so no more than the clients file names. */
  const tallies = new Map<string, Tally>()
  let clientsWaiting = 0
  const largeBodies = new Set<LargeBody>()
  let waiting = 0
  let heldBytes = 0
  let limit = maxWaiting
  let waits = 0
  let slowWaits = 0
  let delaysMs: number[] = []
  let lastTickMs: number | null = null
  let loopDelayMs = 0
  let isReady = true
  let lateWindows = 0
  let calmWindows = 0

  function tallyOf(clientId: string): Tally {
    const known = tallies.get(clientId)
    if (known !== undefined) return known
    const tally = { waiting: 0, bytes: 0 }
    tallies.set(clientId, tally)
    return tally
  }

  /** What is a client's in any case: half of the house, or less when more than two are in it. */
  function shareOf(all: number): number {
    return Math.max(1, all / Math.max(2, clientsWaiting))
  }

  function hasPlace(clientId: string, all: number): boolean {
    if (waiting < all) return true
    return waiting < overrun * maxWaiting && tallyOf(clientId).waiting + 1 <= shareOf(all)
  }

  function hasRoom(clientId: string, bytes: number): boolean {
    if (heldBytes + bytes <= maxBytes) return true
    return heldBytes + bytes <= overrun * maxBytes && tallyOf(clientId).bytes + bytes <= shareOf(maxBytes)
  }

  /** Gives up the body that has been arriving for longest, if that is too long. */
  function makeRoom(): boolean {
    for (const body of largeBodies) {
      if (body.giveUp === null) continue
      if (now() - body.since < patienceMs) return false
      drop(body)
      body.giveUp()
      return true
    }
    return false
  }

  function drop(body: LargeBody): void {
    if (largeBodies.delete(body)) heldBytes -= body.bytes
  }

  function openBody(giveUp: () => void): Body {
    const body: LargeBody = { bytes: 0, since: now(), giveUp }
    return {
      take(bytes) {
        body.bytes += bytes
        if (largeBodies.has(body)) heldBytes += bytes
        else if (body.bytes > smallBodyBytes) {
          largeBodies.add(body)
          heldBytes += body.bytes
        }
        return heldBytes <= overrun * maxBytes || makeRoom()
      },
      complete() {
        body.giveUp = null
      },
      release: () => drop(body),
    }
  }

  function closeWindow(): void {
    loopDelayMs = median(delaysMs)
    const isLate = loopDelayMs > busyLoopMs
    if (isLate || slowWaits > waits * slowShare) limit = Math.max(leastWaiting, Math.floor(limit * decrease))
    else if (waits > 0) limit = Math.min(maxWaiting, limit + increase)
    lateWindows = isLate ? lateWindows + 1 : 0
    calmWindows = isLate ? 0 : calmWindows + 1
    if (lateWindows >= windowsToUnready) isReady = false
    if (calmWindows >= windowsToReady) isReady = true
    waits = 0
    slowWaits = 0
    delaysMs = []
  }

  return {
    refusal({ clientId, declaredBytes }) {
      if (declaredBytes > smallBodyBytes && !hasRoom(clientId, declaredBytes) && !makeRoom()) {
        return 'bytes_limit'
      }
      if (!hasPlace(clientId, limit)) return 'waiting_limit'
      if (loopDelayMs > busyLoopMs) return 'event_loop'
      return oldestWaitMs() > oldWaitMs ? 'kafka_slow' : null
    },
    openBody,
    enter(clientId, bytes) {
      if (!hasPlace(clientId, maxWaiting)) return false
      const tally = tallyOf(clientId)
      if (tally.waiting === 0) clientsWaiting += 1
      tally.waiting += 1
      tally.bytes += bytes
      waiting += 1
      return true
    },
    leave(clientId, bytes, waitedMs) {
      const tally = tallyOf(clientId)
      tally.waiting -= 1
      tally.bytes -= bytes
      if (tally.waiting === 0) clientsWaiting -= 1
      waiting -= 1
      waits += 1
      if (waitedMs > slowWaitMs) slowWaits += 1
    },
    tick(nowMs) {
      if (lastTickMs !== null) delaysMs.push(Math.max(0, nowMs - lastTickMs - tickMs))
      lastTickMs = nowMs
      if (delaysMs.length >= ticksPerWindow) closeWindow()
    },
    check() {
      const detail = `${waiting} of ${limit} wait for Kafka, the event loop is ${Math.round(loopDelayMs)} ms late`
      return { ok: isReady, detail: isReady ? detail : `overloaded: ${detail}` }
    },
    figures: () => ({ waiting, waitingLimit: limit, heldBytes, loopDelayMs }),
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
