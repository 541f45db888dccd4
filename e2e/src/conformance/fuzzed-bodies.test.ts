import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { Agent, type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { parseRawHeaders } from '@signalbox/contracts/raw-record'
import { topics } from '@signalbox/contracts/topics'
import { type Infra, openInfra } from '@signalbox/embedded/infra'
import { openSupervisor } from '@signalbox/embedded/supervisor'
import type { KafkaConfig } from '@signalbox/kafka/config'
import { type ConsumedRecord, readTopic } from '@signalbox/kafka/log-reader'
import { openProducer } from '@signalbox/kafka/producer'
import { createTestClient, type TestClient, verifyAnswer } from '@signalbox/testkit/signed-notification'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { createServiceProcess } from '@signalbox/testkit/service-process'
import { type FuzzedBody, fuzzedBodies, letterOf } from './fuzzed-body.fixture.ts'
import { silent } from '../silent.ts'

const count = 10_000
const connections = 64
const partitions = 4
/** A sender comes again after a U or a broken connection. */
const maxAttempts = 8
const attemptDeadlineMs = 30_000
const seed = Number(process.env['SIGNALBOX_SEED'] ?? Date.now() % 2 ** 31)

/** One notification: its Request-Time is its own, so that its records are known again whatever its body is. */
type Notification = {
  requestTime: string
  body: Buffer
  signature: string
  expected: 'S' | 'F'
  /** What the maker of the body knows that it deserves, without having looked at its bytes. */
  maker: FuzzedBody['letter']
}
type Answered = { letter: string; code: string; verified: boolean; attempts: number }

const cliMain = join(import.meta.dirname, '..', '..', '..', 'services/cli/src/main.ts')
const envelope = z.object({
  result: z.object({ resultCode: z.string(), resultStatus: z.string(), resultMessage: z.string() }),
})

const opened = new AsyncDisposableStack()
let infra: Infra
let kafka: KafkaConfig
let client: TestClient
let sent: Notification[]
let answers: Map<string, Answered>
let raw: ConsumedRecord[]
let quarantined: ConsumedRecord[]

beforeAll(async () => {
  process.stdout.write(`fuzzed bodies: SIGNALBOX_SEED=${seed}\n`)
  const bodies = fuzzedBodies({ seed, count })
  infra = opened.use(await openInfra({ env: process.env }))
  const supervisor = opened.use(await openSupervisor({ keptFolder: null, name: 'fuzzed' }))
  client = await createTestClient(supervisor.folder)
  kafka = { brokers: infra.kafkaBrokers, tls: false, partitions, replication: 1, createTopics: true }
  const ingress = createServiceProcess({
    supervisor,
    name: 'ingress',
    folder: supervisor.folder,
    main: 'services/ingress/src/main.ts',
    environment: () => ({ ...kafkaVariables(), ...ingressVariables() }),
    readyEvent: 'ingress.listening',
  })
  opened.defer(async () => void (await ingress.stop()))
  const { port } = z.object({ port: z.number() }).parse(await ingress.start())

  sent = []
  const nowMs = Date.now()
  await forEachAtATime(bodies.entries(), async ([index, { bytes, letter }]) => {
    const instantMs = nowMs - index
    const requestTime = index % 2 === 0 ? String(instantMs) : new Date(instantMs).toISOString()
    const { headers } = await client.signer.sign(bytes, { requestTime })
    sent.push({
      requestTime,
      body: bytes,
      signature: headers['signature'] ?? '',
      expected: letterOf(bytes),
      maker: letter,
    })
  })
  answers = new Map()
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  await forEachAtATime(sent, async (notification) => {
    answers.set(notification.requestTime, await sendUntilAnswered(notification, { port, agent }))
  }).catch(async (cause: unknown) => {
    const log = (await readFile(ingress.logFile, 'utf8')).split('\n').slice(-20)
    throw new Error(`The ingress did not answer. Its log ends with:\n${log.join('\n')}`, { cause })
  })
  agent.destroy()
  raw = await readTopic(kafka, topics.raw.name)
  quarantined = await readTopic(kafka, topics.quarantine.name)
})
afterAll(() => opened.disposeAsync())

const kafkaVariables = () => ({
  KAFKA_BROKERS: infra.kafkaBrokers.join(','),
  TOPIC_PARTITIONS: String(partitions),
  TOPIC_REPLICATION: '1',
})

const ingressVariables = () => ({
  KAFKA_CREATE_TOPICS: 'true',
  CLIENTS_FILE: client.clientsFile,
  LISTEN_HOST: '127.0.0.1',
  INGRESS_PORT: '0',
  OPS_PORT: '0',
  LOG_LEVEL: 'info',
})

/** Works through a list with as many at a time as there are connections. */
async function forEachAtATime<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  // One iterator for all: each takes the next item that nobody has taken.
  const waiting = Iterator.from(items)
  const worker = async () => {
    for (const item of waiting) await work(item)
  }
  await Promise.all(Array.from({ length: connections }, worker))
}

