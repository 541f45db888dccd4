import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  type AppendResult,
  type BatchRecord,
  createLane,
  type LaneLimits,
  type LogRecord,
  type RunResult,
  type SendOutcome,
} from './lane.ts'
import { contentOf } from './record-content.fixture.ts'

const limits: LaneLimits = {
  maxQueuedRecords: 1_000,
  maxQueuedBytes: 1_000_000,
  maxBatchRecords: 500,
  maxBatchBytes: 100_000,
  maxBatchBytesPerPartition: 50_000,
}

const record = (name: string, partition = 0, bytes = 1): LogRecord => ({
  topic: 't',
  partition,
  key: name,
  value: 'x'.repeat(bytes),
})
const names = (batch: readonly BatchRecord[]) => batch.map((each) => contentOf(each).key)
const confirm = (batch: readonly BatchRecord[], partitions?: number[]): SendOutcome => ({
  kind: 'answered',
  stored: batch
    .filter(({ place }) => partitions === undefined || partitions.includes(place.partition))
    .map(({ place }) => ({ ...place, baseOffset: '7' })),
})
const storedAt = (offset: number): AppendResult => ({ kind: 'stored', offset: String(offset) })
/** Of a record that is the first of its partition in its batch. */
const stored = storedAt(7)
const deadline: AppendResult = { kind: 'unconfirmed', reason: 'deadline' }
const deadlineMs = 3_000

/** A broker that answers the n-th batch as the n-th script says, the last one for ever, and notes what it was sent. */
function fakeBroker(...scripts: ((batch: readonly BatchRecord[]) => SendOutcome | Promise<SendOutcome>)[]) {
  const batches: string[][] = []
  const send = async (batch: readonly BatchRecord[]) => {
    const script = scripts[Math.min(batches.length, scripts.length - 1)] ?? confirm
    batches.push(names(batch))
    return script(batch)
  }
  return { batches, send }
}

