import assert from 'node:assert/strict'
import type { ConsumedRecord, PartitionReader } from '@signalbox/kafka/partition-reader'
import { expect, onTestFinished, test } from 'vitest'
import type { EndpointView } from './endpoint-view.ts'
import { formatSeen } from './endpoints-seen.ts'
import { openEndpointFollower } from './follow-endpoints.ts'

const where = { clusterId: 'cluster', topic: 'endpoints', partition: 0, isWhole: true }
const waiting = { timeout: 5_000, interval: 5 }

/** A topic of one partition and a view of it, in memory. `trouble`: what the topic answers with. */
function openMemory({ everyMs = 60_000 } = {}) {
  const values: string[] = []
  const told: string[] = []
  const memory = { trouble: null as Error | null, looks: 0, watermark: null as string | null, applied: 0 }
  const reader: Pick<PartitionReader, 'read' | 'bounds'> = {
    async bounds() {
      memory.looks += 1
      if (memory.trouble !== null) throw memory.trouble
      return { start: 0n, end: BigInt(values.length) }
    },
    async *read({ topic, partition, from, to }) {
      const records = values.slice(Number(from), Number(to)).map(
        (value, index): ConsumedRecord => ({
          topic,
          partition,
          offset: from + BigInt(index),
          timestampMs: 0,
          key: `client/M1/e${Number(from) + index}`,
          value: Buffer.from(value),
          headers: new Map(),
          bytes: value.length,
        }),
      )
      if (records.length > 0) yield records
    },
  }
  const view: Pick<EndpointView, 'apply' | 'clear' | 'watermark'> = {
    watermark: async () => memory.watermark,
    clear: async () => false,
    async apply({ watermark, next, records }) {
      if (watermark !== memory.watermark) return false
      memory.watermark = next
      memory.applied += records.length
      return true
    },
  }
  const note = (_: object, event: string) => void told.push(event)
  const follower = openEndpointFollower({
    reader,
    view,
    topic: 't',
    partitions: 1,
    clusterId: 'c',
    log: { info: note, warn: note, error: note },
    everyMs,
  })
  onTestFinished(async () => follower[Symbol.asyncDispose]())
  const write = (count: number) => {
    for (let index = 0; index < count; index += 1) {
      const endpointId = `e${values.length}`
      values.push(JSON.stringify({ endpointId, clientId: 'client', merchant: 'M1', revision: 1 }))
    }
  }
  return { follower, memory, told, write }
}

test('trouble with Kafka or Redis is told once, makes the process unready, and passes by itself', async () => {
  const { follower, memory, told } = openMemory({ everyMs: 5 })
  await expect.poll(() => follower.state().ok, waiting).toBe(true)
  memory.trouble = new Error('no answer')
  await expect(follower.caughtUp(0)).rejects.toThrow('no answer')
  await expect
    .poll(() => follower.state(), waiting)
    .toEqual({
      ok: false,
      detail: 'the endpoints are not read: no answer',
    })
  const looks = memory.looks
  await expect.poll(() => memory.looks, waiting).toBeGreaterThan(looks + 3)
  memory.trouble = null
  await expect.poll(() => follower.state().ok, waiting).toBe(true)
  expect(told.filter((event) => event === 'endpoints.not_followed')).toHaveLength(1)
})

test('a mistake of ours ends it, and whoever runs it hears of that', async () => {
  const { follower, memory } = openMemory({ everyMs: 5 })
  memory.trouble = new assert.AssertionError({ message: 'impossible' })
  expect((await follower.failed).message).toBe('impossible')
})

test('whoever asks has what was written before, and those who ask at once share a look', async () => {
  const { follower, memory, write } = openMemory()
  await follower.caughtUpAll()
  const before = memory.looks
  const first = follower.caughtUp(0)
  write(3)
  const others = Array.from({ length: 10 }, () => follower.caughtUp(0))
  await Promise.all([first, ...others])
  expect(memory.applied).toBe(3)
  expect(memory.looks - before).toBe(2)
})

test('records of any number come in their order, and a closed follower looks no more', async () => {
  const { follower, memory, write } = openMemory({ everyMs: 1 })
  write(250)
  await follower.caughtUp(0)
  expect(memory.applied).toBe(250)
  expect(memory.watermark).toContain('"next":"250","isWhole":true')
  await follower[Symbol.asyncDispose]()
  const looks = memory.looks
  write(1)
  await new Promise((resolve) => setImmediate(resolve))
  expect(memory.looks).toBe(looks)
})

test('a process that reads on meanwhile makes the log no shorter than what was read', async () => {
  let next = 1n
  const follower = openEndpointFollower({
    reader: {
      async *read() {},
      /** Tells the end, and then another process writes on and reads it. */
      async bounds() {
        const end = next
        next += 3n
        return { start: 0n, end }
      },
    },
    view: {
      watermark: async () => formatSeen({ ...where, next }),
      apply: async () => true,
      clear: () => Promise.reject(new Error('nothing is to be cleared')),
    },
    topic: where.topic,
    partitions: 1,
    clusterId: where.clusterId,
    log: { info() {}, warn() {}, error() {} },
  })
  onTestFinished(() => follower[Symbol.asyncDispose]())
  await expect(follower.caughtUp(0)).resolves.toBeUndefined()
})
