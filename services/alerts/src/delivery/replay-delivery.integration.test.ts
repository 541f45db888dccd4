import { createReplayBodies } from '@signalbox/alert-endpoints/replay-bodies'
import { openReplayQueue } from '@signalbox/alert-endpoints/replay-queue'
import { merchantKey, registrationKey } from '@signalbox/contracts/keys'
import { partitionOf } from '@signalbox/kafka/partition'
import { expect, test } from 'vitest'
import { idOf, openScene, use, waiting } from '../alerts-scene.fixture.ts'
import { changeOf } from '../fan-out/change.fixture.ts'

type Scene = Awaited<ReturnType<typeof openScene>>

const change = changeOf()

/** Asks for one alert once more, as the replay does it. */
async function replay(
  { link, keyPrefix }: Scene,
  { text, owedSinceMs = Date.now() }: { text: string; owedSinceMs?: number },
) {
  const store = { redis: link.redis, keyPrefix }
  const of = {
    subject: registrationKey(change.registration),
    version: change.version,
    variant: '',
    partition: partitionOf(merchantKey(change.registration), 2),
  }
  await createReplayBodies(store).keep('again', [{ ...of, body: text }])
  const queue = use(openReplayQueue({ ...store, onTrouble() {} }))
  const data = { ...of, endpointId: 'endpoint-0', owedSinceMs, replayId: 'again' }
  await queue.add([{ jobId: 'r-again', delayMs: 0, data }])
}

async function deliveredOnce(answer?: Parameters<Scene['addSink']>[0]) {
  const scene = await openScene()
  const sink = await scene.addSink(answer)
  scene.openDelivery()
  await scene.openFanOut()
  await scene.publish(change)
  await expect.poll(() => scene.receipts(), waiting).toHaveLength(1)
  await expect.poll(() => scene.owed(), waiting).toBe(0)
  return { scene, sink, text: sink.received[0]?.text ?? '' }
}

test('a settled alert that is replayed has the same id and bytes, is marked, and leaves nothing but its attempts', async () => {
  const { scene, sink, text } = await deliveredOnce((response, n) =>
    response.writeHead(n === 2 ? 503 : 204).end(),
  )
  await replay(scene, { text })
  await expect.poll(() => scene.queue.stateOf('r-again'), waiting).toBe('completed')
  expect(sink.received.map(({ id }) => id)).toEqual([1, 2, 3].map(() => idOf(change)))
  expect(new Set(sink.received.map((received) => received.text)).size).toBe(1)
  expect(sink.received.map(({ isReplay }) => isReplay)).toEqual([false, true, true])
  const { attempts } = await scene.attempts.list('endpoint-0', { limit: 10 })
  expect(attempts).toMatchObject([
    { attempt: 2, status: 204, isReplay: true },
    { attempt: 1, status: 503, isReplay: true },
    { attempt: 1, status: 204, isReplay: false },
  ])
  expect(await scene.receipts()).toHaveLength(1)
  expect(await scene.owed()).toBe(0)
})

test.each([
  ['whose time is over', 0, null],
  ['for an endpoint that is disabled', Date.now(), { kind: 'disable', reason: 'by_operator' }],
] as const)('a replay %s sends nothing', async (_, owedSinceMs, wanted) => {
  const { scene, sink, text } = await deliveredOnce()
  if (wanted !== null) await scene.change(wanted)
  await replay(scene, { text, owedSinceMs })
  await expect.poll(() => scene.queue.stateOf('r-again'), waiting).toBe('completed')
  expect(sink.received).toHaveLength(1)
})
