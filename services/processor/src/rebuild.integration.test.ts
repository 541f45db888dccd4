import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { topics } from '@signalbox/contracts/topics'
import { openRegistrationStore } from '@signalbox/registration-store/registration-store'
import { isRebuildMarker } from '@signalbox/registration-store/watermark'
import { expect, inject, onTestFinished, test } from 'vitest'
import { createMemoryLogs, createMemoryStore, producerOver } from './memory-ports.fixture.ts'
import { createPartitionWorker, type PartitionWorkerPorts } from './partition-worker.ts'
import { bodyOf, rawRecord } from './raw-log.fixture.ts'

const partition = 0
const merchant = { clientId: 'client', referenceMerchantId: 'M' }
const stores = Array.from({ length: 12 }, (_, index) => `S${index}`)
const raw = stores.map((store, index) => rawRecord({ offset: BigInt(index), body: bodyOf({ store }) }))
const at = { partition, committed: null, logStart: 0n, logEnd: BigInt(raw.length) }

const nothing = () => undefined

function openWorker(
  of: Pick<PartitionWorkerPorts, 'store' | 'reader'>,
  logs: ReturnType<typeof createMemoryLogs>,
) {
  const report = {
    attached: nothing,
    rebuilding: nothing,
    rebuilt: nothing,
    settled: nothing,
    redelivered: nothing,
    audited: nothing,
    unreadable: nothing,
  }
  const producer = producerOver(async (records) => records.map(logs.append))
  const ports = { ...of, auditReader: of.reader, producer, report, newMarker: randomUUID, nowMs: () => 0 }
  return createPartitionWorker(ports, { clusterId: 'cluster', topics, outputBytes: 10_000_000 })
}

test('a rebuild in the middle of which Redis loses its tail begins anew, and nothing is missing', async () => {
  const logs = createMemoryLogs()
  logs.put(raw)
  const first = openWorker({ ...createMemoryStore(), reader: logs.reader }, logs)
  await first.attach(at)
  await first.process({ partition, records: raw })

  const keyPrefix = `test-${randomUUID()}:`
  const log = { info() {}, warn() {} }
  const store = await openRegistrationStore({ url: inject('redisUrl'), keyPrefix, log })
  onTestFinished(() => store[Symbol.asyncDispose]())
  const held = async () => (await store.read({ partition, merchant, cursor: null, limit: 100 })).registrations
  const marker = async () => {
    const text = await store.readWatermark({ partition })
    assert(text !== null && isRebuildMarker(text))
    return text
  }

  let isLost = false
  /** Between two parts of the state topic Redis goes back to where it was before the first one was restored. */
  const reader: PartitionWorkerPorts['reader'] = {
    ...logs.reader,
    async *read(range) {
      const earlier = range.topic === topics.state.name ? await marker() : null
      for await (const records of logs.reader.read(range)) {
        if (earlier !== null && !isLost && (await held()).length > 0) {
          isLost = true
          const removed = (await held()).map(({ registration }) => registration)
          const tail = { partition, expected: await marker(), next: earlier, removed }
          const lost = await store.save({ ...tail, registrations: [], attention: [], counted: null })
          expect(lost).toEqual({ kind: 'saved' })
        }
        yield records
        if (earlier !== null && !isLost)
          await expect.poll(async () => (await held()).length).toBeGreaterThan(0)
      }
    },
  }
  const next = openWorker({ store, reader }, logs)
  await expect(next.attach(at)).rejects.toThrow(/Redis has lost/)
  expect(isLost).toBe(true)
  expect(await next.attach(at)).toMatchObject({ kind: 'from', because: 'rebuilt' })
  expect((await held()).map(({ registration }) => registration.referenceStoreId)).toEqual(stores.toSorted())
})