const nothing = (): SendOutcome => ({ kind: 'answered', stored: [] })
const never = () => new Promise<SendOutcome>(() => {})
const after = (ms: number, outcome: (batch: readonly BatchRecord[]) => SendOutcome) => {
  return (batch: readonly BatchRecord[]) =>
    new Promise<SendOutcome>((resolve) => setTimeout(() => resolve(outcome(batch)), ms))
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

async function settled<T>(promises: Promise<T>[], waitMs = 20_000): Promise<T[]> {
  const all = Promise.all(promises)
  await vi.advanceTimersByTimeAsync(waitMs)
  return all
}

describe('group commit', () => {
  test('appends of one turn share a batch, later ones gather while it is under way, in order', async () => {
    const broker = fakeBroker(after(10, confirm))
    const lane = createLane(broker.send, limits)
    const first = ['a', 'b'].map((name) => lane.append(record(name), { deadlineMs }))
    await vi.advanceTimersByTimeAsync(5)
    const second = ['c', 'd', 'e'].map((name) => lane.append(record(name), { deadlineMs }))
    expect(await settled([...first, ...second])).toEqual([7, 8, 7, 8, 9].map(storedAt))
    expect(broker.batches).toEqual([
      ['a', 'b'],
      ['c', 'd', 'e'],
    ])
  })

  test('a batch ends at its number of records, its bytes, and the bytes of a partition', async () => {
    const broker = fakeBroker(confirm)
    const lane = createLane(broker.send, {
      ...limits,
      maxBatchRecords: 3,
      maxBatchBytes: 2_000,
      maxBatchBytesPerPartition: 1_000,
    })
    const append = (name: string, partition: number, bytes: number) =>
      lane.append(record(name, partition, bytes), { deadlineMs })
    await settled([
      ...['a', 'b', 'c', 'd'].map((name) => append(name, 0, 1)),
      ...['e', 'f'].map((name) => append(name, 1, 600)),
      ...['g', 'h'].map((name) => append(name, 2, 600)),
      ...['i', 'j', 'k'].map((name, partition) => append(name, partition, 700)),
    ])
    expect(broker.batches).toEqual([
      ['a', 'b', 'c'],
      ['d', 'e'],
      ['f', 'g'],
      ['h', 'i'],
      ['j', 'k'],
    ])
  })

  test('a record larger than a batch of its partition travels alone', async () => {
    const broker = fakeBroker(confirm)
    const lane = createLane(broker.send, { ...limits, maxBatchBytesPerPartition: 1_000 })
    await settled([
      lane.append(record('a', 0), { deadlineMs }),
      lane.append(record('large', 1, 5_000), { deadlineMs }),
      lane.append(record('b', 2), { deadlineMs }),
    ])
    expect(broker.batches).toEqual([['a'], ['large'], ['b']])
  })
})

describe('proof of every partition', () => {
  test('a partition that the answer does not name is sent again, and only that one', async () => {
    const broker = fakeBroker((batch) => confirm(batch, [0, 2]), confirm)
    const lane = createLane(broker.send, limits)
    const results = [record('a', 0), record('b', 1), record('c', 2), record('d', 1)].map((each) =>
      lane.append(each, { deadlineMs }),
    )
    expect(await settled(results)).toEqual([7, 7, 7, 8].map(storedAt))
    expect(broker.batches).toEqual([
      ['a', 'b', 'c', 'd'],
      ['b', 'd'],
    ])
  })

  test('an answer that names nothing, as when a leader has moved, is no success', async () => {
    const broker = fakeBroker(() => ({ kind: 'answered', stored: [] }))
    const lane = createLane(broker.send, limits)
    expect(await settled([lane.append(record('a'), { deadlineMs })])).toEqual([
      { kind: 'unconfirmed', reason: 'broker' },
    ])
    expect(broker.batches).toEqual([['a'], ['a'], ['a']])
  })

  test('the same partition of another topic proves nothing', async () => {
    const broker = fakeBroker(() => ({
      kind: 'answered',
      stored: [{ topic: 'other', partition: 0, baseOffset: '7' }],
    }))
    const lane = createLane(broker.send, limits)
    expect(await settled([lane.append(record('a'), { deadlineMs })])).toEqual([
      { kind: 'unconfirmed', reason: 'broker' },
    ])
  })

  test('a batch that failed is sent again before anything that came later', async () => {
    const broker = fakeBroker(
      after(10, () => ({ kind: 'failed' })),
      confirm,
    )
    const lane = createLane(broker.send, limits)
    const first = lane.append(record('a'), { deadlineMs })
    await vi.advanceTimersByTimeAsync(5)
    const second = lane.append(record('b'), { deadlineMs })
    expect(await settled([first, second])).toEqual([stored, stored])
    expect(broker.batches).toEqual([['a'], ['a'], ['b']])
  })
})

const base = (bases: Record<number, number>) => (): SendOutcome => ({
  kind: 'answered',
  stored: Object.entries(bases).map(([partition, offset]) => ({
    topic: 't',
    partition: Number(partition),
    baseOffset: String(offset),
  })),
})
const appendAll = (lane: ReturnType<typeof createLane>, partitions: readonly number[]) =>
  partitions.map((partition, index) => lane.append(record(`r${index}`, partition), { deadlineMs }))

describe("the offset told is the record's own", () => {
  test('counted among those of its partition in the batch', async () => {
    const lane = createLane(fakeBroker(base({ 0: 100, 1: 7 })).send, limits)
    expect(await settled(appendAll(lane, [0, 1, 0, 0, 1]))).toEqual([100, 7, 101, 102, 8].map(storedAt))
  })

  test('of the attempt that was confirmed, when a partition is sent again', async () => {
    const lane = createLane(fakeBroker(base({ 0: 10 }), base({ 1: 20 })).send, limits)
    expect(await settled(appendAll(lane, [0, 1, 0, 1]))).toEqual([10, 20, 11, 21].map(storedAt))
  })

  test('also behind a record for which nobody waits any more', async () => {
    const lane = createLane(fakeBroker(after(2_000, base({ 0: 50 }))).send, limits)
    const hasty = lane.append(record('hasty'), { deadlineMs: 1_000 })
    const patient = lane.append(record('patient'), { deadlineMs })
    expect(await settled([hasty, patient])).toEqual([deadline, storedAt(51)])
  })
})

test('a broker that fails is waited for until the deadline of those who wait', async () => {
  const start = performance.now()
  const broker = fakeBroker((batch) =>
    performance.now() - start < 2_000 ? { kind: 'failed' } : confirm(batch),
  )
  const lane = createLane(broker.send, limits)
  const hasty = lane.append(record('hasty'), { deadlineMs: 1_000 })
  const patient = lane.append(record('patient'), { deadlineMs: 3_000 })
  expect(await settled([hasty, patient])).toEqual([deadline, stored])
})

test('a broker that fails for longer leaves an append unconfirmed, even one that would wait for ever', async () => {
  const lane = createLane(fakeBroker(() => ({ kind: 'failed' })).send, limits)
  const result = lane.append(record('a'), { deadlineMs: 600_000 })
  expect(await settled([result])).toEqual([{ kind: 'unconfirmed', reason: 'broker' }])
})

describe('records too large for their topic', () => {
  test('the large one is refused and its neighbours are stored', async () => {
    const broker = fakeBroker((batch) =>
      names(batch).includes('large') ? { kind: 'too_large' } : confirm(batch),
    )
    const lane = createLane(broker.send, limits)
    const results = ['a', 'b', 'large', 'c', 'd', 'e', 'f'].map((name) =>
      lane.append(record(name), { deadlineMs }),
    )
    const refused: AppendResult = { kind: 'refused', reason: 'too_large' }
    const [a, b, large, ...others] = await settled(results)
    expect([a, b, large]).toEqual([storedAt(7), storedAt(8), refused])
    expect(others.map(({ kind }) => kind)).toEqual(['stored', 'stored', 'stored', 'stored'])
  })

  test('records that are only together too large are all stored, in order', async () => {
    const log: string[] = []
    const broker = fakeBroker((batch) => {
      if (batch.length > 2) return { kind: 'too_large' }
      log.push(...names(batch))
      return confirm(batch)
    })
    const lane = createLane(broker.send, limits)
    const results = ['a', 'b', 'c', 'd', 'e'].map((name) => lane.append(record(name), { deadlineMs }))
    expect(await settled(results)).toEqual([7, 8, 7, 7, 8].map(storedAt))
    expect(log).toEqual(['a', 'b', 'c', 'd', 'e'])
  })
})

describe('deadlines', () => {
  test('every append is answered at its deadline even while a batch hangs', async () => {
    const broker = fakeBroker(never)
    const lane = createLane(broker.send, limits)
    const answeredAt: number[] = []
    const append = (name: string) =>
      lane.append(record(name), { deadlineMs }).then((result) => {
        answeredAt.push(performance.now())
        return result
      })
    const start = performance.now()
    const first = append('a')
    await vi.advanceTimersByTimeAsync(1_000)
    const second = append('b')
    expect(await settled([first, second])).toEqual([deadline, deadline])
    expect(answeredAt.map((at) => at - start)).toEqual([3_000, 4_000])
  })

  test('a record whose waiter has been answered is not sent any more', async () => {
    const broker = fakeBroker(after(5_000, confirm), confirm)
    const lane = createLane(broker.send, limits)
    const first = lane.append(record('a'), { deadlineMs: 10_000 })
    await vi.advanceTimersByTimeAsync(5)
    const late = lane.append(record('late'), { deadlineMs: 1_000 })
    const patient = lane.append(record('patient'), { deadlineMs: 10_000 })
    expect(await settled([first, late, patient])).toEqual([stored, deadline, stored])
    expect(broker.batches).toEqual([['a'], ['patient']])
  })

  test('what nobody waits for takes no room in a batch', async () => {
    const broker = fakeBroker(after(5_000, confirm), confirm)
    const lane = createLane(broker.send, { ...limits, maxBatchRecords: 2 })
    const first = lane.append(record('a'), { deadlineMs: 10_000 })
    await vi.advanceTimersByTimeAsync(5)
    const late = lane.append(record('late'), { deadlineMs: 1_000 })
    const others = ['b', 'c'].map((name) => lane.append(record(name), { deadlineMs: 10_000 }))
    expect(await settled([first, late, ...others])).toEqual([stored, deadline, stored, storedAt(8)])
    expect(broker.batches).toEqual([['a'], ['b', 'c']])
  })

  test('what failed is not sent again for a waiter who has been answered', async () => {
    const broker = fakeBroker(
      after(2_500, () => ({ kind: 'failed' })),
      confirm,
    )
    const lane = createLane(broker.send, limits)
    const hasty = lane.append(record('hasty'), { deadlineMs: 1_000 })
    const patient = lane.append(record('patient'), { deadlineMs: 10_000 })
    expect(await settled([hasty, patient])).toEqual([deadline, stored])
    expect(broker.batches).toEqual([['hasty', 'patient'], ['patient']])
  })

  test('appends flow again as soon as a hanging batch has ended', async () => {
    const broker = fakeBroker(
      after(40_000, () => ({ kind: 'failed' })),
      confirm,
    )
    const lane = createLane(broker.send, limits)
    expect(await settled([lane.append(record('a'), { deadlineMs })], 39_000)).toEqual([deadline])
    expect(await settled([lane.append(record('b'), { deadlineMs })])).toEqual([stored])
  })
})

describe('bounds', () => {
  const full: AppendResult = { kind: 'refused', reason: 'queue_full' }

  test('beyond so many records an append is refused at once, until others are answered', async () => {
    const lane = createLane(fakeBroker(never).send, { ...limits, maxQueuedRecords: 2 })
    const waiting = ['a', 'b'].map((name) => lane.append(record(name), { deadlineMs }))
    expect(await lane.append(record('c'), { deadlineMs })).toEqual(full)
    expect(await settled(waiting)).toEqual([deadline, deadline])
    const next = lane.append(record('d'), { deadlineMs })
    expect(await settled([next])).toEqual([deadline])
  })

  test('beyond so many bytes an append is refused at once', async () => {
    const lane = createLane(fakeBroker(never).send, { ...limits, maxQueuedBytes: 1_000 })
    const waiting = lane.append(record('a', 0, 800), { deadlineMs })
    expect(await lane.append(record('b', 0, 800), { deadlineMs })).toEqual(full)
    expect(await settled([waiting])).toEqual([deadline])
  })

  test('a record larger than the whole queue is too large, not a matter of waiting', async () => {
    const lane = createLane(fakeBroker().send, { ...limits, maxQueuedBytes: 1_000 })
    expect(await lane.append(record('a', 0, 2_000), { deadlineMs })).toEqual({
      kind: 'refused',
      reason: 'too_large',
    })
  })

  test('the age of the oldest append is seen while it waits', async () => {
    const lane = createLane(fakeBroker(after(2_000, confirm)).send, limits)
    expect(lane.oldestWaitMs()).toBe(0)
    const result = lane.append(record('a'), { deadlineMs })
    await vi.advanceTimersByTimeAsync(700)
    expect(lane.oldestWaitMs()).toBe(700)
    await settled([result])
    expect(lane.oldestWaitMs()).toBe(0)
  })
})

describe('closing', () => {
  const closedResult: AppendResult = { kind: 'unconfirmed', reason: 'closed' }

  test('what waits is still stored, what comes later is not taken', async () => {
    const broker = fakeBroker(after(100, confirm))
    const lane = createLane(broker.send, { ...limits, maxBatchRecords: 1 })
    const waiting = ['a', 'b', 'c'].map((name) => lane.append(record(name), { deadlineMs }))
    const closing = lane.close({ deadlineMs: 5_000 })
    expect(await lane.append(record('late'), { deadlineMs })).toEqual(closedResult)
    expect(await settled(waiting)).toEqual([stored, stored, stored])
    await closing
  })

  test('it ends at its deadline and leaves the rest unconfirmed', async () => {
    const lane = createLane(fakeBroker(never).send, limits)
    const waiting = lane.append(record('a'), { deadlineMs: 60_000 })
    const closing = lane.close({ deadlineMs: 5_000 })
    await vi.advanceTimersByTimeAsync(5_000)
    await closing
    expect(await waiting).toEqual(closedResult)
  })
})

const runStored = (...offsets: number[]): RunResult => ({ kind: 'stored', offsets: offsets.map(BigInt) })
const versions = (...numbers: number[]) => numbers.map((number) => record(`v${number}`))

describe('a run', () => {
  const oneByOne = { ...limits, maxBatchRecords: 1 }
  const unconfirmed: RunResult = { kind: 'unconfirmed', reason: 'broker' }

  test('is answered once all of it is confirmed, with the offset of each record in its partition', async () => {
    const send = fakeBroker(base({ 0: 100, 1: 7 })).send
    const lane = createLane(send, limits)
    const run = [0, 1, 0, 0, 1].map((partition) => record('r', partition))
    expect(await settled([lane.appendRun(run.map(lane.encode), { deadlineMs })])).toEqual([
      runStored(100, 7, 101, 102, 8),
    ])
    expect(await lane.appendRun([], { deadlineMs })).toEqual(runStored())
  })

  test('is sent as it was when it was encoded, whatever became of its buffers and was encoded since', async () => {
    const sent: (Buffer | null)[] = []
    const lane = createLane(async (batch) => {
      sent.push(...batch.map((each) => contentOf(each).value))
      return confirm(batch)
    }, limits)
    const value = Buffer.alloc(1_000, 'a')
    const run = Array.from({ length: 20 }, () => lane.encode({ ...record('r'), value }))
    value.fill('b')
    for (let n = 0; n < 200; n += 1) lane.encode({ ...record('other'), value })
    await settled([lane.appendRun(run, { deadlineMs })])
    expect(sent).toEqual(run.map(() => Buffer.alloc(1_000, 'a')))
  })

  test('keeps its order over batches and attempts, among runs and appends of others', async () => {
    const broker = fakeBroker(base({ 0: 10 }), base({ 1: 20 }), base({ 0: 30 }))
    const lane = createLane(broker.send, { ...limits, maxBatchRecords: 4 })
    const results = [
      lane.appendRun([record('a', 0), record('b', 1), record('c', 0)].map(lane.encode), { deadlineMs }),
      lane.append(record('other'), { deadlineMs }),
      lane.appendRun([record('d', 0), record('e', 0)].map(lane.encode), { deadlineMs }),
    ]
    expect(await settled<AppendResult | RunResult>(results)).toEqual([
      runStored(10, 20, 11),
      storedAt(12),
      runStored(30, 31),
    ])
    expect(broker.batches).toEqual([['a', 'b', 'c', 'other'], ['b'], ['d', 'e']])
  })

  test('leaves out what comes behind a record that was not stored', async () => {
    const broker = fakeBroker(nothing, nothing, nothing, confirm)
    const lane = createLane(broker.send, oneByOne)
    expect(await settled([lane.appendRun(versions(1, 2, 3).map(lane.encode), { deadlineMs })])).toEqual([
      unconfirmed,
    ])
    expect(broker.batches).toEqual([['v1'], ['v1'], ['v1']])
  })

  test('leaves out what comes behind a record that is too large, and nothing of others', async () => {
    const broker = fakeBroker((batch) =>
      names(batch).includes('v2') ? { kind: 'too_large' } : confirm(batch),
    )
    const lane = createLane(broker.send, limits)
    const broken = lane.appendRun(versions(1, 2, 3, 4).map(lane.encode), { deadlineMs })
    const other = lane.appendRun([record('a'), record('b')].map(lane.encode), { deadlineMs })
    const [result, others] = await settled([broken, other])
    expect(result).toEqual({ kind: 'refused', reason: 'too_large' })
    expect(others?.kind).toBe('stored')
    expect(broker.batches).toEqual([
      ['v1', 'v2', 'v3', 'v4', 'a', 'b'],
      ['v1', 'v2', 'v3'],
      ['v1', 'v2'],
      ['v1'],
      ['v2'],
      ['a', 'b'],
    ])
  })

  test('does not touch the appends of others', async () => {
    const broker = fakeBroker((batch) =>
      names(batch).includes('v1') ? { kind: 'answered', stored: [] } : confirm(batch),
    )
    const lane = createLane(broker.send, oneByOne)
    const other = lane.append(record('other'), { deadlineMs })
    const broken = lane.appendRun(versions(1, 2).map(lane.encode), { deadlineMs })
    expect(await settled<AppendResult | RunResult>([other, broken])).toEqual([storedAt(7), unconfirmed])
  })

  test('is answered at its deadline, and what was not sent by then is never sent', async () => {
    const broker = fakeBroker(after(2_000, confirm), confirm)
    const lane = createLane(broker.send, oneByOne)
    const hasty = lane.appendRun(versions(1, 2).map(lane.encode), { deadlineMs: 1_000 })
    const patient = lane.append(record('patient'), { deadlineMs })
    expect(await settled<AppendResult | RunResult>([hasty, patient])).toEqual([deadline, storedAt(7)])
    expect(broker.batches).toEqual([['v1'], ['patient']])
  })

  test('that the queue cannot hold whole is refused whole, and leaves room as soon as it is answered', async () => {
    const broker = fakeBroker(after(100, confirm))
    const lane = createLane(broker.send, { ...limits, maxQueuedRecords: 3, maxQueuedBytes: 1_000 })
    const full = { kind: 'refused', reason: 'queue_full' }
    const waiting = lane.appendRun(versions(1, 2).map(lane.encode), { deadlineMs })
    expect(await lane.appendRun(versions(3, 4).map(lane.encode), { deadlineMs })).toEqual(full)
    expect(await lane.appendRun([record('long', 0, 970)].map(lane.encode), { deadlineMs })).toEqual(full)
    expect(await lane.appendRun([record('longer', 0, 1_000)].map(lane.encode), { deadlineMs })).toEqual({
      kind: 'refused',
      reason: 'too_large',
    })
    expect(await settled([waiting])).toEqual([runStored(7, 8)])
    expect(
      await settled([lane.appendRun([record('long', 0, 970)].map(lane.encode), { deadlineMs })]),
    ).toEqual([runStored(7)])
    expect(await settled([lane.appendRun(versions(5, 6, 7).map(lane.encode), { deadlineMs })])).toEqual([
      runStored(7, 8, 9),
    ])
    expect(broker.batches).toEqual([['v1', 'v2'], ['long'], ['v5', 'v6', 'v7']])
  })
})
