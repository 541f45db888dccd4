import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { merchantKey } from '@signalbox/contracts/keys'
import { readRecord } from '@signalbox/contracts/read-record'
import { registrationChange } from '@signalbox/contracts/registration-change'
import { registrationState } from '@signalbox/contracts/registration-state'
import { topics as contracts, type TopicContract } from '@signalbox/contracts/topics'
import type { KafkaConfig } from '@signalbox/kafka/config'
import type { ConsumedRecord } from '@signalbox/kafka/consumer'
import { openEmbeddedRedis } from '@signalbox/embedded/redis'
import { readTopic } from '@signalbox/kafka/log-reader'
import { partitionOf } from '@signalbox/kafka/partition'
import { type LogRecord, openProducer } from '@signalbox/kafka/producer'
import { ensureTopics } from '@signalbox/kafka/topics'

import {
  attentionKinds,
  openRegistrationStore,
  type RegistrationStore,
} from '@signalbox/registration-store/registration-store'
import { formatWatermark, parseWatermark, rebuildMarker } from '@signalbox/registration-store/watermark'
import { createLogger } from '@signalbox/runtime/log'
import { createMetrics } from '@signalbox/runtime/metrics'
import { naiveOracle } from '@signalbox/naive-oracle/naive-oracle'
import fc from 'fast-check'
import { afterAll, expect, inject, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { foldChunk } from './fold-chunk.ts'
import { type RandomRecord, randomLog } from './random-log.fixture.ts'
import { asOfLaterBuild, bodyOf, commandRecord, headersOf, oracleRecord } from './raw-log.fixture.ts'
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
// Tests fill it and make it a replica, which others must not notice.
const ownRedis = await openEmbeddedRedis()
afterAll(() => ownRedis[Symbol.asyncDispose]())
const redisUrl = ownRedis.url
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
  /** Of each partition the offset of the last record sent. */
  const last = new Map<number, bigint>()
  async function send(sent: readonly RandomRecord[]): Promise<void> {
    const records = sent.map((one) => rawLogRecord(topics.raw.name, one))
    const offsets = await producer.publish(records, { deadlineMs: 10_000 })
    for (const [index, { partition }] of records.entries()) last.set(partition, offsets[index] ?? -1n)
  }

  return { id, topics, producer, send, last }
}

type Scene = Awaited<ReturnType<typeof openScene>>

function rawLogRecord(topic: string, record: RandomRecord): LogRecord {
  const key = merchantKey({ clientId: record.clientId, referenceMerchantId: 'M' })
  return {
    topic,
    partition: partitionOf(key, partitions),
    key,
    value: Buffer.from(record.body),
    headers: headersOf(record, { appendTimeMs: Date.now(), notificationId: randomUUID() }),
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

  const events = (...names: string[]) =>
    written.map((line) => logLine.parse(JSON.parse(line))).filter(({ msg }) => names.includes(msg))

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
    attachments: () => events('partition.attached', 'partition.rebuild').map(({ because }) => because),
    logged: (name: string) => events(name).length,
    reattached: () => events('kafka.reattach').length,
    /** Waits until the view contains every record sent so far. */
    async settled() {
      const offsets = async () => {
        const through = new Map<number, bigint | undefined>()
        for (const partition of scene.last.keys()) {
          const text = await store.readWatermark({ partition })
          through.set(partition, parseWatermark(text ?? '')?.offset)
        }
        return through
      }
      await expect.poll(offsets, waiting).toEqual(scene.last)
    },
    close: () => resources.disposeAsync(),
  }
}

const total = (counts: Record<string, number>) => Object.values(counts).reduce((sum, count) => sum + count, 0)

