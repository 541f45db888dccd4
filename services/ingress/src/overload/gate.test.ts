import { describe, expect, test } from 'vitest'
import { createGate, tickMs } from './gate.ts'

const limits = { maxWaiting: 16, maxBytes: 1_000_000 }
const small = (clientId: string) => ({ clientId, declaredBytes: 500 })
const large = (clientId: string, declaredBytes: number) => ({ clientId, declaredBytes })

function gateOf({ oldestWaitMs = () => 0 }: { oldestWaitMs?: () => number } = {}) {
  let nowMs = 0
  const gate = createGate(limits, { oldestWaitMs, now: () => nowMs })
  const givenUp: string[] = []
  return {
    ...gate,
    givenUp,
    /** How many of so many find a place. */
    enterMany: (clientId: string, count: number) =>
      Array.from({ length: count }, () => gate.enter(clientId, 500)).filter((refusal) => refusal === null)
        .length,
    /** A body of which so much has arrived. */
    arrive: (name: string, bytes: number) => {
      const body = gate.openBody(() => givenUp.push(name))
      return { ...body, hasRoom: body.take(bytes) }
    },
    wait: (ms: number) => {
      nowMs += ms
    },
    /** Lets so much time pass, with every tick so late. */
    pass: ({ ms, lateMs = 0 }: { ms: number; lateMs?: number }) => {
      for (const until = nowMs + ms; nowMs < until; ) {
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
    expect(gate.enter('A', 500)).toBe('waiting_limit')
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
    expect(gate.enter('late', 500)).toBeNull()
  })

  test('what has left is counted for nobody any more', () => {
    const gate = gateOf()
    for (let round = 0; round < 1_000; round++) {
      gate.enterMany('A', 3)
      const body = gate.arrive('B', 100_000)
      for (let n = 0; n < 3; n++) gate.leave('A', 500, 1)
      body.end()
    }
    expect(gate.figures()).toMatchObject({ waiting: 0, heldBytes: 0 })
  })
})

describe('bytes of large bodies are bounded', () => {
  test('a body that would not fit among those that arrive is refused by its declared size', () => {
    const gate = gateOf()
    gate.arrive('A', 900_000)
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

  test('one whose size was not declared is stopped when there is no room for it', () => {
    const gate = gateOf()
    expect(gate.arrive('chunked', limits.maxBytes).hasRoom).toBe(true)
    expect(gate.arrive('more', 16 * 1024 + 1).hasRoom).toBe(false)
  })

  test('the slowest, of those that had half a second, are given up until there is room, and no faster ones', () => {
    const gate = gateOf()
    for (let n = 0; n < 10; n++) gate.arrive(`stalled ${n}`, 20_000)
    gate.wait(300)
    const honest = gate.arrive('honest', 700_000)
    gate.wait(499)
    expect(honest.take(100_000)).toBe(true)
    expect(gate.figures().heldBytes).toBe(1_000_000)
    expect(honest.take(50_000)).toBe(true)
    expect(gate.givenUp).toEqual(['stalled 0', 'stalled 1', 'stalled 2'])
    expect(gate.figures().heldBytes).toBe(990_000)
  })

  test('a body that is itself the slowest makes no room for itself', () => {
    const gate = gateOf()
    const slow = gate.arrive('slow', 100_000)
    gate.wait(500)
    gate.arrive('fast', 900_000)
    expect(slow.take(1)).toBe(false)
    expect(gate.givenUp).toEqual([])
  })

  test('what all bodies together hold never passes the bound', () => {
    const gate = gateOf()
    for (let n = 0; n < 120; n++) gate.arrive(`stalled ${n}`, 17_000)
    gate.wait(1_000)
    const large = gate.openBody(() => undefined)
    for (let chunk = 0; chunk < 64; chunk++) {
      large.take(64 * 1024)
      expect(gate.figures().heldBytes).toBeLessThanOrEqual(limits.maxBytes)
    }
  })

  test('nothing is given up for a head that is refused for another reason, or that never sends a body', () => {
    let oldestWaitMs = 501
    const gate = gateOf({ oldestWaitMs: () => oldestWaitMs })
    gate.arrive('honest', 1_000_000)
    gate.wait(1_000)
    expect(gate.refusal(large('A', 100_000))).toBe('kafka_slow')
    oldestWaitMs = 0
    expect(gate.refusal(large('A', 100_000))).toBeNull()
    expect(gate.givenUp).toEqual([])
  })

  test('what has ended is counted once, however it ended', () => {
    const gate = gateOf()
    const body = gate.arrive('A', 500_000)
    body.end()
    body.end()
    expect(body.take(500_000)).toBe(false)
    expect(gate.figures().heldBytes).toBe(0)
  })

  test('large ones of a client that wait for Kafka leave another client its share', () => {
    const gate = gateOf()
    expect(gate.enter('A', limits.maxBytes)).toBeNull()
    expect(gate.enter('A', 100_000)).toBe('bytes_limit')
    expect(gate.enter('B', 500_000)).toBeNull()
    expect(gate.enter('B', 17_000)).toBe('bytes_limit')
    expect(gate.enter('B', 500)).toBeNull()
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
    gate.pass({ ms: 250 })
    expect(gate.figures().waitingLimit).toBe(11)
    for (let n = 0; n < 5; n++) {
      wait(gate, 251)
      gate.pass({ ms: 250 })
    }
    expect(gate.figures().waitingLimit).toBe(8)
    gate.pass({ ms: 2_500 })
    expect(gate.figures().waitingLimit).toBe(8)
    wait(gate, 2)
    gate.pass({ ms: 250 })
    expect(gate.figures().waitingLimit).toBe(limits.maxWaiting)
  })

  test('one slow wait among hundreds changes nothing', () => {
    const gate = gateOf()
    wait(gate, 251)
    for (let n = 0; n < 200; n++) wait(gate, 2)
    gate.pass({ ms: 250 })
    expect(gate.figures().waitingLimit).toBe(limits.maxWaiting)
  })

  test('nobody is taken while the event loop is 100 ms late by the median of a quarter of a second', () => {
    const gate = gateOf()
    gate.pass({ ms: 250, lateMs: 100 })
    expect(gate.refusal(small('A'))).toBeNull()
    gate.pass({ ms: 250, lateMs: 101 })
    expect(gate.refusal(small('A'))).toBe('event_loop')
    gate.pass({ ms: 250 })
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
  test.each([150, 1_000])(
    'is lost when the event loop has been %i ms late for ten seconds, and comes back after two in which it is not',
    (lateMs) => {
      const gate = gateOf()
      gate.pass({ ms: 9_000, lateMs })
      expect(gate.check().ok).toBe(true)
      gate.pass({ ms: 2_500, lateMs })
      expect(gate.check().ok).toBe(false)
      expect(gate.check().detail).toContain(`${lateMs} ms late`)
      gate.pass({ ms: 1_500 })
      expect(gate.check().ok).toBe(false)
      gate.pass({ ms: 1_000 })
      expect(gate.check().ok).toBe(true)
    },
  )

  test('is kept through bursts, and whatever is refused', () => {
    const gate = gateOf()
    gate.enterMany('A', 1_000)
    for (let n = 0; n < 100; n++) {
      gate.pass({ ms: 8_000, lateMs: 150 })
      gate.pass({ ms: 500 })
      expect(gate.refusal(small('A'))).toBe('waiting_limit')
    }
    expect(gate.check().ok).toBe(true)
  })
})
