import { randomUUID } from 'node:crypto'
import { encodeChange } from '@signalbox/contracts/registration-change'
import { registrationKey } from '@signalbox/contracts/keys'
import { topics } from '@signalbox/contracts/topics'
import type { KafkaConfig } from '@signalbox/kafka/config'
import { openPartitionReader } from '@signalbox/kafka/partition-reader'
import { openProducer } from '@signalbox/kafka/producer'
import { clusterId, ensureTopics } from '@signalbox/kafka/topics'
import { openRedisLink } from '@signalbox/redis-link/redis-link'
import { createLogger } from '@signalbox/runtime/log'
import { expect, onTestFinished, test } from 'vitest'
import { createAlertBook } from '../adapters/alert-book.ts'
import { createAlertsOfChanges } from '../fan-out/alerts-of-changes.ts'
import { changeOf } from '../fan-out/change.fixture.ts'
import { endpointOf } from '../fan-out/endpoint.fixture.ts'
import { openFanOut } from '../fan-out/open-fan-out.ts'
import { kafkaBrokers, redisUrl } from '../infra.fixture.ts'
import { loseKeys } from '../lose-keys.fixture.ts'
import { type OwedAlert, owedAlert } from '../owed-alert.ts'
import { openReceipts } from './open-receipts.ts'

const partitions = 2
const kafka: KafkaConfig = {
  brokers: kafkaBrokers,
  tls: false,
  partitions,
  replication: 1,
  createTopics: true,
}
const log = createLogger('alerts-test', { level: 'silent' })
const waiting = { timeout: 30_000, interval: 50 }

function use<T extends AsyncDisposable>(opened: T): T {
  onTestFinished(async () => opened[Symbol.asyncDispose]())
  return opened
}

async function openScene() {
  const id = randomUUID().slice(0, 8)
  const names = { changes: `${topics.changes.name}.${id}`, receipts: `${topics.receipts.name}.${id}` }
  await ensureTopics(
    kafka,
    [
      { ...topics.changes, name: names.changes },
      { ...topics.receipts, name: names.receipts },
    ],
    { log },
  )
  const producer = use(await openProducer(kafka, { clientId: 'alerts-test', log }))
  const reader = use(await openPartitionReader(kafka, { clientId: 'alerts-test', log }))
  const link = use(await openRedisLink({ url: redisUrl, variable: 'QUEUE_REDIS_URL', log }))
  const keyPrefix = `test-${id}:`
  const book = createAlertBook({ redis: link.redis, keyPrefix })
  const shared = { kafka, clusterId: await clusterId(kafka, { log }), reader, book, log }
  const added: OwedAlert[] = []
  return {
    book,
    added,
    openReceipts: async () =>
      use(
        await openReceipts({
          ...shared,
          topic: names.receipts,
          groupId: `receipts-${id}`,
          redis: link.redis,
        }),
      ),
    openFanOut: async (receipts: Awaited<ReturnType<typeof openReceipts>>) =>
      use(
        await openFanOut({
          ...shared,
          topic: names.changes,
          groupId: `fan-out-${id}`,
          queue: {
            add: async () => undefined,
            stateOf: async () => 'absent' as const,
            async addFirst(owed) {
              added.push(...owed.map(({ alert }) => alert))
            },
          },
          alertsOf: createAlertsOfChanges({
            endpoints: {
              ofMerchants: async () => new Map([['client/merchant', [endpointOf()]]]),
            },
            report: { looked() {}, unreadable() {} },
          }),
          endpoints: { caughtUpAll: async () => undefined },
          receiptsSeen: receipts.seen,
          skipped() {},
          countWaiting: async () => 0,
          now: Date.now,
        }),
      ),
    publishChanges: (versions: readonly number[]) =>
      producer.publish(
        versions.map((version) => {
          const change = changeOf({ version })
          const { key, value, headers } = encodeChange(change, { timeMs: Date.now(), traceparent: null })
          return { topic: names.changes, partition: 1, key, value, headers }
        }),
        { deadlineMs: 10_000 },
      ),
    publishReceipts: (alerts: readonly OwedAlert[]) =>
      producer.publish(
        alerts.map(({ id: key, partition }) => ({ topic: names.receipts, partition, key, value: '{}' })),
        { deadlineMs: 10_000 },
      ),
    loseConnection: () => link.redis.disconnect(true),
    loseEverything: () => loseKeys(link.redis, `${keyPrefix}*`),
    isSettled: async (alerts: readonly OwedAlert[]) => {
      const settled = await book.settledAmong(
        1,
        alerts.map(({ id: alertId }) => alertId),
      )
      return settled.size
    },
  }
}

const alertOf = (version: number) =>
  owedAlert({
    subject: registrationKey(changeOf().registration),
    version,
    endpointId: 'one',
    variant: '',
    partition: 1,
    owedSinceMs: 0,
  })

const alertsOf = (...versions: number[]) => versions.map(alertOf)

test('receipts become markers, and the markers come back when Redis has lost all that it held', async () => {
  const scene = await openScene()
  await scene.publishReceipts(alertsOf(1, 2, 3))
  const receipts = await scene.openReceipts()
  await receipts.seen.upTo(1)
  expect(await scene.isSettled(alertsOf(1, 2, 3, 4))).toBe(3)

  await scene.loseEverything()
  expect(await scene.isSettled(alertsOf(1, 2, 3))).toBe(0)
  await scene.publishReceipts(alertsOf(4))
  await receipts.seen.upTo(1)
  expect(await scene.isSettled(alertsOf(1, 2, 3, 4))).toBe(4)
})

test('a Redis that is flushed under a running process is noticed without a new receipt', async () => {
  const scene = await openScene()
  await scene.publishReceipts(alertsOf(1, 2))
  const receipts = await scene.openReceipts()
  await receipts.seen.upTo(1)
  await scene.loseEverything()
  await receipts.seen.upTo(1)
  expect(await scene.isSettled(alertsOf(1, 2))).toBe(2)
})

test('after a flush the fan-out owes again what has no receipt, and nothing that has one', async () => {
  const scene = await openScene()
  const receipts = await scene.openReceipts()
  await scene.openFanOut(receipts)
  await scene.publishChanges([1, 2, 3, 4])
  await expect
    .poll(() => scene.added.map(({ id }) => id), waiting)
    .toEqual(alertsOf(1, 2, 3, 4).map(({ id }) => id))
  await scene.publishReceipts(alertsOf(1, 3))
  await receipts.seen.upTo(1)

  await scene.loseEverything()
  await expect.poll(() => scene.added.slice(4).map(({ version }) => version), waiting).toEqual([2, 4])
  await expect.poll(() => scene.book.owedCount(1), waiting).toBe(2)
  await scene.publishChanges([5])
  await expect.poll(() => scene.added.slice(4).map(({ version }) => version), waiting).toEqual([2, 4, 5])
})

test('receipts are doubted from the moment that the connection to Redis is lost', async () => {
  const scene = await openScene()
  const receipts = await scene.openReceipts()
  await receipts.seen.upTo(1)
  expect(receipts.seen.isDoubtful(1)).toBe(false)
  scene.loseConnection()
  await expect.poll(() => receipts.seen.isDoubtful(1), waiting).toBe(true)
  await expect.poll(async () => receipts.seen.upTo(1).then(() => 'seen', String), waiting).toBe('seen')
  expect(receipts.seen.isDoubtful(1)).toBe(false)
})
