import { generateKeyPair, type KeyObject } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import { dirname, join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { parseSignatureHeader } from '@signalbox/alipay/signature'
import { openInfra } from '@signalbox/embedded/infra'
import { openSupervisor } from '@signalbox/embedded/supervisor'
import {
  createSigner,
  createTestClient,
  type SignedNotification,
  verifyAnswer,
} from '@signalbox/testkit/signed-notification'
import { expect, test, vi } from 'vitest'
import { z } from 'zod'
import { createServiceProcess } from '@signalbox/testkit/service-process'

const perSecond = 500
const connections = 64
/** How many answers there are at least between two steps. */
const answersPerStep = 500
const patience = { timeout: 20_000, interval: 20 }
/** A signature made for an answer serves all equal answers of its second. */
const signatureLifeMs = 1_000

type Answer = {
  /** The version of Alipay's key under the request. */
  alipayVersion: string
  sentAtMs: number
  answeredAtMs: number
  /** Null when the request failed. */
  message: { status: number; headers: IncomingHttpHeaders; body: Buffer } | null
}

type State = 'active' | 'retiring' | 'retired'

const rsaPair = () => promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
const publicText = (key: KeyObject) => key.export({ type: 'spki', format: 'der' }).toString('base64')

/** Sends what `next` gives at a steady rate, whatever the answers do. */
function startSender(target: {
  port: number
  path: string
  next: () => { alipayVersion: string; notification: SignedNotification }
}) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections, scheduling: 'fifo' })
  const answers: Answer[] = []
  const underWay = new Map<string, number>()
  const startedAtMs = performance.now()
  let sent = 0
  let stoppedAtMs: number | undefined

  function send(): void {
    const { alipayVersion, notification } = target.next()
    const sentAtMs = Date.now()
    sent += 1
    underWay.set(alipayVersion, (underWay.get(alipayVersion) ?? 0) + 1)
    void post(agent, target, notification)
      .catch(() => null)
      .then((message) => {
        answers.push({ alipayVersion, sentAtMs, answeredAtMs: Date.now(), message })
        underWay.set(alipayVersion, (underWay.get(alipayVersion) ?? 0) - 1)
      })
  }
  const timer = setInterval(() => {
    const due = ((performance.now() - startedAtMs) / 1000) * perSecond
    while (sent < due) send()
  }, 2)

  return {
    answers,
    underWay: (alipayVersion: string) => underWay.get(alipayVersion) ?? 0,
    rate: () => sent / (((stoppedAtMs ?? performance.now()) - startedAtMs) / 1000),
    /** Stops sending and waits for the answers under way. */
    async stop(): Promise<void> {
      clearInterval(timer)
      stoppedAtMs = performance.now()
      await vi.waitFor(() => expect(answers).toHaveLength(sent), patience)
    },
    [Symbol.dispose]() {
      clearInterval(timer)
      agent.destroy()
    },
  }
}

async function post(agent: Agent, { port, path }: { port: number; path: string }, sent: SignedNotification) {
  const { promise, resolve, reject } = Promise.withResolvers<NonNullable<Answer['message']>>()
  request({ host: '127.0.0.1', port, path, agent, method: 'POST', headers: sent.headers })
    .on('error', reject)
    .on('response', (response) => {
      const { statusCode = 0, headers } = response
      buffer(response).then((body) => resolve({ status: statusCode, headers, body }), reject)
    })
    .end(sent.body)
  return promise
}

async function writeByRename(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text)
  await rename(`${file}.new`, file)
}

const logLine = z.looseObject({
  msg: z.string(),
  port: z.number().optional(),
  problem: z.string().optional(),
})

