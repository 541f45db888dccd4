import { merchantKey } from '@signalbox/contracts/keys'
import { readRecord } from '@signalbox/contracts/read-record'
import { partitionOf } from '@signalbox/kafka/partition'
import { createInMemoryLog } from '@signalbox/quarantine/in-memory-log'
import type { RegistrationStore } from '@signalbox/registration-store/registration-store'
import { expect, test } from 'vitest'
import { createAppendCommands } from './append-command.ts'
import { createHousekeeping, keepHouseDaily } from './housekeeping.ts'

const dayMs = 24 * 3_600_000
const nowMs = Date.UTC(2026, 5, 1)
const silent = { info() {}, warn() {} }
const partitions = 2

function createScene(erased: readonly { store: string | null; daysAgo: number }[]) {
  const memory = createInMemoryLog()
  const entries = erased.map(({ store, daysAgo }) => ({
    registration: { clientId: 'C1', referenceMerchantId: 'M1', referenceStoreId: store },
    sinceMs: nowMs - daysAgo * dayMs,
  }))
  const store: Pick<RegistrationStore, 'listAttention'> = {
    async listAttention({ partition, kind, untilMs, limit, after }) {
      expect(kind).toBe('erased')
      const start = after === null ? 0 : Number(after.key)
      const due = partition === 1 ? entries.filter(({ sinceMs }) => sinceMs <= untilMs) : []
      const next = start + limit < due.length ? { sinceMs: 0, key: String(start + limit) } : null
      return { entries: due.slice(start, start + limit), next }
    },
  }
  const appendCommands = createAppendCommands({
    producer: memory.producer,
    topic: 'registration.raw.v1',
    partitions,
    createId: () => 'id',
    now: () => nowMs,
  })
  const keepHouse = createHousekeeping({ store, partitions, appendCommands, now: () => nowMs, log: silent })
  return { keepHouse, appended: () => memory.recordsOf('registration.raw.v1') }
}

test('what was erased 31 days ago is forgotten, by a record that the processor understands', async () => {
  const { keepHouse, appended } = createScene([{ store: 'S1', daysAgo: 31 }])
  expect(await keepHouse()).toBe(1)
  const [record] = appended()
  if (record === undefined) throw new Error('nothing was appended')
  const key = merchantKey({ clientId: 'C1', referenceMerchantId: 'M1' })
  expect(record.partition).toBe(partitionOf(key, partitions))
  expect(record.headers.get('issued-by')?.toString()).toBe('housekeeping')
  expect(readRecord(record)).toMatchObject({
    kind: 'statement',
    statement: {
      kind: 'forgetting',
      registration: { clientId: 'C1', referenceMerchantId: 'M1', referenceStoreId: 'S1' },
    },
  })
})

test('what was erased later stays', async () => {
  const { keepHouse, appended } = createScene([{ store: null, daysAgo: 30.9 }])
  expect(await keepHouse()).toBe(0)
  expect(appended()).toEqual([])
})

test('however many there are, each is forgotten', async () => {
  const many = Array.from({ length: 450 }, (_, number) => ({ store: `S${number}`, daysAgo: 40 }))
  const { keepHouse, appended } = createScene(many)
  expect(await keepHouse()).toBe(450)
  expect(new Set(appended().map(({ value }) => String(value))).size).toBe(450)
})

test('the round comes again, also after one that failed, and ends when told', async () => {
  const stop = new AbortController()
  const warned: unknown[] = []
  let rounds = 0
  const keepHouse = async () => {
    if (++rounds === 3) stop.abort()
    if (rounds === 1) throw new Error('Kafka is away')
  }
  const log = { warn: (fields: unknown) => warned.push(fields) }
  await keepHouseDaily(keepHouse, { stop: stop.signal, log, everyMs: 1 })
  expect([rounds, warned.length]).toEqual([3, 1])
})
