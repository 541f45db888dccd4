import { parseRawHeaders } from '@signalbox/contracts/raw-record'
import { expect, test } from 'vitest'
import { createStreams, expectedOf, type Notification, oneForEachPartition, rawRecord } from './streams.ts'

const contentOf = ({ n, step }: Notification) => `${n}/${step}`
const timesOf = (notifications: readonly Notification[]) => notifications.map((said) => said.requestTimeMs)
const at = { topic: 't', partitions: 12 }

test('a fresh stream never names a registration twice, whatever was before', () => {
  const streams = createStreams({ startMs: 1_000 })
  const all = [...streams.take('fresh', 50), ...streams.take('mixed', 50), ...streams.take('fresh', 50)]
  const named = all.filter(({ step }) => step === 0).map(({ n }) => n)
  expect(new Set(named).size).toBe(streams.count())
  expect(streams.count()).toBe(50 + 15 + 50)
})

test('a repeated stream says what the fresh one said, signed later', () => {
  const streams = createStreams({ startMs: 1_000 })
  const fresh = streams.take('fresh', 20)
  const repeated = streams.take('repeated', 20)
  expect(repeated.map(contentOf)).toEqual(fresh.map(contentOf))
  expect(Math.min(...timesOf(repeated))).toBeGreaterThan(Math.max(...timesOf(fresh)))
})

test('a copied stream says what was said last, to the letter', () => {
  const streams = createStreams({ startMs: 1_000 })
  streams.take('fresh', 20)
  const repeated = streams.take('repeated', 20)
  expect(streams.take('copied', 20)).toEqual(repeated)
  expect(expectedOf('copied', 20)).toEqual({ applied: 0, repeated: 20, moved: 0 })
})

test.each([10, 14, 200])('a mixed stream of %d comes to what the books are expected to say', (count) => {
  const streams = createStreams({ startMs: 1_000 })
  const said = new Map(streams.take('fresh', count).map((one) => [one.n, new Set([one.step])]))
  let applied = 0
  let exactCopies = 0
  const sent = new Set(timesOf(streams.take('repeated', count)))
  for (const { n, step, requestTimeMs } of streams.take('mixed', count)) {
    const steps = said.get(n) ?? new Set()
    if (!steps.has(step)) applied += 1
    said.set(n, steps.add(step))
    if (sent.has(requestTimeMs)) exactCopies += 1
  }
  expect(expectedOf('mixed', count)).toEqual({
    applied,
    repeated: count - applied,
    moved: count - exactCopies,
  })
})

test('a record is one that an ingress could have made, and contents differ in what is visible', () => {
  const record = rawRecord({ n: 7, step: 0, requestTimeMs: 1_700_000_000_000 }, at)
  const headers = new Map(
    Object.entries(record.headers ?? {}).map(([name, value]) => [name, Buffer.from(value)]),
  )
  expect(parseRawHeaders(headers)).toMatchObject({ requestTimeMs: 1_700_000_000_000 })
  const other = rawRecord({ n: 7, step: 1, requestTimeMs: 1_700_000_000_000 }, at)
  expect(other).toMatchObject({ key: record.key, partition: record.partition })
  expect(String(other.value)).not.toBe(String(record.value))
  expect(other.value).toHaveLength(468)
})

test('every partition gets one record to wake its worker', () => {
  const fresh = createStreams({ startMs: 1_000 }).take('fresh', 500)
  const partitions = oneForEachPartition(fresh, at.partitions).map((one) => rawRecord(one, at).partition)
  expect(partitions.toSorted((one, other) => one - other)).toEqual([...Array(12).keys()])
})
