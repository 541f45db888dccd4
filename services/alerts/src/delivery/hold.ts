import type { LaneEntry } from '../adapters/lanes.ts'

const leastMs = 500
/** What waits for an endpoint that is well again comes back within it. */
const mostMs = 5 * 60 * 1_000

/** Before a first call has ended: a backlog that asked twice a second meanwhile would take every slot. */
const unknownServiceMs = 100

/**
 * How long a job that its endpoint's lane did not let through stays away. The backlog comes back spread over the time
 * that the endpoint needs for it, so that about as many ask as can go, whether ten wait or ten thousand.
 *
 * @param random from 0 to below 1
 */
export function holdMs(
  entry: Extract<LaneEntry, { kind: 'wait' }>,
  { cap, random }: { cap: number; random: number },
): number {
  // It has a slot of its own.
  if (entry.why === 'rate') return entry.waitMs
  const backlogMs = ((entry.serviceMs || unknownServiceMs) * entry.outstanding) / cap
  return Math.round(within(entry.waitMs) + random * within(backlogMs))
}

const within = (ms: number) => Math.min(Math.max(ms, leastMs), mostMs)

/** After trouble of ours, which is no fault of the endpoint's: 2 to 5 s. `random`: from 0 to below 1. */
export function troublePauseMs(random: number): number {
  return Math.round(2_000 + 3_000 * random)
}
