import { setImmediate as nextTurn } from 'node:timers/promises'
import { createPlaces } from '@signalbox/runtime/places'

/** Jobs, each of up to 32 alerts. A longer queue makes nothing faster, and what comes to the log meanwhile is safe there. */
const maxWaiting = 1_000
const lookEveryMs = 100
/** Nobody may be working on the queue, so a chunk is only slowed down. */
const mostHeldMs = 1_000
/** Most of a chunk's time is waiting for Redis, so that one at a time would leave the workers without jobs. */
const mostAtOnce = 3

/**
 * Gives chunks their turns: three at a time, in the order in which they come, so that deliveries get their share of this
 * process and of Redis. While many jobs wait, each is held back for a second at most. Calling what it gives
 * ends a turn.
 */
export function createTurns({
  countWaiting,
  pause,
  nowMs,
}: {
  /** How many jobs wait for a worker. When it rejects, nobody is held back. */
  countWaiting: () => Promise<number>
  pause: (ms: number) => Promise<void>
  /** Monotonic milliseconds. */
  nowMs: () => number
}): () => Promise<() => void> {
  const places = createPlaces(mostAtOnce)
  let look = { atMs: Number.NEGATIVE_INFINITY, isCrowded: false }

  async function isCrowded(): Promise<boolean> {
    if (nowMs() - look.atMs >= lookEveryMs) {
      const atMs = nowMs()
      const waiting = await countWaiting().catch(() => 0)
      look = { atMs, isCrowded: waiting > maxWaiting }
    }
    return look.isCrowded
  }

  return async function turn() {
    const place = await places.take()
    await nextTurn()
    const goOnAtMs = nowMs() + mostHeldMs
    while (nowMs() < goOnAtMs && (await isCrowded())) await pause(lookEveryMs)
    return () => place[Symbol.dispose]()
  }
}
