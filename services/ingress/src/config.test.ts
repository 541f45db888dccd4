import { describe, expect, test } from 'vitest'
import { readConfig } from './config.ts'
import { overrun } from './overload/gate.ts'

const needed = { KAFKA_BROKERS: '127.0.0.1:9092', CLIENTS_FILE: 'clients.json' }

describe('settings that contradict each other refuse the start', () => {
  test.each([
    ['a body larger than the topic takes', { BODY_LIMIT_BYTES: '8388608' }, /BODY_LIMIT_BYTES/],
    [
      'a body larger than all bodies together may be',
      { BODY_LIMIT_BYTES: '5000000', MAX_BYTES_IN_FLIGHT: '4999999' },
      /MAX_BYTES_IN_FLIGHT is 4999999, but one body may have 5000000 bytes.*Raise the first/,
    ],
    ['a prefix that ends with a slash', { PUBLIC_PATH_PREFIX: '/public/' }, /PUBLIC_PATH_PREFIX/],
    ['a proxy that is no address', { TRUSTED_PROXIES: '10.0.0.0/8, proxy' }, /TRUSTED_PROXIES/],
  ])('%s', (_, env, message) => {
    expect(() => readConfig({ ...needed, ...env })).toThrow(message)
  })
})

test('room for bodies grows with the body limit', () => {
  expect(readConfig(needed).gate.maxBytes).toBe(64 * 1024 * 1024)
  expect(readConfig({ ...needed, BODY_LIMIT_BYTES: '1000000' }).gate.maxBytes).toBe(16_000_000)
})

test('what the gate may let through fits into the queue of the producer', () => {
  const { gate, queue } = readConfig({ ...needed, MAX_WAITING: '10000', BODY_LIMIT_BYTES: '8000000' })
  expect(queue.maxQueuedRecords).toBeGreaterThanOrEqual(overrun * gate.maxWaiting)
  expect(queue.maxQueuedBytes).toBeGreaterThanOrEqual(overrun * gate.maxBytes)
})

test('an age limit below the sender’s retry schedule starts with a warning', () => {
  expect(readConfig({ ...needed, MAX_REQUEST_AGE_MS: '87720000' }).warnings).toEqual([])
  expect(readConfig({ ...needed, MAX_REQUEST_AGE_MS: '87719999' }).warnings).toEqual([
    expect.stringMatching(/refused for good before his retries end, after 87720000 ms/),
  ])
})

test('proxies are given as addresses or networks', () => {
  const { requests } = readConfig({ ...needed, TRUSTED_PROXIES: '10.0.0.0/8, 2001:db8::1' })
  expect(requests.trustedProxies).toEqual(['10.0.0.0/8', '2001:db8::1'])
})