/** Posts as a sender does: again after a U or a broken connection. */
async function sendUntilAnswered(
  notification: Notification,
  target: { port: number; agent: Agent },
): Promise<Answered> {
  for (let attempts = 1; ; attempts++) {
    try {
      const answer = await post(notification, target)
      const { resultCode: code, resultStatus: letter } = envelope.parse(
        JSON.parse(answer.body.toString()),
      ).result
      const verified = verifyAnswer(answer, { publicKey: client.ownPublicKey, uri: client.uri })
      if (letter !== 'U' || attempts === maxAttempts) return { letter, code, verified, attempts }
    } catch (problem) {
      if (attempts === maxAttempts) throw problem
    }
  }
}

async function post(
  { requestTime, body, signature }: Notification,
  { port, agent }: { port: number; agent: Agent },
) {
  const outgoing = request({
    host: '127.0.0.1',
    port,
    agent,
    method: 'POST',
    path: client.uri,
    headers: {
      'client-id': client.clientId,
      'request-time': requestTime,
      signature,
      'content-type': 'application/json; charset=UTF-8',
      'content-length': body.length,
    },
    signal: AbortSignal.timeout(attemptDeadlineMs),
  })
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve).once('error', reject)
  })
  outgoing.end(body)
  const incoming = await response
  return { headers: incoming.headers, body: await buffer(incoming) }
}

/** Runs `signalbox verify` as its users do, over both topics. */
async function verifyOffline(): Promise<{ exitCode: number; stdout: string }> {
  const args = [cliMain, 'verify', '--topic', '--quarantine', '--file', client.clientsFile]
  const run = promisify(execFile)(process.execPath, args, {
    env: kafkaVariables(),
    timeout: 120_000,
    maxBuffer: 64 * 1024 * 1024,
  })
  try {
    return { exitCode: 0, stdout: (await run).stdout }
  } catch (problem) {
    const failed = z.object({ code: z.number(), stdout: z.string() }).parse(problem)
    return { exitCode: failed.code, stdout: failed.stdout }
  }
}

/** Records by the Request-Time of their notification. */
function byRequestTime(records: readonly ConsumedRecord[]): Map<string, ConsumedRecord[]> {
  return Map.groupBy(records, ({ headers }) => parseRawHeaders(headers)?.requestTime ?? '')
}

