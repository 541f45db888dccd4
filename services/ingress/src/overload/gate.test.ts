import { describe, expect, test } from 'vitest'
import { createGate, tickMs } from './gate.ts'

const limits = { maxWaiting: 16, maxBytes: 1_000_000 }
const small = { clientId: 'A', declaredBytes: 500 }
const of = (clientId: string) => ({ clientId, declaredBytes: 500 })

/** A window in which most is refused. */
function refuseMost(gate: ReturnType<typeof gateOf>): void {
  expect(gate.refusal(small)).toBe('waiting_limit')
  gate.pass({ windows: 1 })
}

function gateOf({ oldestWaitMs = () => 0 }: { oldestWaitMs?: () => number } = {}) {
  const gate = createGate(limits, oldestWaitMs)
  let nowMs = 0
  gate.tick(nowMs)
  return {
    ...gate,
    enterMany: (clientId: string, count: number) => {
      for (let n = 0; n < count; n++) expect(gate.enter(clientId)).toBe(true)
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
    gate.enterMany('A', limits.maxWaiting)
    expect(gate.refusal(small)).toBe('waiting_limit')
    gate.leave('A', 1)
    expect(gate.refusal(small)).toBeNull()
  })

  test('heads let in before the house was full are taken up to twice the limit, and no further', () => {
    const gate = gateOf()
    gate.enterMany('A', 2 * limits.maxWaiting)
    expect(gate.enter('A')).toBe(false)
  })

  test('a client that fills the house leaves the others their even share', () => {
    const gate = gateOf()
    gate.enterMany('A', 2 * limits.maxWaiting)
    expect(gate.refusal(of('A'))).toBe('waiting_limit')
    for (let n = 0; n < limits.maxWaiting / 2; n++) {
      expect(gate.refusal(of('B'))).toBeNull()
      expect(gate.enter('B')).toBe(true)
    }
    expect(gate.refusal(of('B'))).toBe('waiting_limit')
    expect(gate.refusal(of('C'))).toBeNull()
  })

  test('what has left is counted for nobody any more', () => {
    const gate = gateOf()
    for (let round = 0; round < 1_000; round++) {
      gate.enterMany('A', 3)
      gate.hold('B', 100)
      for (let n = 0; n < 3; n++) gate.leave('A', 1)
      gate.release('B', 100)
    }
    expect(gate.figures()).toMatchObject({ waiting: 0, heldBytes: 0 })
  })
})

describe('bytes of bodies are bounded', () => {
  test('a body that would not fit is refused by its declared size', () => {
    const gate = gateOf()
    gate.hold('A', 900_000)
    expect(gate.refusal({ clientId: 'A', declaredBytes: 100_000 })).toBeNull()
    expect(gate.refusal({ clientId: 'A', declaredBytes: 100_001 })).toBe('bytes_limit')
  })

  test('large bodies of one client keep neither small ones out nor those of another client', () => {
    const gate = gateOf()
    gate.hold('A', limits.maxBytes)
    expect(gate.refusal({ clientId: 'A', declaredBytes: 64 * 1024 + 1 })).toBe('bytes_limit')
    expect(gate.refusal(of('A'))).toBeNull()
    expect(gate.refusal({ clientId: 'B', declaredBytes: 400_000 })).toBeNull()
  })

  test('a body whose size was not declared is stopped when there is no room for it', () => {
    const gate = gateOf()
    expect(gate.hold('A', 1_500_000)).toBe(true)
    expect(gate.hold('A', 1)).toBe(false)
    expect(gate.hold('B', 1)).toBe(true)
  })
})

describe('the limit follows what Kafka and the event loop can do', () => {
  test('it falls while waits are slow, to no less than 8, and rises again', () => {
    const gate = gateOf()
    gate.enterMany('A', 1)
    gate.leave('A', 251)
    gate.pass({ windows: 1 })
    expect(gate.figures().waitingLimit).toBe(11)
    for (let n = 0; n < 5; n++) {
      gate.enterMany('A', 1)
      gate.leave('A', 251)
      gate.pass({ windows: 1 })
    }
    expect(gate.figures().waitingLimit).toBe(8)
    gate.pass({ windows: 1 })
    expect(gate.figures().waitingLimit).toBe(limits.maxWaiting)
  })

  test('one slow wait among hundreds changes nothing', () => {
    const gate = gateOf()
    gate.enterMany('A', 1)
    gate.leave('A', 251)
    for (let n = 0; n < 200; n++) {
      gate.enterMany('A', 1)
      gate.leave('A', 2)
    }
    gate.pass({ windows: 1 })
    expect(gate.figures().waitingLimit).toBe(limits.maxWaiting)
  })

  test('an event loop that is 100 ms late by the median of a window takes one of each client at a time', () => {
    const gate = gateOf()
    gate.enterMany('A', 1)
    gate.pass({ windows: 1, lateMs: 100 })
    expect(gate.refusal(of('A'))).toBeNull()
    gate.pass({ windows: 1, lateMs: 101 })
    expect(gate.refusal(of('A'))).toBe('event_loop')
    expect(gate.refusal(of('B'))).toBeNull()
    gate.pass({ windows: 1 })
    expect(gate.refusal(of('A'))).toBeNull()
  })

  test('while the oldest waits for more than half a second, one of each client is let in as a probe', () => {
    let oldestWaitMs = 501
    const gate = gateOf({ oldestWaitMs: () => oldestWaitMs })
    expect(gate.refusal(of('A'))).toBeNull()
    gate.enterMany('A', 1)
    expect(gate.refusal(of('A'))).toBe('kafka_slow')
    oldestWaitMs = 500
    expect(gate.refusal(of('A'))).toBeNull()
  })
})

describe('readiness', () => {
  test('is lost when most is refused for ten seconds, and comes back after two without a refusal', () => {
    const gate = gateOf()
    gate.enterMany('A', 2 * limits.maxWaiting)
    for (let n = 0; n < 39; n++) refuseMost(gate)
    expect(gate.check().ok).toBe(true)
    refuseMost(gate)
    expect(gate.check().ok).toBe(false)
    expect(gate.check().detail).toContain('most requests are refused')
    gate.pass({ windows: 7 })
    expect(gate.check().ok).toBe(false)
    gate.pass({ windows: 1 })
    expect(gate.check().ok).toBe(true)
  })

  test('is kept through a short burst', () => {
    const gate = gateOf()
    gate.enterMany('A', 2 * limits.maxWaiting)
    for (let n = 0; n < 10; n++) {
      for (let m = 0; m < 10; m++) refuseMost(gate)
      gate.pass({ windows: 8 })
    }
    expect(gate.check().ok).toBe(true)
  })
})
