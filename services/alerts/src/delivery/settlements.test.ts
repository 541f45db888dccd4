import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { alertOf } from './delivery-scene.fixture.ts'
import { createSettlements, type Settlement } from './settlements.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** What a book was told that fails so often first. */
function createScene({ failures = 0 } = {}) {
  const told: { partition: number; versions: number[] }[] = []
  const left: number[] = []
  let failed = 0
  const settlements = createSettlements({
    book: {
      async settle(partition, settled) {
        failed += 1
        if (failed <= failures) throw new Error('Redis is away')
        told.push({ partition, versions: settled.map(({ alert }) => alert.version) })
      },
    },
    onLeft: (count) => void left.push(count),
    now: Date.now,
  })
  return { settlements, told, left }
}

const settlementOf = (version: number, partition = 0): Settlement => ({
  alert: alertOf(version, { partition }),
  isCountedDown: true,
})

test('settlements of some milliseconds go together, those of each partition by themselves', async () => {
  const { settlements, told } = createScene()
  void settlements.add(settlementOf(1))
  await vi.advanceTimersByTimeAsync(20)
  void settlements.add(settlementOf(2, 1))
  void settlements.add(settlementOf(3))
  expect([told, settlements.has(alertOf(1).id)]).toEqual([[], true])
  await vi.advanceTimersByTimeAsync(5)
  expect(told).toEqual([
    { partition: 0, versions: [1, 3] },
    { partition: 1, versions: [2] },
  ])
  expect([1, 2, 3].some((version) => settlements.has(alertOf(version).id))).toBe(false)
})

test('one call ends a hundred at most', async () => {
  const { settlements, told } = createScene()
  for (let version = 1; version <= 250; version += 1) void settlements.add(settlementOf(version))
  await vi.advanceTimersByTimeAsync(25)
  expect(told.map(({ versions }) => versions.length)).toEqual([100, 100, 50])
})

test('while Redis is away settlements wait, and others beside them', async () => {
  const { settlements, told } = createScene({ failures: 3 })
  void settlements.add(settlementOf(1))
  await vi.advanceTimersByTimeAsync(1_000)
  void settlements.add(settlementOf(2))
  await vi.advanceTimersByTimeAsync(600)
  expect(new Set(told.flatMap(({ versions }) => versions))).toEqual(new Set([1, 2]))
})

test('what Redis does not hear of for ten seconds is left to tailer and sweeper', async () => {
  const { settlements, told, left } = createScene({ failures: 100 })
  let isOver = false
  void settlements.add(settlementOf(1)).then(() => (isOver = true))
  void settlements.add(settlementOf(2))
  await vi.advanceTimersByTimeAsync(9_000)
  expect([left, settlements.has(alertOf(1).id), isOver]).toEqual([[], true, false])
  await vi.advanceTimersByTimeAsync(1_100)
  expect([told, left, settlements.has(alertOf(1).id), isOver]).toEqual([[], [2], false, true])
})

test('closing waits until all are written', async () => {
  const { settlements, told } = createScene({ failures: 1 })
  void settlements.add(settlementOf(1))
  const closing = settlements[Symbol.asyncDispose]()
  await vi.advanceTimersByTimeAsync(550)
  await closing
  expect(told).toEqual([{ partition: 0, versions: [1] }])
})

test('closing waits for a second at most, and what comes after it is tried once', async () => {
  const { settlements, told, left } = createScene({ failures: 100 })
  void settlements.add(settlementOf(1))
  const closing = settlements[Symbol.asyncDispose]()
  await vi.advanceTimersByTimeAsync(1_000)
  await closing
  expect(left).toEqual([1])
  void settlements.add(settlementOf(2))
  await vi.advanceTimersByTimeAsync(25)
  expect([told, left, vi.getTimerCount()]).toEqual([[], [1, 1], 0])
})
