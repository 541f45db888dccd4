import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, generateKeyPairSync, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { merchantKey } from '@signalbox/contracts/keys'
import { encodeQuarantineHeaders } from '@signalbox/contracts/quarantine-record'
import { encodeRawHeaders } from '@signalbox/contracts/raw-record'
import { readRecord } from '@signalbox/contracts/read-record'
import { topics } from '@signalbox/contracts/topics'
import { readTopic } from '@signalbox/kafka/log-reader'
import { partitionOf } from '@signalbox/kafka/partition'
import { openProducer } from '@signalbox/kafka/producer'
import { openRegistrationStore } from '@signalbox/registration-store/registration-store'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { writeEndpointKeys } from './memory-endpoints.fixture.ts'
import { namedRegistration } from './named-registration.fixture.ts'

const redisUrl = inject('redisUrl')
const brokers = inject('kafkaBrokers')
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const program = fileURLToPath(new URL('./main.ts', import.meta.url))
/** As the other tests that use topics by their real names. */
const partitions = 12
const kafka = { brokers, tls: false, partitions, replication: 1, createTopics: true }

describe('the console process', () => {
  test('answers from the Redis view, page by page, and ends by itself when told', async () => {
    const keyPrefix = `test-${randomUUID()}:`
    const stores = [null, 'S 1', 'S/2', '店']
    await writeView(keyPrefix, stores)
    const running = await startConsole({ REDIS_URL: redisUrl, REDIS_KEY_PREFIX: keyPrefix })

    const first = await running.ask('limit=3')
    expect([first.status, first.stores]).toEqual([200, [null, '店', 'S 1']])
    const second = await running.ask(`limit=3&cursor=${encodeURIComponent(first.next ?? '')}`)
    expect([second.stores, second.next]).toEqual([['S/2'], null])
    expect((await running.ask('referenceStoreId=S%2F2')).stores).toEqual(['S/2'])
    expect((await running.ask('referenceStoreId=S3')).status).toBe(404)

    expect(await running.end('SIGTERM')).toBe(0)
  })

  test('answers 503 within seconds while Redis is away, and recovers', async () => {
    const keyPrefix = `test-${randomUUID()}:`
    await writeView(keyPrefix, [null])
    const proxy = await openProxy()
    const running = await startConsole({ REDIS_URL: proxy.url, REDIS_KEY_PREFIX: keyPrefix })
    expect((await running.ask('')).status).toBe(200)

    for (const fault of [proxy.cut, proxy.freeze]) {
      fault()
      const begunMs = performance.now()
      expect((await running.ask('')).status).toBe(503)
      expect(performance.now() - begunMs).toBeLessThan(5_000)
      proxy.heal()
      await expect.poll(async () => (await running.ask('')).status, { timeout: 20_000 }).toBe(200)
    }
    expect(await running.end('SIGTERM')).toBe(0)
  })

  test('appends what an operator orders to the raw topic, where the processor understands it', async () => {
    const running = await startConsole({ REDIS_URL: redisUrl, REDIS_KEY_PREFIX: `test-${randomUUID()}:` })
    const ids = { clientId: operated, referenceMerchantId: 'M1' }
    const opened = await running.order('POST', '/v1/registrations/opened', {
      ...ids,
      registrationRequestId: 'R1',
    })
    const erased = await running.order('POST', '/v1/registrations/erased', ids)
    expect([opened.status, erased.status]).toEqual([202, 202])
    const named = [opened, erased].map(({ json }) => z.object({ notificationId: z.string() }).parse(json))
    const key = merchantKey(ids)
    const records = (await readTopic(kafka, topics.raw.name)).filter((record) => record.key === key)
    expect(records.map(({ partition }) => partition)).toEqual([0, 0].fill(partitionOf(key, partitions)))
    expect(records.map((record) => readRecord(record))).toMatchObject([
      { cause: named[0], kind: 'statement', statement: { kind: 'opening', round: 'R1' } },
      { cause: named[1], kind: 'statement', statement: { kind: 'erasure' } },
    ])
  })

  test('shows what was set aside and puts it back, once', async () => {
    const running = await startConsole({ REDIS_URL: redisUrl, REDIS_KEY_PREFIX: `test-${randomUUID()}:` })
    const key = `${operated}//R1`
    const { partition, offset } = await setAside(key)
    const list = await running.order('GET', `/v1/quarantine?clientId=${operated}&reason=unattributable`)
    expect(list).toMatchObject({ status: 200, json: { records: [{ clientId: operated }], complete: true } })
    const shown = await running.order('GET', `/v1/quarantine/${partition}-${offset}`)
    expect(shown.json).toMatchObject({ registrationRequestId: 'R1', redrive: { possible: false } })

    const selection = { position: `${partition}-${offset}` }
    const redrive = () => running.order('POST', '/v1/quarantine/redrive', { selection, attributedTo: 'M 9' })
    expect((await redrive()).json).toMatchObject({ putBack: 1, redrivenBefore: 0, unfit: {} })
    expect((await redrive()).json).toMatchObject({ putBack: 0, redrivenBefore: 1 })
    const under = merchantKey({ clientId: operated, referenceMerchantId: 'M 9' })
    const records = (await readTopic(kafka, topics.raw.name)).filter((record) => record.key === under)
    expect(records.map((record) => readRecord(record))).toMatchObject([
      { kind: 'statement', statement: { registration: { referenceMerchantId: 'M 9' }, round: 'R1' } },
    ])
  })

  test('makes endpoints where it has their keys, and publishes the key that signs', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'signalbox-console-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const { privateKey } = generateKeyPairSync('ed25519')
    writeFileSync(join(folder, 'signing.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }), {
      mode: 0o600,
    })
    const signing = { keys: [{ keyId: 'k-1', state: 'active', privateKeyFile: 'signing.pem' }] }
    writeFileSync(join(folder, 'signing.json'), JSON.stringify(signing))
    const running = await startConsole({
      REDIS_URL: redisUrl,
      REDIS_KEY_PREFIX: `test-${randomUUID()}:`,
      ENDPOINT_KEYS_FILE: writeEndpointKeys(folder),
      WEBHOOK_SIGNING_KEYS_FILE: join(folder, 'signing.json'),
    })
    const merchants = { clientId: operated, merchant: '*' }
    const target = { type: 'webhook', url: 'https://merchant.example/alerts' }
    const made = () => running.order('POST', '/v1/endpoints', { ...merchants, target })
    await expect.poll(async () => (await made()).status, { timeout: 20_000 }).toBe(201)
    const list = await running.order('GET', `/v1/endpoints?clientId=${operated}`)
    expect(list.json).toMatchObject({ endpoints: [{ ...merchants, state: 'unverified' }], next: null })
    const keys = await running.order('GET', '/.well-known/signalbox-webhook-keys')
    expect(keys.json).toMatchObject({ keys: [{ kid: 'k-1', crv: 'Ed25519' }] })
    expect(await running.end('SIGTERM')).toBe(0)
  })

  test.each([
    ['a missing tokens file', { API_TOKENS_FILE: '/nowhere/tokens.json' }, /API_TOKENS_FILE.*\/nowhere/],
    ['a missing variable', { REDIS_URL: '' }, /REDIS_URL is missing/],
    ['a misspelt variable', { CONSOLE_PROT: '1' }, /CONSOLE_PROT.*CONSOLE_PORT/],
    ['a Kafka that is away', { KAFKA_BROKERS: '127.0.0.1:1' }, /127\.0\.0\.1:1 \(KAFKA_BROKERS\)/],
    [
      'missing keys of endpoints',
      { ENDPOINT_KEYS_FILE: '/nowhere/keys.json' },
      /ENDPOINT_KEYS_FILE.*\/nowhere/,
    ],
    [
      'private networks in production',
      {
        ENDPOINT_KEYS_FILE: '/keys',
        SIGNALBOX_ENVIRONMENT: 'production',
        ALERT_ALLOWED_NETWORKS: '10.0.0.0/8',
      },
      /production and ALERT_ALLOWED_NETWORKS/,
    ],
    ['a Redis that is away', { REDIS_URL: 'redis://127.0.0.1:1' }, /127\.0\.0\.1:1 \(REDIS_URL\)/],
  ])('refuses to start with %s, in words, with exit code 1', async (_, env, reason) => {
    const child = spawnConsole({ REDIS_URL: redisUrl, ...env })
    const [said, code] = await Promise.all([text(child.stderr), exitOf(child)])
    expect(code).toBe(1)
    expect(said).toMatch(reason)
    expect(said).not.toMatch(/^ +at /m)
  })
})

