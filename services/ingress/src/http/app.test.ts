import assert from 'node:assert/strict'
import { randomUUIDv7 } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, request as httpRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import type { AppendResult, LogRecord } from '@signalbox/kafka/producer'
import { createLogger } from '@signalbox/runtime/log'
import { createMetrics } from '@signalbox/runtime/metrics'
import {
  createSigner,
  createTestClient,
  type SignedNotification,
  type TestClient,
  verifyAnswer,
} from '@signalbox/testkit/signed-notification'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { createApp } from './app.ts'
import { type ClientDirectory, loadClientDirectory } from '@signalbox/key-ring/client-directory'
import { connectionOptions, type HttpServer, openHttpServer } from './http-server.ts'
import { createKeepNotification, type NotificationLog } from '../notification/keep-notification.ts'
import { openVerifier } from '../notification/open-verifier.ts'
import { createGate, type Gate } from '../overload/gate.ts'
import { createReport } from '../report.ts'

const bodyLimitBytes = 2_000
const stored: AppendResult = { kind: 'stored', offset: '0' }
const sample = '{"referenceMerchantId":"M1","registrationResult":{"registrationStatus":"PENDING"}}'

let folder: string
let known: TestClient
let neighbour: TestClient
let clients: ClientDirectory
const verifier = openVerifier()
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ingress-app-'))
  known = await createTestClient(join(folder, 'known'))
  neighbour = await createTestClient(join(folder, 'neighbour'), {
    clientId: 'SANDBOX_5Y',
    uri: '/ams/notify',
  })
  const directories = [known, neighbour].map(({ clientsFile }) => loadClientDirectory(clientsFile))
  clients = {
    find: (id) => directories.map((one) => one.find(id)).find((client) => client !== undefined),
    hasPath: (path) => directories.some((one) => one.hasPath(path)),
    clientCount: directories.length,
    clientIds: directories.flatMap(({ clientIds }) => clientIds),
  }
})
afterAll(async () => {
  await verifier[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

const appOptions = () => ({
  clients: () => clients,
  connection: connectionOptions({ limits, certificate: null, onUnparsable: () => undefined }),
  bodyLimitBytes,
  publicPathPrefix: '',
  trustedProxies: [],
  now: Date.now,
})

const limits = {
  headersTimeoutMs: 5_000,
  requestTimeoutMs: 10_000,
  keepAliveTimeoutMs: 65_000,
  maxConnections: 100,
  maxRequestsPerConnection: 1_000,
}

let appended: LogRecord[]
let append: NotificationLog['append']
let logged: string[]
let metrics: ReturnType<typeof createMetrics>
let gate: Gate
let report: ReturnType<typeof createReport>
let server: HttpServer
beforeEach(async () => {
  appended = []
  logged = []
  append = () => Promise.resolve(stored)
  metrics = createMetrics('ingress')
  const log = createLogger('ingress', { level: 'info', destination: { write: (line) => logged.push(line) } })
  gate = createGate(
    { maxWaiting: 256, maxBytes: 1_000_000 },
    { oldestWaitMs: () => 0, now: () => performance.now() },
  )
  report = createReport({ log, metrics, gate, now: Date.now })
  const keepNotification = createKeepNotification({
    notifications: {
      append(record, options) {
        appended.push(record)
        return append(record, options)
      },
    },
    verify: verifier.verify,
    gate,
    partitions: 4,
    ackDeadlineMs: 1_000,
    maxRequestAgeMs: null,
    createId: randomUUIDv7,
    now: Date.now,
  })
  const app = createApp({ ...appOptions(), keepNotification, gate, report })
  server = await openHttpServer(app, {
    host: '127.0.0.1',
    port: 0,
    sharesPort: false,
    log,
    onDropped: () => undefined,
  })
})
afterEach(() => server[Symbol.asyncDispose]())

type Sent = {
  method?: string
  target?: string
  headers: OutgoingHttpHeaders
  body?: Buffer
  agent?: Agent
}

async function send({ method = 'POST', target = known.uri, headers, body, agent }: Sent): Promise<Received> {
  const at = { host: '127.0.0.1', port: server.port, method, path: target, headers }
  const request = httpRequest(agent === undefined ? at : { ...at, agent })
  const { promise, resolve, reject } = Promise.withResolvers<Received>()
  request.on('error', reject)
  request.on('response', (response) => {
    buffer(response).then(
      (content) => resolve({ status: response.statusCode, headers: response.headers, body: content }),
      reject,
    )
  })
  request.end(body)
  return promise
}

type Received = { status: number | undefined; headers: IncomingHttpHeaders; body: Buffer }

const resultForm = z.object({ result: z.object({ resultCode: z.string(), resultStatus: z.string() }) })

function resultOf({ body }: Pick<Received, 'body'>) {
  const { resultCode, resultStatus } = resultForm.parse(JSON.parse(body.toString())).result
  return `${resultCode} ${resultStatus}`
}

/** What an answer says, and whether it is signed for this uri; it is well-formed in any case, or this throws. */
function verdictOf(answer: Received, uri = known.uri): string {
  assert.equal(answer.status, 200)
  assert.equal(answer.headers['content-type'], 'application/json; charset=UTF-8')
  assert.match(String(answer.headers['response-time']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/)
  return `${resultOf(answer)}, ${signatureOf(answer, uri)}`
}

function signatureOf(answer: Received, uri: string): string {
  const { 'client-id': clientId, signature } = answer.headers
  if (clientId === undefined && signature === undefined) return 'unsigned'
  const verified = verifyAnswer(answer, { publicKey: known.ownPublicKey, uri })
  return verified && clientId === known.clientId ? 'signed' : 'badly signed'
}

const changed = (signed: SignedNotification, headers: Record<string, string>): Sent => ({
  ...signed,
  headers: { ...signed.headers, ...headers },
})
const without = ({ headers, body }: SignedNotification, name: string): Sent => ({
  headers: Object.fromEntries(Object.entries(headers).filter(([other]) => other !== name)),
  body,
})

describe('every result code is answered 200, signed for a known client on its path', () => {
  let signed: SignedNotification
  beforeEach(async () => {
    signed = await known.signer.sign(sample)
  })

  test('SUCCESS', async () => {
    expect(verdictOf(await send(signed))).toBe('SUCCESS S, signed')
    expect(appended.map(({ topic, value }) => [topic, value])).toEqual([['registration.raw.v1', signed.body]])
  })

  test('SUCCESS without a Content-Type, and with a query that is part of what is signed', async () => {
    const target = `${known.uri}?source=a%2fb&x=%zz`
    const { clientId, keyVersion, alipayPrivateKey: privateKey } = known
    const other = await createSigner({ clientId, keyVersion, privateKey, uri: target }).sign(sample)
    expect(verdictOf(await send({ ...without(other, 'content-type'), target }), target)).toBe(
      'SUCCESS S, signed',
    )
    expect(verdictOf(await send({ ...other, target: known.uri }))).toBe('INVALID_SIGNATURE F, signed')
  })

  test('SUCCESS with a Content-Type that only we can read', async () => {
    for (const contentType of ['', 'application/json;', 'application/json; charset="utf-8']) {
      expect(verdictOf(await send(changed(signed, { 'content-type': contentType })))).toBe(
        'SUCCESS S, signed',
      )
    }
  })

  test('METHOD_NOT_SUPPORTED', async () => {
    for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'TRACE', 'PURGE']) {
      expect(verdictOf(await send({ headers: signed.headers, method }))).toBe(
        'METHOD_NOT_SUPPORTED F, signed',
      )
    }
    expect((await send({ headers: signed.headers, method: 'HEAD' })).status).toBe(200)
  })

  test('MEDIA_TYPE_NOT_ACCEPTABLE', async () => {
    for (const headers of [{ 'content-type': 'text/xml' }, { 'content-encoding': 'gzip' }]) {
      expect(verdictOf(await send(changed(signed, headers)))).toBe('MEDIA_TYPE_NOT_ACCEPTABLE F, signed')
    }
  })

  test('PARAM_ILLEGAL for a Request-Time that is none', async () => {
    expect(verdictOf(await send(changed(signed, { 'request-time': 'yesterday' })))).toBe(
      'PARAM_ILLEGAL F, signed',
    )
    expect(verdictOf(await send(without(signed, 'request-time')))).toBe('PARAM_ILLEGAL F, signed')
  })

  test('PARAM_ILLEGAL for an encrypted body, with a warning', async () => {
    expect(verdictOf(await send(changed(signed, { encrypt: 'x' })))).toBe('PARAM_ILLEGAL F, signed')
    expect(logged.at(-1)).toMatch(/"level":40.*"reason":"encrypted"/)
  })

  test('KEY_NOT_FOUND', async () => {
    const signature = signed.headers['signature']?.replace('keyVersion=1', 'keyVersion=9') ?? ''
    expect(verdictOf(await send(changed(signed, { signature })))).toBe('KEY_NOT_FOUND F, signed')
  })

  test('INVALID_SIGNATURE', async () => {
    expect(verdictOf(await send(without(signed, 'signature')))).toBe('INVALID_SIGNATURE F, signed')
    expect(verdictOf(await send({ ...signed, body: Buffer.from(`${sample} `) }))).toBe(
      'INVALID_SIGNATURE F, signed',
    )
    expect(verdictOf(await send({ headers: signed.headers }))).toBe('INVALID_SIGNATURE F, signed')
  })

  test.each([
    ['', 'not_json_object'],
    ['[1]', 'not_json_object'],
    ['{"referenceMerchantId":""}', 'unroutable'],
  ])('PARAM_ILLEGAL for the signed body %j, which is kept in quarantine', async (body, reason) => {
    expect(verdictOf(await send(await known.signer.sign(body)))).toBe('PARAM_ILLEGAL F, signed')
    expect(appended).toHaveLength(1)
    expect(appended[0]).toMatchObject({
      topic: 'registration.quarantine.v1',
      value: Buffer.from(body),
      headers: { 'dlq-error-code': reason, 'client-id': known.clientId },
    })
  })

  test('REQUEST_TRAFFIC_EXCEED_LIMIT', async () => {
    append = () => Promise.resolve({ kind: 'refused', reason: 'queue_full' })
    expect(verdictOf(await send(signed))).toBe('REQUEST_TRAFFIC_EXCEED_LIMIT U, signed')
  })

  test('UNKNOWN_EXCEPTION when Kafka does not confirm, also of what is to be quarantined', async () => {
    append = () => Promise.resolve({ kind: 'unconfirmed', reason: 'deadline' })
    expect(verdictOf(await send(signed))).toBe('UNKNOWN_EXCEPTION U, signed')
    expect(verdictOf(await send(await known.signer.sign('no json')))).toBe('UNKNOWN_EXCEPTION U, signed')
  })

  test('UNKNOWN_EXCEPTION when something breaks here, with one error in the log', async () => {
    append = () => Promise.reject(new Error('broken'))
    expect(verdictOf(await send(signed))).toBe('UNKNOWN_EXCEPTION U, signed')
    expect(logged.filter((line) => line.includes('"level":50'))).toHaveLength(1)
    expect(gate.figures().waiting).toBe(0)
  })
})

describe('nobody else gets a signature, anything of his request back, or a place in Kafka', () => {
  test('NO_INTERFACE_DEF on a path that is not configured', async () => {
    const { headers, body } = await known.signer.sign(sample)
    for (const target of [
      '/',
      '/aps/api/v1/payments/pay',
      `${known.uri}/`,
      `/.${known.uri}`,
      '/%zz',
      '//',
      '*',
    ]) {
      expect(verdictOf(await send({ headers, body, target }))).toBe('NO_INTERFACE_DEF F, unsigned')
    }
    expect(appended).toEqual([])
  })

  test('INVALID_CLIENT for an unknown client', async () => {
    const signed = await known.signer.sign(sample)
    const answer = await send(changed(signed, { 'client-id': 'T_reflect-me' }))
    expect(verdictOf(answer)).toBe('INVALID_CLIENT F, unsigned')
    expect(JSON.stringify([answer.headers, answer.body.toString()])).not.toContain('reflect-me')
    expect(verdictOf(await send(without(signed, 'client-id')))).toBe('INVALID_CLIENT F, unsigned')
    expect(appended).toEqual([])
  })

  test('ACCESS_DENIED for a known client on the path of another', async () => {
    const { headers, body } = await known.signer.sign(sample)
    const answer = await send({ headers, body, target: neighbour.uri })
    expect(verdictOf(answer)).toBe('ACCESS_DENIED F, unsigned')
    expect(appended).toEqual([])
  })
})

describe('bodies are bounded', () => {
  test('a body of exactly the limit is taken', async () => {
    const body = sample.padEnd(bodyLimitBytes)
    expect(verdictOf(await send(await known.signer.sign(body)))).toBe('SUCCESS S, signed')
  })

  test('a longer one is refused by its length', async () => {
    expect(verdictOf(await send(await known.signer.sign(sample.padEnd(bodyLimitBytes + 1))))).toBe(
      'PARAM_ILLEGAL F, signed',
    )
  })

  test('a chunked one far over the limit is refused, and the connection can be used again', async () => {
    const { headers, body } = await known.signer.sign(sample.padEnd(1_000_000))
    const answers = await overOneSocket([
      rawRequest({ headers, body, chunked: true }),
      rawRequest({ ...(await known.signer.sign(sample)), last: true }),
    ])
    expect(answers.match(/"resultCode":"[A-Z_]+"/g)).toEqual([
      '"resultCode":"PARAM_ILLEGAL"',
      '"resultCode":"SUCCESS"',
    ])
    expect(appended).toHaveLength(1)
  })
})

test('a request with 65 headers is refused although its signature is good', async () => {
  const signed = await known.signer.sign(sample)
  const padded = (count: number) => {
    const besides = 3 // host, connection, content-length
    const fill = count - Object.keys(signed.headers).length - besides
    return Object.fromEntries(Array.from({ length: fill }, (_, index) => [`x-${index}`, 'y']))
  }
  const counted = (count: number) =>
    changed(signed, { ...padded(count), 'content-length': String(signed.body.length) })
  expect(verdictOf(await send(counted(64)))).toBe('SUCCESS S, signed')
  expect(verdictOf(await send(counted(65)))).toBe('PARAM_ILLEGAL F, signed')
  expect(verdictOf(await send(counted(200)))).toBe('PARAM_ILLEGAL F, signed')
})

test('an expectation is not answered by Node in our place', async () => {
  const signed = await known.signer.sign(sample)
  expect(verdictOf(await send(changed(signed, { expect: 'miracles' })))).toBe('SUCCESS S, signed')
})

test('header names are sent in lower case, as some verifiers need them', async () => {
  const signed = await known.signer.sign(sample)
  const answer = await overOneSocket([rawRequest({ ...signed, last: true })])
  for (const name of ['content-type', 'client-id', 'response-time', 'signature']) {
    expect(answer).toContain(`\r\n${name}: `)
  }
})

test('pipelined requests are answered in their order', async () => {
  const signed = await known.signer.sign(sample)
  const answers = await overOneSocket([
    rawRequest(signed),
    rawRequest({ ...signed, target: '/nowhere' }),
    rawRequest({ ...signed, last: true }),
  ])
  expect(answers.match(/"resultCode":"[A-Z_]+"/g)).toEqual([
    '"resultCode":"SUCCESS"',
    '"resultCode":"NO_INTERFACE_DEF"',
    '"resultCode":"SUCCESS"',
  ])
})

test('one wide line and the figures tell of a notification, and neither holds what the sender wrote', async () => {
  const target = `${known.uri}?canary=query`
  const { clientId, keyVersion, alipayPrivateKey: privateKey } = known
  const signer = createSigner({ clientId, keyVersion, privateKey, uri: target })
  const signed = await signer.sign('{"referenceMerchantId":"canary-body"}')
  await send({ ...changed(signed, { agent: 'canary-header' }), target })
  await send({
    headers: { 'client-id': 'canary-client', 'request-time': '1685599933871' },
    target: '/canary-path',
  })
  await send({ ...changed(signed, { 'request-time': 'canary-time' }), target })
  const [listening, line, refusal, ownRefusal] = logged.map((text) =>
    z.looseObject({}).parse(JSON.parse(text)),
  )
  expect(logged).toHaveLength(4)
  expect(listening).toMatchObject({ msg: 'ingress.listening', host: '127.0.0.1', port: server.port })
  expect(line).toMatchObject({
    msg: 'notification.answered',
    level: 30,
    clientId,
    resultCode: 'SUCCESS',
    bytes: signed.body.length,
    partition: appended[0]?.partition,
  })
  expect(line).toHaveProperty('notificationId', appended[0]?.headers?.['notification-id'])
  expect(line).toHaveProperty('durationMs')
  expect(refusal).toMatchObject({ resultCode: 'NO_INTERFACE_DEF', reason: 'unknown_path', level: 30 })
  const always = ['level', 'time', 'service', 'clientId', 'bytes', 'resultCode', 'durationMs', 'msg']
  expect(Object.keys(ownRefusal ?? {}).toSorted()).toEqual([...always, 'reason', 'remoteAddress'].toSorted())
  const figures = await metrics.text()
  expect(figures).toContain('notifications_answered_total{code="SUCCESS",service="ingress"} 1')
  expect(figures).toContain('notification_answer_seconds_count{service="ingress",status="S"} 1')
  expect(figures).not.toContain('notification_answer_seconds_sum{service="ingress",status="S"} 0\n')
  expect(figures).toContain('notifications_waiting{service="ingress"} 0')
  const signature = signed.headers['signature']?.slice(-100) ?? ''
  expect([...logged, figures].filter((text) => text.includes('canary') || text.includes(signature))).toEqual(
    [],
  )
})

test('a flood of strangers hides no refusal of what was signed', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  await Promise.all(Array.from({ length: 300 }, async () => send({ headers: {}, target: '/nowhere', agent })))
  agent.destroy()
  append = () => Promise.resolve({ kind: 'unconfirmed', reason: 'deadline' })
  await send(await known.signer.sign(sample))
  report.tellUnwritten()
  const lines = logged.map((line) => z.looseObject({}).parse(JSON.parse(line)))
  expect(lines.filter(({ reason }) => reason === 'deadline')).toHaveLength(1)
  const told = lines.filter(({ reason }) => reason === 'unknown_path').length
  const counted = lines.reduce((sum, { count }) => sum + Number(count ?? 0), 0)
  expect(told + counted).toBe(300)
  expect(told).toBeLessThanOrEqual(200) // The flood may lie in two seconds.
})

test('bodies of strangers that do not end take no place from a known client', async () => {
  const body = Buffer.from(sample.padEnd(bodyLimitBytes))
  const { headers } = await known.signer.sign('something else')
  const stuck = Array.from({ length: 50 }, () => {
    const socket = connect(server.port, '127.0.0.1')
    socket.write(rawRequest({ headers, body }).subarray(0, -1))
    return socket
  })
  const answers = await Promise.all(
    Array.from({ length: 20 }, async () => send(await known.signer.sign(sample))),
  )
  for (const socket of stuck) socket.destroy()
  expect(new Set(answers.map((answer) => verdictOf(answer)))).toEqual(new Set(['SUCCESS S, signed']))
  await vi.waitFor(async () =>
    expect(await metrics.text()).toMatch(/unparsable_requests_total\{cause="cut_off".*\} 50/),
  )
  expect(gate.figures()).toMatchObject({ waiting: 0, heldBytes: 0 })
})

test('closing answers what is under way and ends its connection, and takes nothing more', async () => {
  const { promise: confirmed, resolve: confirm } = Promise.withResolvers<AppendResult>()
  append = () => confirmed
  const pending = send(changed(await known.signer.sign(sample), { connection: 'keep-alive' }))
  await vi.waitFor(() => expect(appended).toHaveLength(1))
  const closing = server[Symbol.asyncDispose]()
  await vi.waitFor(() => expect(send({ headers: {} })).rejects.toThrow('ECONNREFUSED'))
  confirm(stored)
  const answer = await pending
  expect(verdictOf(answer)).toBe('SUCCESS S, signed')
  expect(answer.headers.connection).toBe('close')
  await closing
})

const neverAsked = () => Promise.reject(new Error('never asked'))

test('a port that is taken is told with the variable to change', async () => {
  const log = createLogger('x', { level: 'silent' })
  const report = createReport({ log, metrics: createMetrics('x'), gate, now: Date.now })
  const second = createApp({ ...appOptions(), keepNotification: neverAsked, gate, report })
  const taken = { host: '127.0.0.1', port: server.port, sharesPort: false, log, onDropped: () => undefined }
  await expect(openHttpServer(second, taken)).rejects.toThrow(/EADDRINUSE.*Set INGRESS_PORT/)
  await second.close()
})

function rawRequest({
  headers,
  body = Buffer.alloc(0),
  target = known.uri,
  chunked = false,
  last = false,
}: Sent & { chunked?: boolean; last?: boolean }): Buffer {
  const size = chunked ? 'transfer-encoding: chunked' : `content-length: ${body.length}`
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}`)
  const head = [`POST ${target} HTTP/1.1`, 'host: a', size, ...(last ? ['connection: close'] : []), ...lines]
  const content = chunked
    ? [Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n0\r\n\r\n')]
    : [body]
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), ...content])
}

/** Sends everything at once and reads until the server closes. */
async function overOneSocket(requests: readonly Buffer[]): Promise<string> {
  const socket = connect(server.port, '127.0.0.1')
  socket.write(Buffer.concat(requests))
  return (await buffer(socket)).toString()
}
