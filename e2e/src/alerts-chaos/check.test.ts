import { expect, test } from 'vitest'
import { answerTimeoutMs, type ChaosFacts, check, cutWindowMs, type FaultSpan, problemsOf } from './check.ts'
import type { Call } from './sink-contract.ts'

const at = 1_000_000

function callOf(arrivedMs: number, given: Partial<Call> = {}): Call {
  return {
    alertId: 'a-1',
    endpointId: 'e',
    arrivedMs,
    answeredMs: arrivedMs + 10,
    status: 204,
    isHungUp: false,
    isVerified: true,
    bodySha256: 'one',
    ...given,
  }
}

function receiptOf(appendedMs: number, outcome: 'delivered' | 'given_up' = 'delivered') {
  return { alertId: 'a-1', outcome, settledMs: appendedMs, appendedMs }
}

function factsOf(given: Partial<ChaosFacts> = {}): ChaosFacts {
  return {
    owed: new Set(['a-1']),
    calls: [callOf(at)],
    receipts: [receiptOf(at + 20)],
    faults: [],
    known: [],
    timeouts: [],
    marked: new Set(['a-1']),
    ...given,
  }
}

const killed = (startedMs: number, process = 0): FaultSpan => {
  return { kind: 'alerts killed', process, startedMs, endedMs: startedMs + 10 }
}

const flushed = (startedMs: number): FaultSpan => {
  return { kind: 'queue redis flushed', process: null, startedMs, endedMs: startedMs + 1 }
}

test('an alert that was taken, has its receipt and its marker is no problem', () => {
  expect(problemsOf(check(factsOf()))).toEqual([])
})

test.each<[string, Partial<ChaosFacts>]>([
  ['1 alerts are lost', { calls: [callOf(at, { status: 500 })] }],
  ['1 alerts are lost', { calls: [callOf(at, { status: null })] }],
  ['1 alerts were sent that no change owes', { calls: [callOf(at), callOf(at, { alertId: 'a-2' })] }],
  ['1 alerts have no receipt', { receipts: [] }],
  ['1 alerts were given up', { receipts: [receiptOf(at + 20, 'given_up')] }],
  [
    '1 alerts have receipts of two outcomes',
    { receipts: [receiptOf(at + 20), receiptOf(at + 30, 'given_up')] },
  ],
  [
    '1 alerts were sent with two bodies',
    { calls: [callOf(at - 300, { status: 500, bodySha256: 'other' }), callOf(at)] },
  ],
  ['1 calls had no valid signature', { calls: [callOf(at), callOf(at, { isVerified: false })] }],
  ['1 alerts have a receipt and no marker', { marked: new Set() }],
  ['1 alerts were taken twice, and no fault explains it', { calls: [callOf(at), callOf(at + 500)] }],
])('%s', (problem, facts) => {
  expect(problemsOf(check(factsOf(facts)))).toContain(problem)
})

test('a retry of an alert that was not taken is no second alert', () => {
  const calls = [callOf(at - 900, { status: 500 }), callOf(at - 500, { status: null }), callOf(at)]
  expect(check(factsOf({ calls }))).toMatchObject({ doubled: 0, cutSends: 0, unexplained: [] })
})

test('an answer that was under way when its sender was killed may be asked for again', () => {
  const facts = factsOf({
    calls: [callOf(at), callOf(at + 5_000)],
    receipts: [receiptOf(at + 5_020)],
    faults: [killed(at + 110)],
  })
  expect(check(facts)).toMatchObject({ doubled: 1, cutSends: 1, longestCutMs: 100, unexplained: [] })
  expect(check(facts).cutBy).toEqual(new Map([['alerts killed', 1]]))
})

test.each<[string, Partial<ChaosFacts>]>([
  ['its receipt was in the log before the fault', { faults: [killed(at + 110)] }],
  [
    'it was answered long before the fault',
    { receipts: [receiptOf(at + 9_000)], faults: [killed(at + 10 + cutWindowMs + 1)] },
  ],
  ['it was sent long after the fault', { receipts: [], faults: [killed(at - 5_000)] }],
  [
    'another process had the answer',
    {
      receipts: [],
      faults: [killed(at + 110, 1)],
      known: [{ alertId: 'a-1', process: 0, atMs: at + 12 }],
    },
  ],
  ['it came again before the fault', { receipts: [], faults: [killed(at + 5_001)] }],
  [
    'it came again long after its receipt was in the log',
    { receipts: [receiptOf(at + 1_000)], faults: [killed(at + 5)] },
  ],
])('a fault explains no second call when %s', (_, given) => {
  const found = check(factsOf({ calls: [callOf(at), callOf(at + 5_000)], ...given }))
  expect(found).toMatchObject({ doubled: 1, cutSends: 0 })
  expect(found.unexplained.map(({ alertId }) => alertId)).toEqual(['a-1'])
})

test('an answer that came when nobody waited for it any more is asked for again', () => {
  const late = at + answerTimeoutMs
  const timeout = { alertId: 'a-1', startedMs: at, endedMs: late }
  const again = callOf(late + 500)
  const explained = (calls: readonly Call[], timeouts = [timeout]) =>
    check(factsOf({ calls, timeouts })).cutBy
  const tooLate = new Map([['answer too late', 1]])
  expect(explained([callOf(at + 1, { answeredMs: late + 10 }), again])).toEqual(tooLate)
  expect(explained([callOf(late + 5), again])).toEqual(tooLate)
  expect(explained([callOf(at + 1), again])).toEqual(new Map())
  expect(explained([callOf(at + 1, { answeredMs: late + 10 }), callOf(at + 500)])).toEqual(new Map())
  expect(explained([callOf(at + 1, { answeredMs: late + 10 }), again], [])).toEqual(new Map())
  const lost = callOf(at + 1, { status: null })
  expect(explained([lost, callOf(late + 500), callOf(late + 900)])).toEqual(new Map())
  const known = [{ alertId: 'a-1', process: 0, atMs: late + 20 }]
  const calls = [callOf(at + 1, { answeredMs: late + 10 }), again]
  expect(check(factsOf({ calls, known, timeouts: [timeout] })).cutBy).toEqual(new Map())
})

test('a process that was stopped before it sent may not send when it wakes', () => {
  const stopped: FaultSpan = { kind: 'alerts stopped', process: 1, startedMs: at - 10, endedMs: at + 5_000 }
  const others = { alertId: 'a-1', process: 0, atMs: at + 12 }
  const known = [others, { ...others, process: 1, atMs: at + 5_020 }]
  const facts = factsOf({ calls: [callOf(at), callOf(at + 5_010)], faults: [stopped], known })
  expect(check(facts)).toMatchObject({ doubled: 1, cutSends: 0 })
})

test('markers are rebuilt when their receipts are older than the last loss of the queue Redis', () => {
  expect(check(factsOf({ faults: [flushed(at + 100)] })).markersRebuilt).toBe(1)
  expect(check(factsOf({ faults: [flushed(at)] })).markersRebuilt).toBe(0)
  expect(check(factsOf({ faults: [killed(at + 100)] })).markersRebuilt).toBe(0)
})
