import { randomUUID } from 'node:crypto'
import { readRecord } from '@signalbox/contracts/read-record'
import type { KafkaConfig } from '@signalbox/kafka/config'
import { openPartitionReader, type PartitionReader } from '@signalbox/kafka/partition-reader'
import { type LogRecord, openProducer, type Producer } from '@signalbox/kafka/producer'
import { ensureTopics } from '@signalbox/kafka/topics'
import { fold } from '@signalbox/registration/fold'
import { emptyRegistration, type Registration } from '@signalbox/registration/registration'
import { registrationKey } from '@signalbox/contracts/keys'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import type { LoggedRecord, Position } from './quarantined-record.ts'
import { listQuarantine } from './quarantine.ts'
import { reasons } from './reasons.ts'
import { type RedriveReport, redrive } from './redrive.ts'
import { asideByIngress, asideByProcessor, notification, partitions } from './set-aside.fixture.ts'

declare module 'vitest' {
  interface ProvidedContext {
    kafkaBrokers: string[]
  }
}

const maySee = () => true
const log = { debug() {}, info() {}, warn() {}, error() {} }
const config: KafkaConfig = {
  brokers: inject('kafkaBrokers'),
  tls: false,
  partitions,
  replication: 1,
  createTopics: true,
}

let producer: Producer
let reader: PartitionReader
beforeAll(async () => {
  producer = await openProducer(config, { clientId: 'quarantine-test', log })
  reader = await openPartitionReader(config, { clientId: 'quarantine-test', log })
})
afterAll(async () => {
  await reader[Symbol.asyncDispose]()
  await producer[Symbol.asyncDispose]()
})

async function append(topic: string, records: readonly LogRecord[]): Promise<void> {
  await producer.publish(
    records.map((record) => ({ ...record, topic })),
    { deadlineMs: 30_000 },
  )
}

/** Topics of its own, in which records are set aside as an older version would have done it. */
async function createScene() {
  const names = { raw: `test.raw.${randomUUID()}`, quarantine: `test.quarantine.${randomUUID()}` }
  const specs = Object.values(names).map((name) => ({ name, cleanup: 'delete' as const }))
  await ensureTopics(config, specs, { log })
  const of = { log: reader, partitions, topics: names }

  const readAll = async (topic: string): Promise<LoggedRecord[]> => {
    const records: LoggedRecord[] = []
    for (let partition = 0; partition < partitions; partition++) {
      const { start, end } = await reader.bounds({ topic, partition })
      for await (const some of reader.read({ topic, partition, from: start, to: end })) records.push(...some)
    }
    return records
  }
  return {
    of,
    append: (records: readonly LogRecord[]) => append(names.raw, records),
    refuse: (records: readonly LogRecord[]) => append(names.quarantine, records),
    raw: () => readAll(names.raw),
    /** Sets aside what `why` gives a reason for, as a processor that reads the raw topic. */
    async process(why: (record: LoggedRecord) => string | null) {
      const aside = (await readAll(names.raw)).flatMap((record) => {
        const reason = why(record)
        return reason === null ? [] : [asideByProcessor(record, reason)]
      })
      await append(names.quarantine, aside)
    },
    async redrive(
      wish: {
        attributedTo?: string
        again?: boolean
        reason?: string
        registrationRequestId?: string
        position?: Position
      } = {},
    ): Promise<RedriveReport> {
      const { attributedTo = null, again = false, reason, registrationRequestId, position } = wish
      const result = await redrive(
        { ...of, producer, now: Date.now },
        {
          what:
            position === undefined
              ? { kind: 'all', selection: { reason, registrationRequestId, maySee } }
              : { kind: 'one', position, maySee },
          attributedTo,
          again,
          dryRun: false,
        },
      )
      if (result.kind !== 'done') throw new Error(JSON.stringify(result))
      return result.report
    },
  }
}

/** The outcome of every record that can be read, and the registrations that they come to. */
function foldAll(records: readonly LoggedRecord[]) {
  const registrations = new Map<string, Registration>()
  const outcomes = records.flatMap((record) => {
    const read = readRecord(record)
    if (read.kind !== 'statement') return []
    const key = registrationKey(read.statement.registration)
    const decision = fold(registrations.get(key) ?? emptyRegistration, read.statement)
    if (decision.outcome !== 'quarantined' && decision.next !== null) registrations.set(key, decision.next)
    return [decision.outcome]
  })
  return { outcomes, registrations }
}

const isPutBack = ({ headers }: LoggedRecord) => headers.has('replayed-from')

