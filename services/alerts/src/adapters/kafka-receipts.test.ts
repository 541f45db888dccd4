import type { AlertReceipt } from '@signalbox/contracts/alert'
import type { LogRecord } from '@signalbox/kafka/producer'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createKafkaReceipts } from './kafka-receipts.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

function createScene() {
  const published: (string | undefined)[][] = []
  const broken = new Set<number>()
  const receipts = createKafkaReceipts({
    producer: {
      async publish(records: readonly LogRecord[]) {
        published.push(records.map(({ key }) => key))
        if (records.some(({ partition }) => broken.has(partition))) throw new Error('not confirmed')
        return []
      },
    },
    topic: 'receipts',
  })
  return {
    published,
    write: (alertId: string, partition = 3) => receipts.write({ ...receiptOf(alertId), partition }),
    broken,
  }
}

const receiptOf = (alertId: string): AlertReceipt => ({
  alertId,
  subject: 'client/merchant/',
  registration: null,
  version: 1,
  endpointId: 'one',
  partition: 3,
  eventTypes: [],
  outcome: 'delivered',
  reason: null,
  attempts: 1,
  lastStatus: 204,
  lastError: null,
  firstAttemptAt: null,
  lastAttemptAt: null,
  settledAt: '2026-01-01T00:00:00.000Z',
})

test('the first receipt goes at once, and those that come shortly after it go together', async () => {
  const { published, write } = createScene()
  await Promise.all([write('a'), vi.advanceTimersByTimeAsync(0)])
  const later = [write('b'), write('c')]
  await vi.advanceTimersByTimeAsync(5)
  later.push(write('d'))
  expect(published).toEqual([['a']])
  await vi.advanceTimersByTimeAsync(5)
  await Promise.all(later)
  expect(published).toEqual([['a'], ['b', 'c', 'd']])
})

test('when many go together the next wait longer, until there are fewer', async () => {
  const { published, write } = createScene()
  const writeMany = (count: number) => Promise.all(Array.from({ length: count }, () => write('a')))
  const go = async (ms: number) => {
    await vi.advanceTimersByTimeAsync(ms)
    return published.map(({ length }) => length)
  }
  const written = [writeMany(16)]
  expect(await go(0)).toEqual([16])
  written.push(writeMany(15))
  expect(await go(24)).toEqual([16])
  expect(await go(1)).toEqual([16, 15])
  written.push(writeMany(1))
  expect(await go(10)).toEqual([16, 15, 1])
  await Promise.all(written)
})

test('receipts that are not confirmed are told so, and those of other partitions are none of them', async () => {
  const { write, broken, published } = createScene()
  broken.add(5)
  const ends = Promise.allSettled([write('a', 5), write('b', 3), write('c', 5)])
  await vi.advanceTimersByTimeAsync(10)
  expect((await ends).map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected'])
  expect(published).toEqual([['a', 'c'], ['b']])
})
