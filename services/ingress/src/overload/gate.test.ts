import { describe, expect, test } from 'vitest'
import { createGate, tickMs } from './gate.ts'

const limits = { maxWaiting: 16, maxBytes: 1_000_000 }
const small = (clientId: string) => ({ clientId, declaredBytes: 500 })
const large = (clientId: string, declaredBytes: number) => ({ clientId, declaredBytes })

function gateOf({ oldestWaitMs = () => 0 }: { oldestWaitMs?: () => number } = {}) {
  let nowMs = 0
  const gate = createGate(limits, { oldestWaitMs, now: () => nowMs })
  const givenUp: string[] = []
  gate.tick(nowMs)
  return {
    ...gate,
    givenUp,
    /** How many of so many find a place. */
    enterMany: (clientId: string, count: number) =>
      Array.from({ length: count }, () => gate.enter(clientId, 500)).filter(Boolean).length,
    /** A body of which so much has arrived. */
    arrive: (name: string, bytes: number) => {
      const body = gate.openBody(() => givenUp.push(name))
      return { ...body, hasRoom: body.take(bytes) }
    },
    wait: (ms: number) => {
      nowMs += ms
    },
    /** Passes windows of 250 ms in which every tick is so late. */
    pass: ({ windows, lateMs = 0 }: { windows: number; lateMs?: number }) => {
      for (let n = 0; n < windows * 5; n++) {
        nowMs += tickMs + lateMs
        gate.tick(nowMs)
      }
    },
  }
}

describe('notifications that wait for Kafka are bounded', () => {
  test('one more than the limit is refused, and taken again when one has left', () => {
    const gate = gateOf()
    expect(gate.enterMany('A', limits.maxWaiting)).toBe(limits.maxWaiting)
    expect(gate.refusal(small('A'))).toBe('waiting_limit')
    expect(gate.enter('A', 500)).toBe(false)
    gate.leave('A', 500, 1)
    expect(gate.refusal(small('A'))).toBeNull()
  })

  test('a client that fills the house leaves the others their even share', () => {
    const gate = gateOf()
    gate.enterMany('A', 1_000)
    expect(gate.refusal(small('A'))).toBe('waiting_limit')
    expect(gate.refusal(small('B'))).toBeNull()
    expect(gate.enterMany('B', 1_000)).toBe(limits.maxWaiting / 2)
    expect(gate.refusal(small('B'))).toBe('waiting_limit')
    expect(gate.refusal(small('C'))).toBeNull()
  })

  test('all clients together never have more than twice the limit', () => {
    const gate = gateOf()
    for (let client = 0; client < 50; client++) gate.enterMany(`C${client}`, 1_000)
    expect(gate.figures().waiting).toBeLessThanOrEqual(2 * limits.maxWaiting)
  })

  test('a client with nothing waiting has a place, however many others there are', () => {
    const gate = gateOf()
    for (let client = 0; client < limits.maxWaiting; client++) gate.enterMany(`C${client}`, 1)
    expect(gate.refusal(small('late'))).toBeNull()
    expect(gate.enter('late', 500)).toBe(true)
  })

  test('what has left is counted for nobody any more', () => {
    const gate = gateOf()
    for (let round = 0; round < 1_000; round++) {
      gate.enterMany('A', 3)
      const body = gate.arrive('B', 100_000)
      for (let n = 0; n < 3; n++) gate.leave('A', 500, 1)
      body.release()
    }
    expect(gate.figures()).toMatchObject({ waiting: 0, heldBytes: 0 })
  })
})