/** What the log says that the outputs should be. */
async function expected(scene: Scene) {
  const raw = await readTopic(kafka, scene.topics.raw.name)
  const { outcomes, changes, final } = naiveOracle(raw.map(oracleRecord))
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
    .map(({ registration, version, collectiveStatus, entries, flags, erasedAt }) => ({
      key: oracleKey(registration),
      version,
      collectiveStatus,
      entries: entries.map(({ pspName, productCode, status, rejectionReason }) => ({
        pspName,
        productCode,
        status,
        rejectionReason,
      })),
      flags,
      erasedAtMs: erasedAt === undefined ? null : Date.parse(erasedAt),
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

const someLog = (length: number): RandomRecord[] =>
  fc.sample(randomLog({ minLength: length, maxLength: length }), { numRuns: 1 })[0] ?? []

const oneOf = (clientId: string): RandomRecord => ({
  kind: 'notification',
  clientId,
  body: bodyOf({}),
  signedBeforeMs: 0,
  afterMs: 0,
})

type Run = Awaited<ReturnType<typeof openRun>>

const one = (body: string): RandomRecord & { kind: 'notification' } => ({
  kind: 'notification',
  clientId: 'client',
  body,
  signedBeforeMs: 0,
  afterMs: 0,
})

test('what becomes of any log is what an independent, naive implementation says', async () => {
  const scene = await openScene()
  const run = await openRun(scene)
  await scene.send(someLog(300))
  await run.settled()
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
    const { erasedAtMs, ...visible } = shown
    expect(last).toMatchObject(visible)
    expect(last?.erasedAt).toBe(erasedAtMs === null ? undefined : new Date(erasedAtMs).toISOString())
  }

  const view = new Map<string, unknown>()
  for (const clientId of ['client', 'other']) {
    const merchant = { clientId, referenceMerchantId: 'M' }
    const partition = partitionOf(merchantKey(merchant), partitions)
    const { registrations } = await run.store.read({ partition, merchant, cursor: null, limit: 100 })
    for (const { registration, stored } of registrations) {
      view.set(oracleKey(registration), { version: stored.registration.version, ...stored.registration.view })
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
  await run.settled()
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
  await first.settled()
  await first.close()
  await scene.send(someLog(50))
  const second = await openRun(scene)
  await second.settled()
  expect(second.attachments()).toEqual(['equal', 'equal'])
  const changes = await readTopic(kafka, scene.topics.changes.name)
  expect(changesOf(changes)).toEqual((await expected(scene)).changes)
  expect(copies(changes).size).toBe(changes.length)
})

test('a group that has forgotten its offsets publishes nothing again, and is set forward', async () => {
  const scene = await openScene()
  const first = await openRun(scene)
  await scene.send(someLog(50))
  await first.settled()
  await first.close()

  const second = await openRun(scene, { group: 'another' })
  await scene.send(someLog(20))
  await second.settled()
  expect(second.attachments()).toEqual(['ahead', 'ahead'])
  const changes = await readTopic(kafka, scene.topics.changes.name)
  expect(copies(changes).size).toBe(changes.length)
  await second.close()

  const third = await openRun(scene, { group: 'another' })
  await expect.poll(third.attachments, waiting).toEqual(['equal', 'equal'])
})

/** Everything that a view holds of both merchants, but for the hashes of contents; in no order. */
async function contentOf({ store }: Run) {
  const found = await Promise.all(
    ['client', 'other'].map(async (clientId) => {
      const merchant = { clientId, referenceMerchantId: 'M' }
      const partition = partitionOf(merchantKey(merchant), partitions)
      return store.read({ partition, merchant, cursor: null, limit: 100 })
    }),
  )
  const lists = await Promise.all(
    attentionKinds.flatMap((kind) =>
      [0, 1].map(async (partition) => {
        const all = { partition, kind, untilMs: Number.MAX_SAFE_INTEGER, limit: 100, after: null }
        return { kind, ...(await store.listAttention(all)) }
      }),
    ),
  )
  return {
    registrations: found.map(({ registrations, complete }) => ({
      complete,
      registrations: registrations.map(({ registration, stored }) => ({
        registration,
        stored: { ...stored, registration: { ...stored.registration, contents: [] } },
      })),
    })),
    lists,
  }
}

test('a view that was lost is made anew: the same content, the same versions, and no change is made again', async () => {
  const scene = await openScene()
  const first = await openRun(scene)
  await scene.send(someLog(120))
  await first.settled()
  const before = await contentOf(first)
  const changes = await readTopic(kafka, scene.topics.changes.name)
  const states = await readTopic(kafka, scene.topics.state.name)
  await first.close()

  const second = await openRun(scene, { view: 'empty' })
  await second.settled()
  expect(second.attachments()).toEqual(['view_lost', 'view_lost'])
  expect(await contentOf(second)).toEqual(before)
  // What was appended in the last 48 h, here everything, is folded again, and moves nothing.
  expect(total(await second.books())).toBe(120)
  expect(await readTopic(kafka, scene.topics.changes.name)).toEqual(changes)
  expect(await readTopic(kafka, scene.topics.state.name)).toEqual(states)

  await scene.send(someLog(60))
  await second.settled()
  const after = await readTopic(kafka, scene.topics.changes.name)
  expect(changesOf(after)).toEqual((await expected(scene)).changes)
})

test('a rebuild that was left half done is begun anew', async () => {
  const scene = await openScene()
  const first = await openRun(scene)
  await scene.send(someLog(80))
  await first.settled()
  const before = await contentOf(first)
  const stray = { clientId: 'client', referenceMerchantId: 'M', referenceStoreId: 'stray' }
  await first.close()

  const store = await openStore(first.keyPrefix)
  const partition = partitionOf(merchantKey(stray), partitions)
  const marker = rebuildMarker('left')
  await store.beginRebuild({ partition, expected: await store.readWatermark({ partition }), marker })
  const [one] = before.registrations.flatMap(({ registrations }) => registrations)
  assert(one !== undefined)
  const planted = { registrations: [{ ...one, registration: stray }], removed: [], attention: [] }
  await store.restore({ partition, marker, ...planted })

  const second = await openRun(scene)
  await second.settled()
  expect(new Set(second.attachments())).toEqual(new Set(['equal', 'interrupted']))
  expect(await contentOf(second)).toEqual(before)
})

test('a log that was cut off, or made anew, is noticed: alarm, and the view is made anew', async () => {
  const scene = await openScene()
  const first = await openRun(scene)
  await scene.send([...someLog(60), oneOf('client'), oneOf('other')])
  await first.settled()
  const before = await contentOf(first)
  await first.close()

  const store = await openStore(first.keyPrefix)
  for (const [partition, wrong] of [{ offset: 10_000n }, { notificationId: 'another' }].entries()) {
    const text = await store.readWatermark({ partition })
    const watermark = parseWatermark(text ?? '')
    assert(watermark !== null)
    const next = formatWatermark({ ...watermark, ...wrong })
    expect(await store.setWatermark({ partition, expected: text, next })).toEqual({ kind: 'saved' })
  }

  const second = await openRun(scene)
  await second.settled()
  expect(second.attachments()).toEqual(['log_replaced', 'log_replaced'])
  expect(await contentOf(second)).toEqual(before)
  expect(await second.metrics.text()).toMatch(/partition_alarms_total\{kind="log_replaced".*\} 2/)
})

test('an older state record that a zombie puts behind a newer one is answered with the newer one', async () => {
  const scene = await openScene()
  const run = await openRun(scene)
  const said = [bodyOf({ round: 'R' }), bodyOf({ round: 'R', collective: 'COMPLETED' })]
  await scene.send(said.map(one))
  await run.settled()
  const [older, newer] = await readTopic(kafka, scene.topics.state.name)
  assert(older !== undefined && newer !== undefined)
  await scene.producer.publish([asWritten(older)], { deadlineMs: 10_000 })
  const values = async () =>
    (await readTopic(kafka, scene.topics.state.name)).map(({ value }) => String(value))
  await expect.poll(values, waiting).toEqual([older, newer, older, newer].map(({ value }) => String(value)))
  expect(run.logged('state.republished')).toBe(1)
})

const commandBody = (command: string, referenceStoreId?: string) =>
  JSON.stringify({ command, referenceMerchantId: 'M', referenceStoreId })

test('an erased registration keeps nothing but that, and a forgotten one not even that', async () => {
  const scene = await openScene()
  const erasedMs = Date.now() - 40 * 24 * 3_600_000
  const erasure = commandRecord({
    offset: 0n,
    appendTimeMs: erasedMs,
    command: { command: 'registration.erased', referenceStoreId: 'old' },
  })
  const partition = partitionOf(erasure.key ?? '', partitions)
  const settings = { clusterId: 'c', topics: scene.topics, outputBytes: 1_000_000 }
  const long = foldChunk([readRecord({ ...erasure, partition })], {
    loaded: new Map(),
    countedThrough: null,
    settings,
  })
  // As if it had been erased 40 days ago.
  await scene.producer.publish(long.states, { deadlineMs: 10_000 })

  const run = await openRun(scene)
  await scene.send([
    one(bodyOf({ entries: [{ status: 'REJECTED', reason: 'canary' }] })),
    { ...one(commandBody('registration.erased')), kind: 'command' },
    { ...one(commandBody('registration.forgotten')), kind: 'command' },
    { ...one(commandBody('registration.forgotten', 'old')), kind: 'command' },
  ])
  await run.settled()

  const merchant = { clientId: 'client', referenceMerchantId: 'M' }
  const { registrations } = await run.store.read({ partition, merchant, cursor: null, limit: 10 })
  expect(registrations).toMatchObject([
    {
      registration: { referenceStoreId: null },
      stored: { registration: { version: 2, view: { entries: [] } } },
    },
  ])
  const all = { partition, kind: 'erased', untilMs: Date.now() + 1, limit: 9, after: null } as const
  expect((await run.store.listAttention(all)).entries).toMatchObject([
    { registration: { referenceStoreId: null } },
  ])
  const states = await readTopic(kafka, scene.topics.state.name)
  expect(states.at(-1)).toMatchObject({ key: 'client/M/old', value: null })
  expect(String(states.at(-2)?.value)).not.toContain('canary')
  expect(String(states.at(-2)?.headers.get('kept'))).not.toContain('canary')
  expect(await run.books()).toMatchObject({ applied: 3, stale: 1 })
})

test.each([
  ['is full', ['CONFIG', 'SET', 'maxmemory', '1'], ['CONFIG', 'SET', 'maxmemory', '0']],
  ['is a read-only replica', ['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE']],
])(
  'while Redis %s partitions wait, nothing is set aside, and all goes on by itself',
  async (_, hurt, mend) => {
    const scene = await openScene()
    const run = await openRun(scene)
    await scene.send(someLog(20))
    await run.settled()
    try {
      await redisCommand(hurt)
      await scene.send([oneOf('client'), oneOf('other')])
      await expect.poll(() => run.processor.state(), waiting).toMatchObject({ ok: false })
    } finally {
      await redisCommand(mend)
    }
    await redisCommand(['SCRIPT', 'FLUSH'])
    await run.settled()
    await expect.poll(() => run.processor.state(), waiting).toMatchObject({ ok: true })
    const changes = await readTopic(kafka, scene.topics.changes.name)
    expect(changesOf(changes)).toEqual((await expected(scene)).changes)
  },
)

test('a registration that is damaged in Redis is made anew, and when that does not help only its partition is held', async () => {
  const scene = await openScene()
  const first = await openRun(scene)
  await scene.send([one(bodyOf({})), oneOf('other')])
  await first.settled()
  await first.close()
  const run = await openRun(scene)
  const partition = partitionOf('client/M', partitions)
  const key = `${first.keyPrefix}{p${partition}}:m:client/M`
  const damage = () =>
    redisCommand(['EVAL', "return redis.call('HSET', KEYS[1], '!', ARGV[1])", '1', key, 'damaged'])
  const rebuilt = () => run.logged('partition.rebuilt')

  await damage()
  await scene.send([one(bodyOf({ collective: 'COMPLETED' }))])
  await run.settled()
  expect(rebuilt()).toBe(1)
  expect(run.attachments()).toContain('view_damaged')

  await damage()
  await scene.send([one(bodyOf({ round: 'R' }))])
  await expect.poll(() => run.processor.state().detail, waiting).toMatch(/did not help/)
  expect(await run.metrics.text()).toMatch(new RegExp(`partition_held{partition="${partition}".*} 1`))
  scene.last.delete(partition)
  await scene.send([oneOf('other')])
  await run.settled()
  expect(rebuilt()).toBe(1)
})

test('a registration that a later build has written stops the processor and says what to do', async () => {
  const scene = await openScene()
  const first = await openRun(scene)
  await scene.send([one(bodyOf({}))])
  await first.settled()
  const partition = partitionOf('client/M', partitions)
  const key = `${first.keyPrefix}{p${partition}}:m:client/M`
  const [state] = await readTopic(kafka, scene.topics.state.name)
  const later = asOfLaterBuild(String(state?.headers.get('kept')))
  await redisCommand(['EVAL', "return redis.call('HSET', KEYS[1], '!', ARGV[1])", '1', key, later])
  await scene.send([one(bodyOf({ collective: 'COMPLETED' }))])
  expect((await first.processor.failed).message).toMatch(/run the later build/)
  await first.close()
  expect(await readTopic(kafka, scene.topics.changes.name)).toHaveLength(1)
})

test('a state record that a later build has written stops the processor and says what to do', async () => {
  const scene = await openScene()
  const first = await openRun(scene)
  await scene.send([one(bodyOf({}))])
  await first.settled()
  const [state] = await readTopic(kafka, scene.topics.state.name)
  assert(state !== undefined)
  const record = asWritten(state)
  const headers = { ...record.headers, kept: asOfLaterBuild(String(record.headers?.['kept'])) }
  await scene.producer.publish([{ ...record, headers }], { deadlineMs: 10_000 })
  // The auditor of the running one meets it, and the rebuild of the next one.
  expect((await first.processor.failed).message).toMatch(/run the later build/)
  await first.close()
  const second = await openRun(scene, { view: 'empty' })
  expect((await second.processor.failed).message).toMatch(/run the later build/)
})

test('a view that is lost under a running processor is folded again before anything new is published', async () => {
  const scene = await openScene()
  const run = await openRun(scene)
  await scene.send(someLog(60))
  await run.settled()
  await deleteKeys(run.keyPrefix)
  await scene.send(someLog(60))
  await run.settled()
  const changes = await readTopic(kafka, scene.topics.changes.name)
  expectSameBytes(changes)
  expect(changesOf(changes)).toEqual((await expected(scene)).changes)
})

test('two processors on the same partitions publish the same and count every record once', async () => {
  const scene = await openScene()
  const [left, right] = await Promise.all([openRun(scene, { group: 'l' }), openRun(scene, { group: 'r' })])
  const reading = () => [left.processor.state().ok, right.processor.state().ok]
  await expect.poll(reading, waiting).toEqual([true, true])

  for (let turn = 0; turn < 10; turn++) await scene.send(someLog(30))
  await left.settled()
  // Of the two that take up the first records of a partition, the later one finds the view written.
  await expect.poll(() => left.reattached() + right.reattached(), waiting).toBeGreaterThan(0)
  expect(await right.books()).toEqual(await left.books())
  const changes = await readTopic(kafka, scene.topics.changes.name)
  expectSameBytes(changes)
  expect(changesOf(changes)).toEqual((await expected(scene)).changes)
})

test('a view that was built from another log is not continued: its partitions are held, and it is said why', async () => {
  const scene = await openScene()
  const first = await openRun(scene)
  await scene.send([one(bodyOf({}))])
  await first.settled()
  await first.close()

  const raw = { ...scene.topics.raw, name: `${scene.topics.raw.name}.anew` }
  const second = await openRun({ ...scene, topics: { ...scene.topics, raw } })
  const said = expect.stringMatching(/was built from .* and this is .*\.anew/) as unknown
  await expect.poll(() => second.processor.state(), waiting).toEqual({ ok: false, detail: said })
  expect(await second.metrics.text()).toMatch(/partition_held\{.*} 1/)
})

async function openStore(keyPrefix: string): Promise<RegistrationStore> {
  const store = await openRegistrationStore({ url: redisUrl, keyPrefix, log: quiet })
  onTestFinished(() => store[Symbol.asyncDispose]())
  return store
}

/** Key, value and headers as they were published. */
function asWritten({ topic, partition, key, value, headers }: ConsumedRecord): LogRecord {
  assert(key !== null)
  const written = Object.fromEntries([...headers].map(([name, text]) => [name, String(text)]))
  return { topic, partition, key, value: value === null ? null : String(value), headers: written }
}

/** As if Redis had been flushed, for one prefix: the others' tests share that Redis. */
async function deleteKeys(prefix: string): Promise<void> {
  const script =
    "for _, key in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('DEL', key) end return 'DONE'"
  expect(await redisCommand(['EVAL', script, '0', `${prefix}*`])).toContain('DONE')
}

/** @throws an Error when Redis answers with one */
async function redisCommand(command: readonly string[]): Promise<string> {
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
    const text = await answer
    if (text.startsWith('-')) throw new Error(text)
    return text
  } finally {
    socket.destroy()
  }
}
