import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseRequestTime } from '@signalbox/alipay/request-time'
import { encodeQuarantineHeaders } from '@signalbox/contracts/quarantine-record'
import { encodeRawHeaders } from '@signalbox/contracts/raw-record'
import type { KafkaConfig } from '@signalbox/kafka/config'
import { type LogRecord, openProducer } from '@signalbox/kafka/producer'
import { ensureTopics } from '@signalbox/kafka/topics'
import { createTestClient, type TestClient } from '@signalbox/testkit/signed-notification'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { knownKeysOfFile } from './known-keys.ts'
import { verifyTopic } from './verify-topic.ts'

declare module 'vitest' {
  interface ProvidedContext {
    kafkaBrokers: string[]
  }
}

const kafka: KafkaConfig = {
  brokers: inject('kafkaBrokers'),
  tls: false,
  partitions: 4,
  replication: 1,
  createTopics: true,
}
const log = { debug() {}, info() {}, warn() {}, error() {} }

let folder: string
let client: TestClient
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'verify-topic-'))
  client = await createTestClient(folder, { clientId: 'T_1', uri: '/notify' })
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A record as an ingress writes it. */
async function recordOf(number: number): Promise<LogRecord & { headers: Record<string, string> }> {
  const { headers, body } = await client.signer.sign(`{"referenceMerchantId":"M${number}"}`)
  const requestTime = headers['request-time'] ?? ''
  return {
    topic: '',
    partition: number % kafka.partitions,
    key: `T_1/M${number}`,
    value: body,
    headers: encodeRawHeaders({
      kind: 'notification',
      notificationId: `n-${number}`,
      requestUri: client.uri,
      clientId: client.clientId,
      requestTime,
      requestTimeMs: parseRequestTime(requestTime) ?? 0,
      signature: headers['signature'] ?? '',
      keyVersion: client.keyVersion,
      dialect: 'alipayplus',
      push: false,
      traceparent: null,
    }),
  }
}

async function verifyRecords(records: readonly LogRecord[]) {
  const topic = `test.verify.${randomUUID()}`
  await ensureTopics(kafka, [{ name: topic, cleanup: 'delete' }], { log })
  await using producer = await openProducer(kafka, { clientId: 'verify-test', log })
  await producer.publish(
    records.map((record) => ({ ...record, topic })),
    { deadlineMs: 30_000 },
  )
  const lines: string[] = []
  const counts = await verifyTopic({
    kafka,
    topic,
    known: knownKeysOfFile(client.clientsFile),
    print: (line) => lines.push(line.replace(topic, 'TOPIC')),
    progress: (visited, total) => expect(visited).toBeLessThanOrEqual(total),
  })
  return { counts, lines }
}

test('every notification of a topic verifies from the topic alone', async () => {
  const records = await Promise.all(Array.from({ length: 200 }, (_, number) => recordOf(number)))
  expect(await verifyRecords(records)).toEqual({
    counts: { genuine: 200, notGenuine: 0, other: 0, otherVersion: 0 },
    lines: [],
  })
})

test('each that does not verify is named with its place, its id and the cause', async () => {
  const [genuine, changed, ...rest] = await Promise.all([0, 1, 2, 3, 4].map(recordOf))
  const [renamed, tombstone, alien] = rest
  if (!genuine || !changed || !renamed || !tombstone || !alien) throw new Error('five were asked for')
  const { counts, lines } = await verifyRecords([
    genuine,
    { ...changed, value: Buffer.concat([Buffer.from(changed.value ?? ''), Buffer.from('\n')]) },
    { ...renamed, headers: { ...renamed.headers, 'key-version': '7' } },
    { ...tombstone, value: null },
    { ...alien, headers: { hello: 'world' } },
  ])
  expect(counts).toEqual({ genuine: 2, notGenuine: 3, other: 0, otherVersion: 1 })
  expect(lines).toContain(
    'TOPIC partition 1 offset 0, notification n-1, client T_1: the signature does not hold.',
  )
  expect(lines).toContain(
    '  The key is right (version 1), but the sender signed another body: without its final line end.',
  )
  expect(lines).toContain('TOPIC partition 3 offset 0, notification n-3, client T_1: it has no body.')
  expect(lines).toContain(
    'TOPIC partition 0 offset 1, notification (none), client (none): its headers are not those of a notification.',
  )
})

test('in a quarantine the notifications count, and not what was set aside for being none', async () => {
  const [byIngress, byProcessor, poison] = await Promise.all([0, 1, 2].map(recordOf))
  if (!byIngress || !byProcessor || !poison) throw new Error('three were asked for')
  const origin = { topic: 'registration.raw.v1', partition: 0, offset: '7', timestampMs: 1 }
  const aside = (record: typeof poison, from: typeof origin | null, headers: Record<string, string>) => ({
    ...record,
    headers: encodeQuarantineHeaders(new Map(Object.entries(headers)), {
      origin: from,
      reason: 'x',
      where: '',
    }),
  })
  const { counts } = await verifyRecords([
    aside(byIngress, null, byIngress.headers),
    aside(byProcessor, origin, byProcessor.headers),
    aside(poison, origin, { hello: 'world' }),
    { ...poison, partition: 3, headers: { kind: 'redrive' } },
  ])
  expect(counts).toEqual({ genuine: 2, notGenuine: 0, other: 2, otherVersion: 0 })
})

test('of many that do not verify each is named, but only the first ones are explained', async () => {
  const records = await Promise.all(Array.from({ length: 60 }, (_, number) => recordOf(number)))
  const forged = records.map((record) => ({ ...record, value: Buffer.from('{}') }))
  const { counts, lines } = await verifyRecords(forged)
  expect(counts).toMatchObject({ genuine: 0, notGenuine: 60 })
  expect(lines.filter((line) => line.startsWith('TOPIC'))).toHaveLength(60)
  expect(lines.filter((line) => line.includes('The key is right'))).toHaveLength(20)
})