test('after a fix a redrive applies what was set aside, whatever the reason was', async () => {
  const scene = await createScene()
  const byIngress = new Set(['over_age', 'unroutable'])
  const needMerchant = new Set(['unattributable', 'unroutable'])
  const fixed = reasons.filter((reason) => !needMerchant.has(reason) && !byIngress.has(reason))
  await scene.append(fixed.map((reason) => notification({ merchant: reason, id: reason })))
  await scene.process(({ headers }) => headers.get('notification-id')?.toString() ?? null)
  await scene.refuse([asideByIngress(notification({ merchant: 'over_age' }), 'over_age')])

  const report = await scene.redrive()
  expect(report).toMatchObject({
    selected: fixed.length + 1,
    putBack: fixed.length + 1,
    redrivenBefore: 0,
    impossible: {},
    unfit: {},
  })
  const { registrations, outcomes } = foldAll((await scene.raw()).filter(isPutBack))
  expect(outcomes).toEqual(Array.from({ length: fixed.length + 1 }, () => 'applied'))
  expect([...registrations.keys()].toSorted()).toEqual(
    [...fixed, 'over_age'].map((reason) => `C1/${reason}/`).toSorted(),
  )
})

test('what names no merchant applies to the one that a person names, with or without a request id', async () => {
  const scene = await createScene()
  await scene.append([notification({ merchant: null, round: 'R1' })])
  await scene.process(() => 'unattributable')
  await scene.refuse([asideByIngress(notification({ merchant: null, round: null }), 'unroutable')])

  expect(await scene.redrive()).toMatchObject({ putBack: 0, impossible: { no_merchant: 2 } })
  const selection = { reason: 'unroutable', maySee: () => true }
  const [unroutable] = (await listQuarantine(scene.of, { selection, cursor: null, limit: 10 })).records
  if (unroutable === undefined) throw new Error('nothing is set aside without a request id')
  const ways = [{ registrationRequestId: 'R1' }, { position: unroutable }]
  for (const way of ways) {
    const wish = { attributedTo: 'M 7', ...way }
    expect(await scene.redrive(wish)).toMatchObject({ selected: 1, putBack: 1, impossible: {} })
    expect(await scene.redrive(wish)).toMatchObject({ putBack: 0, redrivenBefore: 1 })
  }

  const putBack = (await scene.raw()).filter(isPutBack)
  expect(new Set(putBack.map(({ partition, key }) => `${partition} ${key}`)).size).toBe(1)
  const { registrations } = foldAll(putBack)
  expect([...registrations.keys()]).toEqual(['C1/M%207/'])
  expect(registrations.get('C1/M%207/')?.registers.rounds).toMatchObject([{ id: 'R1' }])
})

test('a record put back twice counts once, and what was applied already stays as it is', async () => {
  const scene = await createScene()
  await scene.append([notification({ id: 'n1' })])
  await scene.process(() => 'wrong_type')
  await scene.redrive()
  await scene.redrive({ again: true })
  const { outcomes, registrations } = foldAll(await scene.raw())
  expect(outcomes).toEqual(['applied', 'repeated', 'repeated'])
  expect(registrations.get('C1/M1/')?.version).toBe(1)
})

test('what is set aside again after a redrive is put back once more, and still says where it was first', async () => {
  const scene = await createScene()
  await scene.append([notification({ id: 'n1', status: 'ALMOST' })])
  await scene.process(() => 'unknown_status')
  expect(await scene.redrive()).toMatchObject({ putBack: 1, unfit: { unknown_status: 1 } })
  await scene.process((record) => (isPutBack(record) ? 'unknown_status' : null))

  expect(await scene.redrive()).toMatchObject({ selected: 1, putBack: 1 })
  expect(await scene.redrive()).toMatchObject({ selected: 1, putBack: 0, redrivenBefore: 1 })
  const [original, ...putBack] = await scene.raw()
  const source = `${original?.topic}/${original?.partition}/${original?.offset}`
  expect(putBack.map(({ headers }) => headers.get('replayed-from')?.toString())).toEqual([source, source])
  for (const record of putBack) expect(record.value).toEqual(original?.value)
})

test('a list goes by the times of the broker', async () => {
  const scene = await createScene()
  await scene.append([notification()])
  await scene.process(() => 'wrong_type')
  const list = async (range: { fromMs?: number; toMs?: number }) => {
    const selection = { ...range, maySee: () => true }
    return (await listQuarantine(scene.of, { selection, cursor: null, limit: 10 })).records
  }
  const [first] = await list({})
  const at = first?.setAsideMs ?? 0
  expect(await list({ fromMs: at })).toHaveLength(1)
  expect(await list({ fromMs: at + 1 })).toHaveLength(0)
  expect(await list({ toMs: at })).toHaveLength(0)
  expect(await list({ toMs: at + 1 })).toHaveLength(1)
})