const merchant = { clientId: 'C1', referenceMerchantId: 'M 1' }

/** A notification without merchant, as a processor leaves it; where it stands in quarantine. */
async function setAside(key: string): Promise<{ partition: number; offset: bigint }> {
  await using producer = await openProducer(kafka, { clientId: 'console-test', log: silent })
  const partition = partitionOf(key, partitions)
  const headers = encodeRawHeaders({
    kind: 'notification',
    notificationId: randomUUID(),
    requestUri: '/notify',
    clientId: operated,
    requestTime: '1704135845000',
    requestTimeMs: 1_704_135_845_000,
    signature: 's',
    keyVersion: '1',
    dialect: 'ams',
    push: false,
    traceparent: null,
  })
  const record = { topic: topics.raw.name, partition, key, value: '{"registrationRequestId":"R1"}', headers }
  const [offset = -1n] = await producer.publish([record], { deadlineMs: 30_000 })
  const origin = { topic: topics.raw.name, partition, offset: String(offset), timestampMs: Date.now() }
  const note = { origin, reason: 'unattributable', where: 'referenceMerchantId' }
  const aside = encodeQuarantineHeaders(new Map(Object.entries(headers)), note)
  const [at = -1n] = await producer.publish([{ ...record, topic: topics.quarantine.name, headers: aside }], {
    deadlineMs: 30_000,
  })
  return { partition, offset: at }
}

