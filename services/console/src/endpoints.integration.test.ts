import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { createAttemptLog } from '@signalbox/alert-endpoints/attempt-log'
import { createHealthStore } from '@signalbox/alert-endpoints/endpoint-health'
import { merchantKey, type RegistrationRef } from '@signalbox/contracts/keys'
import { replayJobId } from '@signalbox/alert-endpoints/replay'
import { alertId } from '@signalbox/contracts/alert'
import { encodeChange } from '@signalbox/contracts/registration-change'
import { topics } from '@signalbox/contracts/topics'
import { readTopic } from '@signalbox/kafka/log-reader'
import { openPartitionReader } from '@signalbox/kafka/partition-reader'
import { partitionOf } from '@signalbox/kafka/partition'
import { openProducer } from '@signalbox/kafka/producer'
import { ensureTopics } from '@signalbox/kafka/topics'
import { openRedisLink } from '@signalbox/redis-link/redis-link'
import { createLogger } from '@signalbox/runtime/log'
import { Webhook } from 'standardwebhooks'
import { expect, inject, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { createConsoleApp } from './console-app.fixture.ts'
import {
  attemptsShape,
  createdShape,
  endpointDetailShape,
  endpointsShape,
  rotatedShape,
} from './endpoint-item.ts'
import { writeEndpointKeys } from './memory-endpoints.fixture.ts'
import { openEndpoints } from './open-endpoints.ts'
import { replayShape } from './replay-routes.ts'

const redisUrl = inject('redisUrl')
/** As the other tests that use topics by their real names. */
const partitions = 12
const kafka = { brokers: inject('kafkaBrokers'), tls: false, partitions, replication: 1, createTopics: true }
const silent = createLogger('console', { level: 'silent' })
const queueRedis = { url: redisUrl, variable: 'REDIS_URL' }

test('an endpoint lives its life on the real Kafka and Redis, and every change of it is in its audit trail', async () => {
  await using deployment = await openDeployment()
  await using sink = await openSink()
  const first = await deployment.openConsole()
  const { ask } = first

  // Created by whoever may; nobody else gets near it.
  const headers = { 'x-api-key': `k-${randomUUID()}` }
  const target = { type: 'webhook', url: sink.url('/one'), headers }
  const body = { clientId: 'C1', merchant: randomUUID(), target }
  expect((await ask('POST', '/v1/endpoints', 'one-viewer', body)).statusCode).toBe(403)
  expect((await ask('POST', '/v1/endpoints', 'one-operator', { ...body, clientId: 'C2' })).statusCode).toBe(
    404,
  )
  const created = createdShape.parse((await ask('POST', '/v1/endpoints', 'all-operator', body)).json())
  const { endpointId } = created.endpoint
  const at = `/v1/endpoints/${endpointId}`
  expect((await ask('GET', at, 'none')).statusCode).toBe(404)
  expect((await ask('POST', `${at}/verify`, 'none')).statusCode).toBe(404)
  expect((await ask('POST', `${at}/verify`, 'one-viewer')).statusCode).toBe(403)
  expect((await ask('POST', `${at}/rotate-secret`, 'one-operator')).statusCode).toBe(403)
  expect((await ask('DELETE', at, 'one-operator')).statusCode).toBe(403)
  expect(sink.calls).toEqual([])

  // Verified only by the right answer.
  sink.answer((challenge) => challenge.slice(1))
  expect((await ask('POST', `${at}/verify`, 'one-operator')).statusCode).toBe(409)
  sink.answer((challenge) => JSON.stringify({ echo: challenge }))
  const verified = await ask('POST', `${at}/verify`, 'all-operator')
  expect([verified.statusCode, verified.json()]).toMatchObject([200, { state: 'active', revision: 2 }])

  // Rotated: what is sent then verifies with the old secret and with the new one.
  const rotated = rotatedShape.parse((await ask('POST', `${at}/rotate-secret`, 'admin')).json())
  const moved = { target: { type: 'webhook', url: sink.url('/two') } }
  expect((await ask('PATCH', at, 'all-operator', moved)).json()).toMatchObject({ state: 'unverified' })
  expect((await ask('POST', `${at}/verify`, 'all-operator')).statusCode).toBe(200)
  const call = sink.calls.at(-1) ?? { path: '', headers: {}, body: '' }
  expect(call.path).toBe('/two')
  expect(call.headers).toMatchObject(headers)
  const held = await deployment.recordsOf(endpointId)
  expect(held).toContain('x-api-key')
  expect(held).not.toContain(headers['x-api-key'])
  for (const secret of [created.secret ?? '', rotated.secret]) {
    expect(new Webhook(secret).verify(call.body, call.headers)).toMatchObject({ type: 'endpoint.challenge' })
  }
  const other = new Webhook(`whsec_${randomBytes(32).toString('base64')}`)
  expect(() => other.verify(call.body, call.headers)).toThrow('No matching signature')

  // Disabled and enabled; then one call fails.
  expect((await ask('POST', `${at}/disable`, 'all-operator')).json()).toMatchObject({ state: 'disabled' })
  expect((await ask('POST', `${at}/enable`, 'all-operator')).json()).toMatchObject({ state: 'active' })
  await deployment.failOnce(endpointId)
  const list = async () =>
    endpointsShape.parse((await ask('GET', '/v1/endpoints?clientId=C1&limit=200', 'one-viewer')).json())
  const listed = (await list()).endpoints.find((one) => one.endpointId === endpointId)
  expect(listed).toMatchObject({ state: 'active', health: { failures: 1 } })
  const { attempts } = attemptsShape.parse((await ask('GET', `${at}/attempts`, 'one-viewer')).json())
  expect(attempts).toMatchObject([{ alertId: 'a-1', status: 503, class: '5xx', error: 'server_error' }])

  // Deleted: it is in no list, and its past stays.
  expect((await ask('DELETE', at, 'admin')).statusCode).toBe(200)
  expect((await list()).endpoints.filter((one) => one.endpointId === endpointId)).toEqual([])
  const left = endpointDetailShape.parse((await ask('GET', at, 'one-viewer')).json())
  expect(left).toMatchObject({ state: 'deleted', target: null, secrets: [] })
  expect(left.history.map(({ by, action }) => `${by} ${action}`)).toEqual([
    'Olga created',
    'Olga verified',
    'Ada secret_rotated',
    'Olga updated',
    'Olga verified',
    'Olga disabled',
    'Olga enabled',
    'Ada deleted',
  ])

  // Kafka is the truth: another Redis ends up with the same, and neither ever held a secret in clear.
  const second = await deployment.openConsole({ keyPrefix: `test-${randomUUID()}:` })
  const rebuilt = async () => (await second.ask('GET', at, 'one-viewer')).json<unknown>()
  const { health: _, ...known } = left
  await expect.poll(rebuilt, { timeout: 20_000 }).toMatchObject(known)
  const stored = (await readTopic(kafka, topics.endpoints.name)).map(({ value }) => String(value)).join('\n')
  expect(stored).toContain(endpointId)
  for (const secret of [created.secret ?? '', rotated.secret]) {
    const bytes = Buffer.from(secret.slice('whsec_'.length), 'base64')
    for (const form of ['base64', 'base64url', 'hex'] as const)
      expect(stored).not.toContain(bytes.toString(form))
    expect(first.loggedText()).not.toContain(secret.slice(6))
  }
})

test('a replay counts what it would send, and puts it before the delivery once', async () => {
  await using deployment = await openDeployment()
  await using sink = await openSink()
  const { ask } = await deployment.openConsole()
  const merchant = randomUUID()
  const body = { clientId: 'C1', merchant, target: { type: 'webhook', url: sink.url('/') } }
  const { endpoint } = createdShape.parse((await ask('POST', '/v1/endpoints', 'admin', body)).json())
  await ask('POST', `/v1/endpoints/${endpoint.endpointId}/verify`, 'admin')
  await deployment.publishApproval({ clientId: 'C1', referenceMerchantId: merchant, referenceStoreId: null })

  const replay = async (more: object) => {
    const answer = await ask('POST', '/v1/replays', 'one-operator', { clientId: 'C1', merchant, ...more })
    return { status: answer.statusCode, ...replayShape.parse(answer.json()) }
  }
  const counts = { alerts: 1, endpoints: { [endpoint.endpointId]: 1 }, eventTypes: { 'entry.approved': 1 } }
  expect(await replay({ dryRun: true })).toMatchObject({ status: 200, ...counts })
  expect(await deployment.replayJobs()).toEqual([])
  for (const _ of ['first', 'again']) {
    expect(await replay({ replayId: 'friday-evening' })).toMatchObject({ status: 202, ...counts })
  }
  const id = alertId({ subject: `C1/${merchant}/`, version: 1, endpointId: endpoint.endpointId })
  expect(await deployment.replayJobs()).toEqual([replayJobId('friday-evening', id)])
})

test('of two who change one endpoint at once, the later one is told that it is at another revision', async () => {
  await using deployment = await openDeployment()
  const first = await deployment.openConsole()
  const second = await deployment.openConsole()
  const target = { type: 'webhook', url: 'http://127.0.0.1:9/' }
  const body = { clientId: 'C1', merchant: randomUUID(), target }
  const { endpoint } = createdShape.parse((await first.ask('POST', '/v1/endpoints', 'admin', body)).json())
  const answers = await Promise.all(
    [first, second].map(({ ask }, index) =>
      ask(
        'PATCH',
        `/v1/endpoints/${endpoint.endpointId}`,
        'admin',
        { limits: { concurrency: index + 1 } },
        { 'if-match': '"1"' },
      ),
    ),
  )
  expect(answers.map(({ statusCode }) => statusCode).toSorted((a, b) => a - b)).toEqual([200, 412])
})

/** A deployment with keys and a view of its own, on the shared Kafka and Redis. */
async function openDeployment() {
  await using opened = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-endpoints-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const keysFile = writeEndpointKeys(folder)
  await ensureTopics(kafka, [topics.endpoints, topics.changes], { log: silent })
  const producer = opened.use(await openProducer(kafka, { clientId: 'endpoints-test', log: silent }))
  const reader = opened.use(await openPartitionReader(kafka, { clientId: 'endpoints-test', log: silent }))
  const { redis } = opened.use(await openRedisLink({ ...queueRedis, log: silent }))
  const ownPrefix = `test-${randomUUID()}:`
  const network = { allowHttp: true, allowedNetworks: ['127.0.0.0/8'], ports: null }
  const resources = opened.move()
  return {
    async openConsole({ keyPrefix = ownPrefix } = {}) {
      const endpoints = resources.use(
        await openEndpoints(
          { keysFile, queueRedis, network, kafka, keyPrefix },
          { reader, producer, signingKey: null, log: silent, now: Date.now },
        ),
      )
      const console = createConsoleApp({}, { endpoints: endpoints.ports, now: Date.now })
      resources.defer(() => console.app.close())
      // The view is made at start; until then every answer is 503.
      const status = async () => (await console.ask('GET', '/v1/endpoints', 'admin')).statusCode
      await expect.poll(status, { timeout: 20_000 }).toBe(200)
      return console
    },
    /** A change by which one entry was approved, caused a minute from now: after everything that was verified. */
    async publishApproval(registration: RegistrationRef) {
      const change = {
        registration,
        version: 1,
        collectiveStatus: null,
        previousCollectiveStatus: null,
        entries: [
          {
            pspName: 'GCASH',
            productCode: '*',
            status: 'APPROVED',
            previousStatus: 'PENDING',
            rejectionReason: null,
          },
        ],
        flags: [],
        cause: {
          notificationId: randomUUID(),
          requestTime: new Date().toISOString(),
          raw: { topic: topics.raw.name, partition: 0, offset: '0' },
        },
      }
      const record = encodeChange(change, { timeMs: Date.now() + 60_000, traceparent: null })
      const partition = partitionOf(merchantKey(registration), partitions)
      await producer.publish([{ topic: topics.changes.name, partition, ...record }], { deadlineMs: 10_000 })
    },
    /** The records of an endpoint, in the topic and in Redis. */
    async recordsOf(endpointId: string) {
      const written = (await readTopic(kafka, topics.endpoints.name)).map(({ value }) => String(value))
      const views = await redis.keys(`${ownPrefix}*:endpoints:*`)
      const held = await Promise.all(views.map((key) => redis.hget(key, endpointId)))
      expect(held.some((record) => record !== null)).toBe(true)
      return [...written.filter((record) => record.includes(endpointId)), ...held].join('\n')
    },
    /** The ids of the jobs that replays have added. */
    async replayJobs() {
      const keys = await redis.keys(`${ownPrefix}{bq0}:alerts:r-*`)
      return keys.map((key) => key.split(':').at(-1))
    },
    /** What the delivery writes down when a call fails. */
    async failOnce(endpointId: string) {
      const at = { redis, keyPrefix: ownPrefix }
      const health = createHealthStore(at)
      const from = await health.read(endpointId)
      expect(
        await health.replace(endpointId, { from, to: { ...from, failingSinceMs: Date.now(), failures: 1 } }),
      ).toBe(true)
      await createAttemptLog(at).add(endpointId, {
        alertId: 'a-1',
        subject: 'C1/M1/',
        version: 1,
        attempt: 1,
        at: Date.now(),
        durationMs: 12,
        status: 503,
        error: 'server_error',
        response: null,
        isReplay: false,
        nextInMs: 5_000,
      })
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

const challenge = z.object({ data: z.object({ challenge: z.string() }) })

const echo = (given: string) => given

/** A merchant's endpoint on a free port. */
async function openSink() {
  const calls: { path: string; headers: Record<string, string>; body: string }[] = []
  let answer = echo
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const headers = z.record(z.string(), z.string()).parse(request.headers)
      calls.push({ path: request.url ?? '', headers, body })
      response.end(answer(challenge.parse(JSON.parse(body)).data.challenge))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  return {
    calls,
    url: (path: string) => `http://127.0.0.1:${port}${path}`,
    answer: (how: typeof echo) => (answer = how),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