describe('bytes of large bodies are bounded', () => {
  test('a body that would not fit is refused by its declared size', () => {
    const gate = gateOf()
    gate.enter('A', 900_000)
    gate.arrive('A', 900_000).complete()
    expect(gate.refusal(large('A', 100_000))).toBeNull()
    expect(gate.refusal(large('A', 100_001))).toBe('bytes_limit')
  })

  test('small ones always have room, and are not counted', () => {
    const gate = gateOf()
    gate.arrive('A', limits.maxBytes)
    expect(gate.refusal(large('A', 16 * 1024))).toBeNull()
    expect(gate.arrive('small', 16 * 1024).hasRoom).toBe(true)
    expect(gate.figures().heldBytes).toBe(limits.maxBytes)
  })

  test('large ones of a client that are kept leave another client its share', () => {
    const gate = gateOf()
    gate.enter('A', limits.maxBytes)
    gate.arrive('A', limits.maxBytes).complete()
    expect(gate.refusal(large('A', 100_000))).toBe('bytes_limit')
    expect(gate.refusal(large('B', 500_000))).toBeNull()
    expect(gate.refusal(large('B', 500_001))).toBe('bytes_limit')
  })

  test('one whose size was not declared is stopped when there is no room for it', () => {
    const gate = gateOf()
    expect(gate.arrive('chunked', 2 * limits.maxBytes).hasRoom).toBe(true)
    expect(gate.arrive('more', 16 * 1024 + 1).hasRoom).toBe(false)
  })

  test('what has been arriving for more than a second makes room, the oldest first', () => {
    const gate = gateOf()
    gate.enter('A', 1_000_000)
    gate.arrive('kept', 1_000_000).complete()
    gate.arrive('first', 500_000)
    gate.arrive('second', 500_000)
    gate.wait(999)
    expect(gate.refusal(large('A', 100_000))).toBe('bytes_limit')
    expect(gate.givenUp).toEqual([])
    gate.wait(1)
    expect(gate.refusal(large('A', 100_000))).toBeNull()
    expect(gate.givenUp).toEqual(['first'])
    expect(gate.figures().heldBytes).toBe(1_500_000)
  })

  test('what was given up is not counted twice when it is released', () => {
    const gate = gateOf()
    const body = gate.arrive('slow', 2 * limits.maxBytes)
    gate.wait(1_000)
    expect(gate.refusal(large('A', 600_000))).toBeNull()
    body.release()
    expect(gate.figures().heldBytes).toBe(0)
  })
})

function wait(gate: ReturnType<typeof gateOf>, waitedMs: number): void {
  gate.enter('A', 500)
  gate.leave('A', 500, waitedMs)
}

describe('the limit follows what Kafka and the event loop can do', () => {
  test('it falls while waits are slow, to no less than 8, and rises again with waits that are not', () => {
    const gate = gateOf()
    wait(gate, 251)
    gate.pass({ windows: 1 })
    expect(gate.figures().waitingLimit).toBe(11)
    for (let n = 0; n < 5; n++) {
      wait(gate, 251)
      gate.pass({ windows: 1 })
    }
    expect(gate.figures().waitingLimit).toBe(8)
    gate.pass({ windows: 10 })
    expect(gate.figures().waitingLimit).toBe(8)
    wait(gate, 2)
    gate.pass({ windows: 1 })
    expect(gate.figures().waitingLimit).toBe(limits.maxWaiting)
  })

  test('one slow wait among hundreds changes nothing', () => {
    const gate = gateOf()
    wait(gate, 251)
    for (let n = 0; n < 200; n++) wait(gate, 2)
    gate.pass({ windows: 1 })
    expect(gate.figures().waitingLimit).toBe(limits.maxWaiting)
  })

  test('nobody is taken while the event loop is 100 ms late by the median of a quarter of a second', () => {
    const gate = gateOf()
    gate.pass({ windows: 1, lateMs: 100 })
    expect(gate.refusal(small('A'))).toBeNull()
    gate.pass({ windows: 1, lateMs: 101 })
    expect(gate.refusal(small('A'))).toBe('event_loop')
    gate.pass({ windows: 1 })
    expect(gate.refusal(small('A'))).toBeNull()
  })

  test('nobody is taken while the oldest waits for more than half a second', () => {
    let oldestWaitMs = 501
    const gate = gateOf({ oldestWaitMs: () => oldestWaitMs })
    expect(gate.refusal(small('A'))).toBe('kafka_slow')
    oldestWaitMs = 500
    expect(gate.refusal(small('A'))).toBeNull()
  })
})

describe('readiness', () => {
  test('is lost when the event loop has been late for ten seconds, and comes back after two in which it is not', () => {
    const gate = gateOf()
    gate.pass({ windows: 39, lateMs: 150 })
    expect(gate.check().ok).toBe(true)
    gate.pass({ windows: 1, lateMs: 150 })
    expect(gate.check().ok).toBe(false)
    expect(gate.check().detail).toContain('150 ms late')
    gate.pass({ windows: 7 })
    expect(gate.check().ok).toBe(false)
    gate.pass({ windows: 1 })
    expect(gate.check().ok).toBe(true)
  })

  test('is kept through bursts, and whatever is refused', () => {
    const gate = gateOf()
    gate.enterMany('A', 1_000)
    for (let n = 0; n < 100; n++) {
      gate.pass({ windows: 30, lateMs: 150 })
      gate.pass({ windows: 1 })
      expect(gate.refusal(small('A'))).toBe('waiting_limit')
    }
    expect(gate.check().ok).toBe(true)
  })
})