async function writeView(keyPrefix: string, stores: readonly (string | null)[]): Promise<void> {
  await using store = await openRegistrationStore({ url: redisUrl, keyPrefix, log: silent })
  const saved = await store.save({
    partition: partitionOf(merchantKey(merchant), partitions),
    expected: null,
    next: 'w1',
    registrations: stores.map((storeId) => namedRegistration({ merchant: 'M 1', store: storeId })),
    removed: [],
    attention: [],
    counted: null,
  })
  expect(saved).toEqual({ kind: 'saved' })
}

const token = 'a-token'
/** A client of this run's own: the topics are shared with other tests. */
const operated = `T_${randomUUID()}`
const line = z.object({ msg: z.string(), port: z.number().optional() })
const page = z.object({
  registrations: z
    .array(z.object({ signalbox: z.object({ referenceStoreId: z.string().nullable() }) }))
    .default([]),
  next: z.string().nullable().default(null),
})

function spawnConsole(env: Record<string, string>) {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-console-'))
  const sha256 = createHash('sha256').update(token).digest('hex')
  writeFileSync(
    join(folder, 'tokens.json'),
    JSON.stringify({ tokens: [{ sha256, role: 'admin', name: 'Ada', clients: ['C1', operated] }] }),
  )
  const child = spawn(process.execPath, [program], {
    env: {
      LISTEN_HOST: '127.0.0.1',
      CONSOLE_PORT: '0',
      OPS_PORT: '0',
      KAFKA_BROKERS: brokers.join(','),
      KAFKA_CREATE_TOPICS: 'true',
      TOPIC_PARTITIONS: String(partitions),
      TOPIC_REPLICATION: '1',
      API_TOKENS_FILE: join(folder, 'tokens.json'),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await exitOf(child)
    rmSync(folder, { recursive: true, force: true })
  })
  return child
}

async function startConsole(env: Record<string, string>) {
  const child = spawnConsole(env)
  let port: number | undefined
  for await (const logged of createInterface({ input: child.stdout })) {
    const event = line.parse(JSON.parse(logged))
    if (event.msg !== 'console.listening') continue
    port = event.port
    break
  }
  child.stdout.resume()
  return {
    async ask(more: string) {
      const query = `clientId=C1&referenceMerchantId=M%201&${more}`
      const answer = await fetch(`http://127.0.0.1:${port}/v1/registrations?${query}`, {
        headers: { authorization: `Bearer ${token}` },
      })
      const { registrations, next } = page.parse(await answer.json())
      const stores = registrations.map(({ signalbox }) => signalbox.referenceStoreId)
      return { status: answer.status, stores, next }
    },
    async order(method: 'GET' | 'POST', path: string, body?: object) {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const json: unknown = await answer.json()
      return { status: answer.status, json }
    },
    end(signal: NodeJS.Signals) {
      child.kill(signal)
      return exitOf(child)
    },
  }
}

function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(child.exitCode)
    else child.once('exit', resolve)
  })
}

/** A way to Redis that can be cut, or be held up with everything in it. */
async function openProxy() {
  const target = new URL(redisUrl)
  const sockets = new Set<Socket>()
  let cut = false
  const server = createServer((inward) => {
    const outward = connect(Number(target.port), target.hostname)
    for (const socket of [inward, outward]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        inward.destroy()
        outward.destroy()
      })
    }
    inward.on('data', (bytes) => outward.write(bytes))
    outward.on('data', (bytes) => inward.write(bytes))
    if (cut) inward.destroy()
  })
  const forEach = (act: (socket: Socket) => void) => {
    for (const socket of sockets) act(socket)
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    forEach((socket) => socket.destroy())
    await new Promise((resolve) => server.close(resolve))
  })
  const address = server.address()
  return {
    url: `redis://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    cut: () => {
      cut = true
      forEach((socket) => socket.destroy())
    },
    freeze: () => forEach((socket) => socket.pause()),
    heal: () => {
      cut = false
      forEach((socket) => socket.resume())
    },
  }
}
