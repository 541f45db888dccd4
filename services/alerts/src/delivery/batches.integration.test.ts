import { expect, test } from 'vitest'
import { idOf, openScene, waiting } from '../alerts-scene.fixture.ts'
import { changeOf } from '../fan-out/change.fixture.ts'
import { openDyingWorker } from './dying-worker.fixture.ts'

type Scene = Awaited<ReturnType<typeof openScene>>

const noSweep = { sweep: { everyMs: 60_000, olderThanMs: 60_000 } }
const clientId = 'client'
const referenceMerchantId = 'merchant'

/** Changes of one merchant's stores, which go through one partition. */
const stores = (count: number) =>
  Array.from({ length: count }, (_, index) =>
    changeOf({ registration: { clientId, referenceMerchantId, referenceStoreId: `store-${index}` } }),
  )

/** Publishes them together, and gives the job that their alerts share. */
async function inOneBatch(scene: Scene, changes: ReturnType<typeof stores>): Promise<string> {
  await scene.openFanOut()
  await scene.publish(...changes)
  await scene.untilFannedOut(changes.length)
  const owed = await Promise.all(
    [0, 1].map((partition) => scene.book.owed({ partition, from: 0, limit: changes.length })),
  )
  const batches = await Promise.all(owed.map((alerts, partition) => scene.book.batchesOf(partition, alerts)))
  const [batchId, ...others] = new Set(batches.flat())
  expect([batchId, others]).toEqual([expect.stringMatching(/^b-/), []])
  return batchId ?? ''
}

test('a batch whose worker died goes to another one; the receipts are looked at, and each alert is sent once', async () => {
  const scene = await openScene()
  const sink = await scene.addSink()
  const batchId = await inOneBatch(scene, stores(6))
  await openDyingWorker(scene, batchId)

  const locks = { durationMs: 30_000, stalledEveryMs: 300, mostStalls: 20 }
  scene.openDelivery({ settings: { ...noSweep, locks } })
  await expect.poll(() => scene.owed(), waiting).toBe(0)
  expect(new Set(sink.received.map(({ id }) => id)).size).toBe(6)
  expect(sink.received).toHaveLength(6)
  expect(scene.waitedFor).toHaveLength(6)
})

test('what fails of a batch comes again alone, and the others wait for nothing', async () => {
  const scene = await openScene()
  const changes = stores(9)
  const sink = await scene.addSink((response, n) => response.writeHead(n === 1 ? 500 : 204).end())
  const batchId = await inOneBatch(scene, changes)

  scene.openDelivery({ settings: { ...noSweep, backoffMs: [1_500] } })
  await expect.poll(() => scene.queue.stateOf(batchId), waiting).toBe('completed')
  expect(sink.received).toHaveLength(9)
  await expect.poll(() => scene.owed(), waiting).toBe(0)
  const ids = sink.received.map(({ id }) => id)
  expect([ids.length, new Set(ids).size, ids.at(-1)]).toEqual([10, 9, ids[0]])
  const attempts = (await scene.receipts()).map((receipt) => receipt.attempts)
  expect([attempts.length, attempts.filter((count) => count > 1)]).toEqual([9, [2]])
})

test('a batch that is let through bit by bit stays together', async () => {
  const scene = await openScene()
  const limits = { ratePerSecond: 5, concurrency: 4 }
  const sink = await scene.addSink(undefined, { limits })
  const changes = stores(12)
  await inOneBatch(scene, changes)

  scene.openDelivery({ settings: noSweep })
  await expect.poll(() => scene.owed(), waiting).toBe(0)
  expect(sink.received).toHaveLength(12)
  const own = await Promise.all(changes.map((change) => scene.queue.stateOf(idOf(change))))
  expect(new Set(own)).toEqual(new Set(['absent']))
})
