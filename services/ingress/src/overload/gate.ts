/** Why a notification is not taken now. */
export type GateRefusal = 'waiting_limit' | 'bytes_limit' | 'event_loop' | 'kafka_slow'

export type GateLimits = {
  /** The most notifications that may wait for Kafka at a time. */
  maxWaiting: number
  /** The most bytes of large bodies that may be arriving, and as many again that may wait for Kafka. */
  maxBytes: number
}

/** A body that is being read. */
export type ArrivingBody = {
  /** Bytes have arrived. @returns false when there is no room for them, and for none that follow */
  take: (bytes: number) => boolean
  /** It is not arriving any more, whatever came of it. */
  end: () => void
}

/**
 * Decides who is taken in, before the body is read. Only what was verified counts for a client, because anybody can
 * name a Client-Id. A client that has less than its even share is let in although the house is full, up to twice what
 * the house is meant to hold.
 */
export type Gate = {
  /** Why a notification of this client and declared size is refused now; null: it may come. */
  refusal: (request: { clientId: string; declaredBytes: number }) => GateRefusal | null
  /** @param giveUp ends the reading of a body that arrives more slowly than others that find no room */
  openBody: (giveUp: () => void) => ArrivingBody
  /** A verified notification begins to wait for Kafka. @returns why there is no room for it, or null */
  enter: (clientId: string, bytes: number) => 'waiting_limit' | 'bytes_limit' | null
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

/** Beyond the house's limit, for clients below their share and for those let in before it was full. */
export const overrun = 2
const windowMs = 250
const leastWaiting = 8
const slowWaitMs = 250
const slowShare = 0.01
const decrease = 0.7
const increase = 8
const busyLoopMs = 100
const oldWaitMs = 500
const lateToUnreadyMs = 10_000
const calmToReadyMs = 2_000

/** Smaller bodies are bounded by the number of connections alone, so that large ones cannot keep them out. */
export const smallBodyBytes = 16 * 1024
/** A large body may be arriving for so long before its pace is looked at. */
const graceMs = 500

type Tally = { waiting: number; bytes: number }
type LargeBody = { bytes: number; since: number; giveUp: () => void }

/** @param oldestWaitMs how long the oldest notification has been waiting for Kafka */
export function createGate(
  { maxWaiting, maxBytes }: GateLimits,
  { oldestWaitMs, now }: { oldestWaitMs: () => number; now: () => number },
): Gate {
  /** One per known client that has come, and so no more than the clients file names. */
  const tallies = new Map<string, Tally>()
  const arriving = new Set<LargeBody>()
  let arrivingBytes = 0
  let waiting = 0
  let waitingBytes = 0
  let clientsWaiting = 0
  let limit = maxWaiting
  let window = emptyWindow(now())
  let lastTickMs = now()
  let loopDelayMs = 0
  let isReady = true
  /** Since when the loop has been as it is, late or not. */
  let sinceMs = now()
  let isLate = false

  function tallyOf(clientId: string): Tally {
    const known = tallies.get(clientId)
    if (known !== undefined) return known
    const tally = { waiting: 0, bytes: 0 }
    tallies.set(clientId, tally)
    return tally
  }

  /** Whether so much more is within what is for all, or within what is a client's in any case. */
  function fits(
    wanted: number,
    { used, own, all, most }: { used: number; own: number; all: number; most: number },
  ) {
    if (used + wanted <= all) return true
    const share = Math.max(1, all / Math.max(2, clientsWaiting))
    return used + wanted <= most && own + wanted <= share
  }

  function hasPlace(tally: Tally, all: number): boolean {
    return fits(1, { used: waiting, own: tally.waiting, all, most: overrun * maxWaiting })
  }

  function drop(body: LargeBody): void {
    if (arriving.delete(body)) arrivingBytes -= body.bytes
  }

  /** The body that arrives most slowly, of those that have had time to show their pace. */
  function slowest(): LargeBody | undefined {
    const nowMs = now()
    const paceOf = (body: LargeBody) => body.bytes / (nowMs - body.since)
    let found: LargeBody | undefined
    for (const body of arriving) {
      if (nowMs - body.since < graceMs) continue
      if (found === undefined || paceOf(body) < paceOf(found)) found = body
    }
    return found
  }

  function openBody(giveUp: () => void): ArrivingBody {
    const body: LargeBody = { bytes: 0, since: now(), giveUp }
    let hasEnded = false

    function end(): void {
      hasEnded = true
      drop(body)
    }

    return {
      end,
      take(bytes) {
        if (hasEnded) return false
        body.bytes += bytes
        if (arriving.has(body)) arrivingBytes += bytes
        else if (body.bytes > smallBodyBytes) {
          arriving.add(body)
          arrivingBytes += body.bytes
        }
        while (arrivingBytes > maxBytes) {
          const victim = slowest()
          if (victim === undefined || victim === body) {
            end()
            return false
          }
          drop(victim)
          victim.giveUp()
        }
        return true
      },
    }
  }

  function closeWindow(nowMs: number): void {
    const { waits, slowWaits, delaysMs } = window
    loopDelayMs = median(delaysMs)
    const wasLate = isLate
    isLate = loopDelayMs > busyLoopMs
    if (isLate || slowWaits > waits * slowShare) limit = Math.max(leastWaiting, Math.floor(limit * decrease))
    else if (waits > 0) limit = Math.min(maxWaiting, limit + increase)
    if (isLate !== wasLate) sinceMs = window.sinceMs
    if (nowMs - sinceMs >= (isLate ? lateToUnreadyMs : calmToReadyMs)) isReady = !isLate
    window = emptyWindow(nowMs)
  }

  return {
    refusal({ clientId, declaredBytes }) {
      if (!hasPlace(tallyOf(clientId), limit)) return 'waiting_limit'
      if (isLate) return 'event_loop'
      if (oldestWaitMs() > oldWaitMs) return 'kafka_slow'
      const needsRoom = declaredBytes > smallBodyBytes && arrivingBytes + declaredBytes > maxBytes
      return needsRoom && slowest() === undefined ? 'bytes_limit' : null
    },
    openBody,
    enter(clientId, bytes) {
      const tally = tallyOf(clientId)
      if (!hasPlace(tally, maxWaiting)) return 'waiting_limit'
      const held = { used: waitingBytes, own: tally.bytes, all: maxBytes, most: overrun * maxBytes }
      if (bytes > smallBodyBytes && !fits(bytes, held)) return 'bytes_limit'
      if (tally.waiting === 0) clientsWaiting += 1
      tally.waiting += 1
      tally.bytes += bytes
      waiting += 1
      waitingBytes += bytes
      return null
    },
    leave(clientId, bytes, waitedMs) {
      const tally = tallyOf(clientId)
      tally.waiting -= 1
      tally.bytes -= bytes
      waiting -= 1
      waitingBytes -= bytes
      if (tally.waiting === 0) clientsWaiting -= 1
      window.waits += 1
      if (waitedMs > slowWaitMs) window.slowWaits += 1
    },
    tick(nowMs) {
      window.delaysMs.push(Math.max(0, nowMs - lastTickMs - tickMs))
      lastTickMs = nowMs
      if (nowMs - window.sinceMs >= windowMs) closeWindow(nowMs)
    },
    check() {
      const detail = `${waiting} of ${limit} wait for Kafka, the event loop is ${Math.round(loopDelayMs)} ms late`
      return { ok: isReady, detail: isReady ? detail : `overloaded: ${detail}` }
    },
    figures: () => ({ waiting, waitingLimit: limit, heldBytes: arrivingBytes + waitingBytes, loopDelayMs }),
  }
}

function emptyWindow(sinceMs: number) {
  return { sinceMs, waits: 0, slowWaits: 0, delaysMs: [] as number[] }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
