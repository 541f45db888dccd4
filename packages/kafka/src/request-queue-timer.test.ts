import RequestQueue from 'kafkajs/src/network/requestQueue/index.js'
import { beforeAll, expect, test } from 'vitest'
import { stopIdleTimers } from './request-queue-timer.ts'

beforeAll(stopIdleTimers)

const newQueue = () =>
  new RequestQueue({
    maxInFlightRequests: 1,
    requestTimeout: 1_000,
    enforceRequestTimeout: true,
    clientId: 'test',
    broker: 'nowhere:9092',
    logger: { debug() {} },
  })

test('a connection on which nothing waits arms no timer', () => {
  const queue = newQueue()
  queue.checkPendingRequests()
  expect(queue.throttleCheckTimeoutId).toBeNull()
})

test('a connection that the broker throttles still wakes up', () => {
  const queue = newQueue()
  queue.throttledUntil = Date.now() + 10_000
  queue.checkPendingRequests()
  expect(queue.throttleCheckTimeoutId).not.toBeNull()
  clearTimeout(queue.throttleCheckTimeoutId ?? undefined)
})
