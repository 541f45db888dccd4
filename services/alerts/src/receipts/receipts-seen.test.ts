import { expect, test } from 'vitest'
import { watermarkAt } from '../fan-out/fan-out-start.ts'
import { createReceiptsSeen } from './receipts-seen.ts'

const log = { clusterId: 'cluster', topic: 'receipts' }

/** A log that ends at `end` and markers that reflect the receipts before `seen`, both changed at will. */
function createScene(at: { end: bigint; seen: bigint | null }) {
  const state = { ...at, nowMs: 0, looks: 0, onPause: () => {} }
  const receiptsSeen = createReceiptsSeen(
    {
      book: {
        receiptsWatermark: async () =>
          state.seen === null ? null : watermarkAt({ ...log, next: state.seen }),
      },
      reader: {
        bounds: async () => {
          state.looks += 1
          return { start: 0n, end: state.end }
        },
      },
      now: () => state.nowMs,
      async pause(ms) {
        state.nowMs += ms
        state.onPause()
      },
    },
    log,
  )
  return { state, receiptsSeen }
}

test('receipts are seen when the markers have come to the end that the log had when it was asked', async () => {
  const { state, receiptsSeen } = createScene({ end: 5n, seen: 3n })
  const order: string[] = []
  state.onPause = () => {
    order.push(`${state.seen}`)
    state.end += 1n
    state.seen = (state.seen ?? 0n) + 1n
  }
  expect(await receiptsSeen.reached(0)).toBe(5n)
  expect(order).toEqual(['3', '4'])
})

test('without a receipt there is nothing to wait for', async () => {
  const { receiptsSeen } = createScene({ end: 0n, seen: null })
  await receiptsSeen.upTo(0)
  expect(receiptsSeen.isDoubtful(0)).toBe(false)
})

test('markers that do not come are told after ten seconds, and the doubt stays', async () => {
  const { state, receiptsSeen } = createScene({ end: 5n, seen: null })
  await expect(receiptsSeen.upTo(2)).rejects.toThrow('have not come to receipt 5')
  expect(state.nowMs).toBeGreaterThanOrEqual(10_000)
  expect(receiptsSeen.isDoubtful(2)).toBe(true)
})

test('what was seen before Redis was lost is in doubt again, each partition for itself', async () => {
  const { receiptsSeen } = createScene({ end: 5n, seen: 5n })
  expect(receiptsSeen.isDoubtful(0)).toBe(true)
  await receiptsSeen.upTo(0)
  expect([receiptsSeen.isDoubtful(0), receiptsSeen.isDoubtful(1)]).toEqual([false, true])
  receiptsSeen.doubtAll()
  expect(receiptsSeen.isDoubtful(0)).toBe(true)
})

test('a look during which Redis was lost counts for nothing', async () => {
  const { state, receiptsSeen } = createScene({ end: 5n, seen: 4n })
  state.onPause = () => {
    if (state.nowMs === 50) receiptsSeen.doubtAll()
    state.seen = 5n
  }
  await receiptsSeen.upTo(0)
  expect(state.looks).toBe(2)
  expect(receiptsSeen.isDoubtful(0)).toBe(false)
})

test('who asks during a look gets one that began later, and many share it', async () => {
  const { state, receiptsSeen } = createScene({ end: 5n, seen: 5n })
  const first = receiptsSeen.reached(0)
  state.end = 6n
  state.seen = 6n
  const others = [receiptsSeen.reached(0), receiptsSeen.reached(0), receiptsSeen.reached(0)]
  expect(await first).toBe(5n)
  expect(await Promise.all(others)).toEqual([6n, 6n, 6n])
  expect(state.looks).toBe(2)
})

test('a look that fails does not spoil the next one', async () => {
  const { state, receiptsSeen } = createScene({ end: 5n, seen: null })
  const failing = receiptsSeen.upTo(0)
  const next = receiptsSeen.upTo(0)
  await expect(failing).rejects.toThrow()
  state.seen = 5n
  await next
})
