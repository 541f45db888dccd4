import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { alertOf, body, createDeliveryScene, startMs, url } from './delivery-scene.fixture.ts'
import { createDeliverReplay } from './replay-delivery.ts'

beforeEach(() => {
  vi.useFakeTimers({ now: startMs })
})
afterEach(() => {
  vi.useRealTimers()
})

test.each([
  [5_000, { kind: 'replayed', isDelivered: true }, 1],
  [5_001, { kind: 'held', delayMs: 7_500 }, 0],
])('a process that stood still for %i ms after it entered the lane: %j', async (ms, end, calls) => {
  const { change, calls: endpointCalls, directory, sent, left, stop, state } = createDeliveryScene()
  change({ kind: 'verify', address: url })
  const deliverReplay = createDeliverReplay({
    bodies: { of: async () => body },
    calls: endpointCalls,
    endpoints: directory,
    now: Date.now,
    random: () => 0.5,
    stop: stop.signal,
  })
  state.standsStillMs = ms
  const run = { alert: alertOf(3), replayId: 'r-1', attempt: 1 }
  expect(await deliverReplay(run, { signal: stop.signal })).toEqual(end)
  expect(sent).toHaveLength(calls)
  expect(left).toEqual([calls === 1 ? 'fine' : 'neutral'])
})