test(`${count} bodies of all kinds were sent, of both letters and of all sizes`, () => {
  const times = new Set(sent.map(({ requestTime }) => requestTime))
  expect(times.size).toBe(count)
  expect(new Set(sent.map(({ body }) => body.toString('latin1'))).size).toBeGreaterThan(count * 0.85)
  const lengths = sent.map(({ body }) => body.length).toSorted((a, b) => a - b)
  expect(lengths[0]).toBe(0)
  expect(lengths[count / 2]).toBeLessThan(5_000)
  expect(lengths.at(-1)).toBeGreaterThan(100_000)
  const disputed = sent.filter(({ maker, expected }) => maker !== null && maker !== expected)
  expect(disputed.map(({ body }) => body.toString('latin1'))).toEqual([])
  for (const letter of ['S', 'F']) {
    expect(sent.filter(({ expected }) => expected === letter).length).toBeGreaterThan(count / 4)
  }
})

test('every answer has the letter that the bytes deserve, under our signature', () => {
  const wrong = sent.flatMap(({ requestTime, body, expected }) => {
    const answer = answers.get(requestTime)
    const code = expected === 'S' ? 'SUCCESS' : 'PARAM_ILLEGAL'
    return answer?.letter === expected && answer.code === code && answer.verified
      ? []
      : [{ expected, answer, body: body.subarray(0, 200).toString('latin1') }]
  })
  expect(wrong.slice(0, 5)).toEqual([])
})

test('the topics hold exactly the bytes that were sent, each at least once and none in the wrong place', () => {
  const [inRaw, inQuarantine] = [byRequestTime(raw), byRequestTime(quarantined)]
  const wrong = sent.flatMap(({ requestTime, body, signature, expected }) => {
    const [right, other] = expected === 'S' ? [inRaw, inQuarantine] : [inQuarantine, inRaw]
    const records = right.get(requestTime) ?? []
    const isKept =
      records.length > 0 &&
      records.every(
        ({ value, headers }) => value?.equals(body) && headers.get('signature')?.toString() === signature,
      )
    return isKept && !other.has(requestTime)
      ? []
      : [{ requestTime, expected, records: records.length, isInOther: other.has(requestTime) }]
  })
  expect(wrong.slice(0, 5)).toEqual([])
  const known = new Set(sent.map(({ requestTime }) => requestTime))
  expect([...inRaw.keys(), ...inQuarantine.keys()].filter((time) => !known.has(time))).toEqual([])
  // A copy more only where the sender had to come again.
  const again = [...answers.values()].reduce((sum, { attempts }) => sum + attempts - 1, 0)
  expect(raw.length + quarantined.length).toBeLessThanOrEqual(count + again)
})

test('signalbox verify re-verifies every record from the topics alone', async () => {
  const { exitCode, stdout } = await verifyOffline()
  expect(stdout).toBe(
    `${topics.raw.name}: ${raw.length} verify, 0 do not.\n` +
      `${topics.quarantine.name}: ${quarantined.length} verify, 0 do not.\n`,
  )
  expect(exitCode).toBe(0)
})

test('signalbox verify names the one record whose body somebody has changed, and says what differs', async () => {
  const original = raw.find(({ value }) => value !== null && value.length > 0)
  if (original === undefined) throw new Error('no record was kept')
  await using producer = await openProducer(kafka, { clientId: 'fuzzed-bodies', log: silent })
  const { partition, key, value, headers } = original
  const forged = Buffer.concat([value ?? Buffer.alloc(0), Buffer.from('\n')])
  const stored = await producer.append(
    {
      topic: topics.raw.name,
      partition,
      key: key ?? '',
      value: forged,
      headers: Object.fromEntries(headers),
    },
    { deadlineMs: 10_000 },
  )
  if (stored.kind !== 'stored') throw new Error('the record was not stored')
  const { exitCode, stdout } = await verifyOffline()
  const id = headers.get('notification-id')?.toString()
  expect(stdout).toContain(
    `${topics.raw.name} partition ${partition} offset ${stored.offset}, notification ${id}, client ${client.clientId}: the signature does not hold.`,
  )
  expect(stdout).toContain('The key is right (version 1), but the sender signed another body: without')
  expect(stdout).toContain(`${topics.raw.name}: ${raw.length} verify, 1 do not.`)
  expect(exitCode).toBe(1)
})