test('keys of both sides are rotated, and bad clients files written, under 500 requests/s: no valid one is refused, every answer verifies', async () => {
  await using opened = new AsyncDisposableStack()
  const infra = opened.use(await openInfra({ env: process.env, redisCount: 0 }))
  const supervisor = opened.use(await openSupervisor({ keptFolder: null, name: 'key-rotation' }))
  const client = await createTestClient(supervisor.folder)
  const { clientId, clientsFile, uri } = client
  const ingress = createServiceProcess({
    supervisor,
    name: 'ingress',
    folder: supervisor.folder,
    main: 'services/ingress/src/main.ts',
    environment: () => ({
      KAFKA_BROKERS: infra.kafkaBrokers.join(','),
      KAFKA_CREATE_TOPICS: 'true',
      TOPIC_PARTITIONS: '4',
      TOPIC_REPLICATION: '1',
      CLIENTS_FILE: clientsFile,
      LISTEN_HOST: '127.0.0.1',
      INGRESS_PORT: '0',
      OPS_PORT: '0',
    }),
    readyEvent: 'ingress.started',
  })
  opened.defer(async () => void (await ingress.stop()))

  const [alipay2, own2] = await Promise.all([rsaPair(), rsaPair()])
  const alipayPublic: Record<string, KeyObject> = { '1': client.alipayPublicKey, '2': alipay2.publicKey }
  const ownPublic: Record<string, KeyObject> = { '1': client.ownPublicKey, '2': own2.publicKey }
  const ownFiles: Record<string, string> = { '1': `keys/${clientId}.pem`, '2': 'keys/own-2.pem' }
  await writeFile(
    join(dirname(clientsFile), 'keys/own-2.pem'),
    own2.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    { mode: 0o600 },
  )
  const clientsText = (keys: { alipay: Record<string, State>; own: Record<string, State> }) =>
    JSON.stringify({
      clients: [
        {
          clientId,
          dialect: 'alipayplus',
          paths: [uri],
          alipayKeys: Object.entries(keys.alipay).map(([version, state]) => {
            const key = alipayPublic[version]
            return { version, state, publicKey: key === undefined ? 'no key' : publicText(key) }
          }),
          ownKeys: Object.entries(keys.own).map(([version, state]) => ({
            version,
            state,
            privateKeyFile: ownFiles[version],
          })),
        },
      ],
    })

  const signWith = async (keyVersion: string, privateKey: KeyObject) => {
    const signer = createSigner({ clientId, uri, keyVersion, privateKey })
    const bodies = Array.from({ length: 500 }, (_, n) =>
      JSON.stringify({ referenceMerchantId: `M${n}`, registrationResult: { registrationStatus: 'PENDING' } }),
    )
    const notifications = await Promise.all(bodies.map(async (body) => signer.sign(body)))
    return (n: number) => {
      const notification = notifications[n % notifications.length]
      if (notification === undefined) throw new Error('there are notifications')
      return { alipayVersion: keyVersion, notification }
    }
  }
  const signed1 = await signWith('1', client.alipayPrivateKey)
  const signed2 = await signWith('2', alipay2.privateKey)

  await ingress.start()
  const lines = async (msg: string) => {
    const text = await readFile(ingress.logFile, 'utf8')
    return text
      .split('\n')
      .slice(0, -1)
      .flatMap((line) => (line.includes(`"msg":"${msg}"`) ? [logLine.parse(JSON.parse(line))] : []))
  }
  const portOf = async (msg: string) => z.number().parse((await lines(msg))[0]?.port)
  const port = await portOf('ingress.listening')
  const opsUrl = `http://127.0.0.1:${await portOf('ops.listening')}`
  const refusedGauge = async () => {
    const text = await (await fetch(`${opsUrl}/metrics`)).text()
    return /^clients_file_refused\{.*\} (\d)$/m.exec(text)?.[1]
  }

  /** In the overlap one part of the sender has the new key already, another not yet. */
  const signedByEither = (n: number) => (n % 3 === 0 ? signed1(n) : signed2(n))
  let signed = signed1
  let count = 0
  using sender = startSender({ port, path: uri, next: () => signed(count++) })
  const answersMore = async (n = answersPerStep) => {
    const enough = sender.answers.length + n
    await vi.waitFor(() => expect(sender.answers.length).toBeGreaterThan(enough), patience)
  }
  const untilLogged = (msg: string, times: number) =>
    vi.waitFor(async () => expect(await lines(msg)).toHaveLength(times), patience)
  let reloads = 0
  const rotate = async (keys: { alipay: Record<string, State>; own: Record<string, State> }) => {
    const writtenAtMs = Date.now()
    await writeByRename(clientsFile, clientsText(keys))
    await untilLogged('clients.reloaded', ++reloads)
    const loadedAtMs = Date.now()
    await answersMore()
    return { writtenAtMs, loadedAtMs }
  }

  await answersMore()
  await rotate({ alipay: { 1: 'active', 2: 'active' }, own: { 1: 'active' } })
  signed = signedByEither
  await answersMore()
  await rotate({ alipay: { 1: 'retiring', 2: 'active' }, own: { 1: 'active' } })
  const own2Active = await rotate({
    alipay: { 1: 'retiring', 2: 'active' },
    own: { 1: 'retiring', 2: 'active' },
  })
  await rotate({ alipay: { 1: 'retiring', 2: 'active' }, own: { 1: 'retired', 2: 'active' } })
  signed = signed2
  await vi.waitFor(() => expect(sender.underWay('1')).toBe(0), patience)
  const rotated = { alipay: { 1: 'retired', 2: 'active' }, own: { 2: 'active' } } as const
  await rotate(rotated)
  const late = await post(new Agent(), { port, path: uri }, signed1(0).notification)
  expect(late.body.toString()).toContain('KEY_NOT_FOUND')

  const good = clientsText(rotated)
  const badKey = clientsText({ ...rotated, alipay: { 2: 'active', 3: 'active' } })
  const spoilt: [string, RegExp][] = [
    [good.slice(0, good.length / 2), /is not JSON/],
    [badKey, /has a bad key, alipayKeys version 3/],
  ]
  for (const [index, [text, told]] of spoilt.entries()) {
    await writeFile(clientsFile, text)
    await untilLogged('clients.refused', index + 1)
    expect((await lines('clients.refused'))[index]?.problem).toMatch(told)
    expect(await refusedGauge()).toBe('1')
    const ready = await fetch(`${opsUrl}/readyz`)
    expect(ready.status).toBe(200)
    expect(await ready.text()).toMatch(told)
    await answersMore()
  }
  await rotate({ ...rotated, own: { 1: 'retired', 2: 'active' } })
  expect(await refusedGauge()).toBe('0')
  expect(await (await fetch(`${opsUrl}/readyz`)).text()).not.toContain('refused')

  await sender.stop()
  const { answers } = sender
  process.stdout.write(`${answers.length} answers, ${Math.round(sender.rate())} requests/s\n`)
  expect(sender.rate()).toBeGreaterThan(perSecond * 0.95)
  const outcomes = answers.map(({ alipayVersion, message }) => {
    const verified = isVerified(message, { ownPublic, uri }) ? 'verified' : 'not verified'
    return `${codeOf(message)} to key ${alipayVersion}, ${verified}`
  })
  expect([...new Set(outcomes)].toSorted()).toEqual([
    'SUCCESS to key 1, verified',
    'SUCCESS to key 2, verified',
  ])
  const signedBy = (version: string) => answers.filter(({ message }) => ownVersionOf(message) === version)
  expect(signedBy('1').length + signedBy('2').length).toBe(answers.length)
  expect(Math.max(...signedBy('1').map(({ sentAtMs }) => sentAtMs))).toBeLessThan(
    own2Active.loadedAtMs + signatureLifeMs,
  )
  expect(Math.min(...signedBy('2').map(({ answeredAtMs }) => answeredAtMs))).toBeGreaterThanOrEqual(
    own2Active.writtenAtMs,
  )
})

const envelope = z.object({ result: z.object({ resultCode: z.string() }) })

function codeOf(message: Answer['message']): string {
  if (message === null) return 'no answer'
  if (message.status !== 200) return `HTTP ${message.status}`
  return envelope.parse(JSON.parse(message.body.toString())).result.resultCode
}

/** The version of the acquirer's key under an answer. */
function ownVersionOf(message: Answer['message']): string | null {
  return parseSignatureHeader(String(message?.headers['signature'] ?? ''))?.keyVersion ?? null
}

function isVerified(
  message: Answer['message'],
  { ownPublic, uri }: { ownPublic: Record<string, KeyObject>; uri: string },
): boolean {
  const publicKey = ownPublic[ownVersionOf(message) ?? '']
  return message !== null && publicKey !== undefined && verifyAnswer(message, { publicKey, uri })
}
