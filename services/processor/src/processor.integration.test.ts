import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { merchantKey } from '@signalbox/contracts/keys'
import { encodeRawHeaders, parseRawHeaders } from '@signalbox/contracts/raw-record'
import { registrationChange } from '@signalbox/contracts/registration-change'
import { registrationState } from '@signalbox/contracts/registration-state'
import { topics as contracts, type TopicContract } from '@signalbox/contracts/topics'
import type { KafkaConfig } from '@signalbox/kafka/config'
import type { ConsumedRecord } from '@signalbox/kafka/consumer'
import { readTopic } from '@signalbox/kafka/log-reader'
import { partitionOf } from '@signalbox/kafka/partition'
import { type LogRecord, openProducer } from '@signalbox/kafka/producer'
import { ensureTopics } from '@signalbox/kafka/topics'
import { openRegistrationStore } from '@signalbox/registration-store/registration-store'
import { createLogger } from '@signalbox/runtime/log'
import { createMetrics } from '@signalbox/runtime/metrics'
import { naiveOracle } from '@signalbox/naive-oracle/naive-oracle'
import fc from 'fast-check'
import { expect, inject, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { type RandomNotification, randomLog } from './random-log.fixture.ts'
import { bodyOf } from './raw-log.fixture.ts'
import type { ProcessorTopics } from './output-records.ts'
import { openProcessor } from './processor.ts'

const partitions = 2
const kafka: KafkaConfig = {
  brokers: inject('kafkaBrokers'),
  tls: false,
  partitions,
  replication: 1,
  createTopics: true,
}
const redisUrl = inject('redisUrl')
const quiet = createLogger('test', { level: 'silent' })
const waiting = { timeout: 40_000, interval: 100 }

/** Topics of its own and a producer that plays the ingress. */
async function openScene() {
  const id = randomUUID().slice(0, 8)
  const own = (topic: TopicContract): TopicContract => ({ ...topic, name: `${topic.name}.${id}` })
  const topics: ProcessorTopics = {
    raw: own(contracts.raw),
    changes: own(contracts.changes),
    state: own(contracts.state),
    quarantine: own(contracts.quarantine),
  }
  await ensureTopics(kafka, Object.values(topics), { log: quiet })
  const producer = await openProducer(kafka, { clientId: 'test', log: quiet })
  onTestFinished(() => producer[Symbol.asyncDispose]())
  const send = (notifications: readonly RandomNotification[]) =>
    producer.publish(
      notifications.map((one) => rawLogRecord(topics.raw.name, one)),
      { deadlineMs: 10_000 },
    )

  return { id, topics, send }
}

type Scene = Awaited<ReturnType<typeof openScene>>

function rawLogRecord(topic: string, { clientId, body, signedBeforeMs }: RandomNotification): LogRecord {
  const key = merchantKey({ clientId, referenceMerchantId: 'M' })
  const requestTimeMs = Date.now() - signedBeforeMs
  return {
    topic,
    partition: partitionOf(key, partitions),
    key,
    value: Buffer.from(body),
    headers: encodeRawHeaders({
      kind: 'notification',
      notificationId: randomUUID(),
      requestUri: '/notify',
      clientId,
      requestTime: new Date(requestTimeMs).toISOString(),
      requestTimeMs,
      signature: 'signature',
      keyVersion: '1',
      dialect: 'alipayplus',
      push: false,
      traceparent: null,
    }),
  }
}

const logLine = z.object({ msg: z.string(), because: z.string().optional() })

/** A running processor; closed at the latest when the test ends. */
async function openRun(scene: Scene, { group = 'one', view = 'one' } = {}) {
  const written: string[] = []
  const log = createLogger('processor', {
    level: 'debug',
    destination: { write: (line) => void written.push(line) },
  })
  const keyPrefix = `test-${scene.id}-${view}:`
  const resources = new AsyncDisposableStack()
  onTestFinished(() => resources.disposeAsync())
  const store = resources.use(await openRegistrationStore({ url: redisUrl, keyPrefix, log }))
  const producer = resources.use(await openProducer(kafka, { clientId: 'test-processor', log }))
  const metrics = createMetrics('processor')
  const groupId = `test-${scene.id}-${group}`
  const processor = resources.use(
    await openProcessor({ kafka, topics: scene.topics, groupId, store, producer, log, metrics }),
  )

  const events = (name: string) =>
    written.map((line) => logLine.parse(JSON.parse(line))).filter(({ msg }) => msg === name)

  async function books() {
    const all = await Promise.all(
      Array.from({ length: partitions }, (_, partition) => store.readBooks({ partition })),
    )
    const sums: Record<string, number> = {}
    for (const [outcome, count] of all.flatMap((one) => Object.entries(one?.counts ?? {}))) {
      sums[outcome] = (sums[outcome] ?? 0) + count
    }
    return sums
  }
  return {
    processor,
    store,
    metrics,
    keyPrefix,
    books,
    written,
    attachments: () => events('partition.attached').map(({ because }) => because),
    reattached: () => events('kafka.reattach').length,
    /** Waits until every raw record so far has its outcome. */
    async settled(records: number) {
      await expect.poll(async () => total(await books()), waiting).toBe(records)
    },
    close: () => resources.disposeAsync(),
  }
}

const total = (counts: Record<string, number>) => Object.values(counts).reduce((sum, count) => sum + count, 0)

/** What the log says that the outputs should be. */
async function expected(scene: Scene) {
  const raw = await readTopic(kafka, scene.topics.raw.name)
  const records = raw.map((record) => {
    const headers = parseRawHeaders(record.headers)
    assert(headers !== null)
    return { ...headers, body: String(record.value), appendTimeMs: record.timestampMs }
  })
  const { outcomes, changes, final } = naiveOracle(records)
  return { outcomes, final, changes: Map.groupBy(changes, ({ key }) => key) }
}

const oracleKey = (ref: { clientId: string; referenceMerchantId: string; referenceStoreId: string | null }) =>
  JSON.stringify([ref.clientId, ref.referenceMerchantId, ref.referenceStoreId])

const parsed = (record: ConsumedRecord): unknown => JSON.parse(String(record.value))

/** The changes as a reader takes them: per registration, without what is not newer. */
function changesOf(records: readonly ConsumedRecord[]) {
  const newest = new Map<string, number>()
  const taken = records
    .map((record) => registrationChange.parse(parsed(record)))
    .filter(({ registration, version }) => {
      const key = oracleKey(registration)
      if (version <= (newest.get(key) ?? 0)) return false
      newest.set(key, version)
      return true
    })
    .map(({ registration, version, collectiveStatus, entries }) => ({
      key: oracleKey(registration),
      version,
      collectiveStatus,
      entries: entries.map(({ pspName, productCode, status, rejectionReason }) => ({
        pspName,
        productCode,
        status,
        rejectionReason,
      })),
    }))
  return Map.groupBy(taken, ({ key }) => key)
}

/** Every (registration, version) as often as it was published; all copies have to be the same bytes. */
function copies(records: readonly ConsumedRecord[]) {
  return Map.groupBy(records, ({ headers }) => String(headers.get('ce_id')))
}

function expectSameBytes(records: readonly ConsumedRecord[]) {
  for (const same of copies(records).values()) {
    const texts = same.map(({ key, value, headers, partition }) =>
      JSON.stringify([
        key,
        String(value),
        [...headers].map(([name, text]) => [name, String(text)]),
        partition,
      ]),
    )
    expect(new Set(texts).size).toBe(1)
  }
}

const someLog = (length: number): RandomNotification[] =>
  fc.sample(randomLog({ minLength: length, maxLength: length }), { numRuns: 1 })[0] ?? []

const one = (body: string): RandomNotification => ({ clientId: 'client', body, signedBeforeMs: 0 })

test('what becomes of any log is what an independent, naive implementation says', async () => {
  const scene = await openScene()
  const run = await openRun(scene)
  await scene.send(someLog(300))
  await run.settled(300)
  const truth = await expected(scene)

  const changes = await readTopic(kafka, scene.topics.changes.name)
  expect(changesOf(changes)).toEqual(truth.changes)
  expect(changes).toHaveLength([...truth.changes.values()].flat().length)

  const counted = Object.entries(await run.books()).filter(([, count]) => count > 0)
  const outcomes = Map.groupBy(truth.outcomes, (outcome) => outcome)
  expect(new Map(counted)).toEqual(new Map([...outcomes].map(([outcome, all]) => [outcome, all.length])))

  const states = await readTopic(kafka, scene.topics.state.name)
  for (const [key, shown] of truth.final) {
    const last = states
      .map((record) => registrationState.parse(parsed(record)))
      .findLast(({ registration }) => oracleKey(registration) === key)
    expect(last).toMatchObject(shown)
  }

  const view = new Map<string, unknown>()
  for (const clientId of ['client', 'other']) {
    const merchant = { clientId, referenceMerchantId: 'M' }
    const partition = partitionOf(merchantKey(merchant), partitions)
    const { registrations } = await run.store.read({ partition, merchant, cursor: null, limit: 100 })
    for (const { registration, stored } of registrations) {
      const { version, view: visible } = stored.registration
      const { collectiveStatus, entries } = visible
      view.set(oracleKey(registration), { version, collectiveStatus, entries })
    }
  }
  expect(view).toEqual(truth.final)
})

test('what does not fit lies in quarantine, byte for byte and with its origin', async () => {
  const scene = await openScene()
  const run = await openRun(scene)
  await scene.send([
    one(bodyOf({ store: '' })),
    one('{"referenceMerchantId":7,"a":"canary"}'),
    one(bodyOf({ collective: 'COMPLETED' })),
  ])
  await run.settled(3)
  const original = (await readTopic(kafka, scene.topics.raw.name))[1]
  const [kept, ...others] = await readTopic(kafka, scene.topics.quarantine.name)
  assert(original !== undefined && kept !== undefined)
  expect(others).toEqual([])
  expect(kept).toMatchObject({ key: original.key, value: original.value, partition: original.partition })
  const headers = Object.fromEntries([...kept.headers].map(([name, text]) => [name, String(text)]))
  expect(headers).toEqual({
    ...Object.fromEntries([...original.headers].map(([name, text]) => [name, String(text)])),
    'dlq-original-topic': scene.topics.raw.name,
    'dlq-original-partition': String(original.partition),
    'dlq-original-offset': '1',
    'dlq-original-timestamp': String(original.timestampMs),
    'dlq-error-code': 'wrong_type',
    'dlq-error-message': 'referenceMerchantId',
  })
  expect(await run.metrics.text()).toMatch(/quarantined_total\{reason="wrong_type",service="processor"\} 1/)
  expect(await run.metrics.text()).toMatch(
    /notifications_marked_total\{mark="empty_text",service="processor"\} 1/,
  )
  expect(run.written.join()).toContain('"reason":"wrong_type","where":"referenceMerchantId"')
  expect(run.written.join()).not.toContain('canary')
})

test('after an orderly stop the next processor goes on where the last one was', async () => {
  const scene = await openScene()
  const first = await openRun(scene)
  await scene.send(someLog(50))
  await first.settled(50)
  await first.close()
  await scene.send(someLog(50))
  const second = await openRun(scene)
  await second.settled(100)
  expect(second.attachments()).toEqual(['equal', 'equal'])
  const changes = await readTopic(kafka, scene.topics.changes.name)
  expect(changesOf(changes)).toEqual((await expected(scene)).changes)
  expect(copies(changes).size).toBe(changes.length)
})

test('a group that has forgotten its offsets publishes nothing again, and is set forward', async () => {
  const scene = await openScene()
  const first = await openRun(scene)
  await scene.send(someLog(50))
  await first.settled(50)
  await first.close()

  const second = await openRun(scene, { group: 'another' })
  await scene.send(someLog(20))
  await second.settled(70)
  expect(second.attachments()).toEqual(['ahead', 'ahead'])
  const changes = await readTopic(kafka, scene.topics.changes.name)
  expect(copies(changes).size).toBe(changes.length)
  await second.close()

  const third = await openRun(scene, { group: 'another' })
  await expect.poll(third.attachments, waiting).toEqual(['equal', 'equal'])
})

test('a view that was lost is folded again into the same versions with the same bytes', async () => {
  const scene = await openScene()
  const first = await openRun(scene)
  await scene.send(someLog(120))
  await first.settled(120)
  const booksBefore = await first.books()
  await first.close()

  const second = await openRun(scene, { view: 'empty' })
  await second.settled(120)
  expect(second.attachments()).toEqual(['view_lost', 'view_lost'])
  const changes = await readTopic(kafka, scene.topics.changes.name)
  expectSameBytes(changes)
  expect([...copies(changes).values()].every((same) => same.length === 2)).toBe(true)
  expect(changesOf(changes)).toEqual((await expected(scene)).changes)
  expect(await second.books()).toEqual(booksBefore)
})

test('a view that is lost under a running processor is folded again before anything new is published', async () => {
  const scene = await openScene()
  const run = await openRun(scene)
  await scene.send(someLog(60))
  await run.settled(60)
  await deleteKeys(run.keyPrefix)
  await scene.send(someLog(60))
  await run.settled(120)
  const changes = await readTopic(kafka, scene.topics.changes.name)
  expectSameBytes(changes)
  expect(changesOf(changes)).toEqual((await expected(scene)).changes)
})

test('two processors on the same partitions publish the same and count every record once', async () => {
  const scene = await openScene()
  const [left, right] = await Promise.all([openRun(scene, { group: 'l' }), openRun(scene, { group: 'r' })])
  const attached = () => [left.attachments().length, right.attachments().length]
  await expect.poll(attached, waiting).toEqual([partitions, partitions])

  for (let turn = 0; turn < 10; turn++) await scene.send(someLog(30))
  await left.settled(300)
  // Of the two that take up the first records of a partition, the later one finds the view written.
  await expect.poll(() => left.reattached() + right.reattached(), waiting).toBeGreaterThan(0)
  expect(await right.books()).toEqual(await left.books())
  const changes = await readTopic(kafka, scene.topics.changes.name)
  expectSameBytes(changes)
  expect(changesOf(changes)).toEqual((await expected(scene)).changes)
})

test('a view that was built from another log is not continued: the processor fails and says so', async () => {
  const scene = await openScene()
  const first = await openRun(scene)
  await scene.send([one(bodyOf({}))])
  await first.settled(1)
  await first.close()

  const raw = { ...scene.topics.raw, name: `${scene.topics.raw.name}.anew` }
  const second = await openRun({ ...scene, topics: { ...scene.topics, raw } })
  const failure = await second.processor.failed
  expect(failure.message).toMatch(/was built from .* and this is .*\.anew/)
  expect(second.processor.state()).toMatchObject({ ok: false })
})

/** As if Redis had been flushed, for one prefix: the others' tests share that Redis. */
async function deleteKeys(prefix: string): Promise<void> {
  const script =
    "for _, key in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('DEL', key) end return 'DONE'"
  const command = ['EVAL', script, '0', `${prefix}*`]
  const { hostname, port } = new URL(redisUrl)
  const socket = connect(Number(port), hostname)
  try {
    const answer = new Promise<string>((resolve, reject) => {
      socket.once('data', (bytes) => resolve(String(bytes)))
      socket.once('error', reject)
    })
    socket.write(
      `*${command.length}\r\n${command.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join('')}`,
    )
    expect(await answer).toContain('DONE')
  } finally {
    socket.destroy()
  }
}
