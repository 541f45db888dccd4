import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { buffer, text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { parsePrivateKey, parsePublicKey } from '@signalbox/alipay/keys'
import { formatResponseTime, parseRequestTime } from '@signalbox/alipay/request-time'
import { resultBody } from '@signalbox/alipay/result'
import {
  createSignature,
  formatSignatureHeader,
  parseSignatureHeader,
  verifySignature,
} from '@signalbox/alipay/signature'
import { clientsFile } from '@signalbox/contracts/clients-file'
import { endpointsFile } from '@signalbox/contracts/endpoints-file'
import { deliveryLine, sentLine, truthFile } from '@signalbox/contracts/simulator-files'
import { readJsonFile, readNamedFile } from '@signalbox/runtime/files'
import { type OracleRecord, naiveOracle } from '@signalbox/naive-oracle/naive-oracle'
import { Webhook } from 'standardwebhooks'
import { beforeAll, afterAll, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { createSandbox } from './sandbox.ts'

const program = fileURLToPath(new URL('./main.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'signalbox-simulator-'))

beforeAll(() =>
  createSandbox({
    folder,
    clients: 2,
    paths: { alipayplus: '/alipayplus/notify', ams: '/ams/notify' },
    sinkUrl: 'http://127.0.0.1:1',
  }),
)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('what send tells to have sent is what arrived, and its truth is what that means', async () => {
  const acquirer = await openAcquirer()
  const sending = start(
    'send',
    '--folder',
    folder,
    '--url',
    acquirer.url,
    '--notifications',
    '150',
    '--rate',
    '2000',
    '--seeds',
    '--hour-ms',
    '1',
  )
  const { code, stdout } = await ended(sending)
  expect(stdout).toMatch(/^Sent 152 of 152 notifications .* 152 accepted with a verified S, 0 given up\.$/m)
  expect(code).toBe(0)

  const lines = readLines('sent.jsonl', sentLine)
  const tries = Map.groupBy(lines, ({ sendId }) => sendId)
  expect(tries.size).toBe(152)
  for (const attempts of tries.values()) {
    expect(attempts.map(({ attempt }) => attempt)).toEqual(attempts.map((_, index) => index + 1))
    expect(attempts.at(-1)).toMatchObject({ resultStatus: 'S', answerVerified: true })
  }
  expect(lines.filter(({ resultStatus }) => resultStatus === 'U').length).toBe(acquirer.refused())
  expect(acquirer.refused()).toBeGreaterThan(0)

  const { final } = naiveOracle(acquirer.accepted)
  const seen = [...final].map(
    ([key, { collectiveStatus, entries }]) => [key, { collectiveStatus, entries }] as const,
  )
  const { registrations } = readJsonFile(join(folder, 'truth.json'), 'test', truthFile)
  const truth = registrations.map(
    ({ registration: id, ...view }) =>
      [JSON.stringify([id.clientId, id.referenceMerchantId, id.referenceStoreId]), view] as const,
  )
  expect(new Map(seen)).toEqual(new Map(truth))
})

test('a send that is interrupted ends by itself, and says that not all arrived', async () => {
  const acquirer = await openAcquirer()
  const sending = start('send', '--folder', folder, '--url', acquirer.url, '--seed', '2', '--rate', '20')
  await expect.poll(() => acquirer.accepted.length, { timeout: 10_000 }).toBeGreaterThan(0)
  sending.kill('SIGINT')
  const { code, stdout } = await ended(sending)
  expect(code).toBe(1)
  expect(stdout).toMatch(/^Sent \d+ of 500 notifications/)
})

test('sinks tell where they listen, keep what they receive, and end when told', async () => {
  const sinks = start('sinks', '--folder', folder, '--port', '0', '--register')
  const port = await listeningPort(sinks)
  const [endpoint] = readJsonFile(join(folder, 'endpoints.json'), 'test', endpointsFile).endpoints
  expect(endpoint?.url).toBe(`http://127.0.0.1:${port}/merchant-1`)

  const now = new Date()
  const secret = readFileSync(join(folder, endpoint?.secretFile ?? ''), 'utf8').trim()
  const answer = await fetch(endpoint?.url ?? '', {
    method: 'POST',
    headers: {
      'webhook-id': 'a-1',
      'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
      'webhook-signature': new Webhook(secret).sign('a-1', now, '{}'),
    },
    body: '{}',
  })
  expect(answer.status).toBe(204)
  expect(readLines('deliveries.jsonl', deliveryLine)).toMatchObject([
    { endpointId: 'merchant-1', webhookId: 'a-1', body: '{}', verified: true, answered: 204 },
  ])
  sinks.kill('SIGTERM')
  expect(await ended(sinks)).toMatchObject({ code: 0 })
})

function start(...args: string[]) {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

async function ended(child: ReturnType<typeof start>) {
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const [stdout, code] = await Promise.all([text(child.stdout), exit])
  return { stdout, code }
}

async function listeningPort(child: ReturnType<typeof start>): Promise<number> {
  const event = z.object({ msg: z.literal('sinks.listening'), port: z.number() })
  for await (const line of createInterface({ input: child.stdout })) return event.parse(JSON.parse(line)).port
  throw new Error('the sinks ended without listening')
}

function readLines<S extends z.ZodType>(name: string, schema: S): z.output<S>[] {
  const lines = readFileSync(join(folder, name), 'utf8').trimEnd().split('\n')
  return lines.map((line) => schema.parse(JSON.parse(line)))
}

/** An acquirer after the clients file: it checks signatures, signs its answers, and every fifth one is U. */
async function openAcquirer() {
  const path = join(folder, 'clients.json')
  const clients = new Map(
    readJsonFile(path, 'test', clientsFile).clients.map((client) => {
      const alipay = parsePublicKey(client.alipayKeys[0]?.publicKey ?? '')
      const ownFile = join(dirname(path), client.ownKeys[0]?.privateKeyFile ?? '')
      const own = parsePrivateKey(readNamedFile(ownFile, 'test'))
      if (alipay.kind !== 'key' || own.kind !== 'key') throw new Error('the sandbox has bad keys')
      return [client.clientId, { ...client, alipay: alipay.key, own: own.key }]
    }),
  )
  const accepted: OracleRecord[] = []
  let received = 0
  let refused = 0
  const server = createServer((request, response) => void answer(request, response))
  async function answer(request: IncomingMessage, response: ServerResponse) {
    const body = await buffer(request)
    const uri = request.url ?? ''
    const clientId = String(request.headers['client-id'])
    const time = String(request.headers['request-time'])
    const client = clients.get(clientId)
    const signature = parseSignatureHeader(String(request.headers['signature']))
    const signed =
      client !== undefined &&
      client.paths.includes(uri) &&
      signature !== null &&
      verifySignature({ uri, clientId, time, body }, signature.signature, client.alipay)
    if (!signed) return response.writeHead(500).end()
    received += 1
    const refuses = received % 5 === 0
    if (refuses) refused += 1
    else {
      accepted.push({
        body: body.toString(),
        clientId,
        dialect: client.dialect,
        push: false,
        requestTimeMs: parseRequestTime(time) ?? Number.NaN,
        appendTimeMs: Date.now(),
      })
    }
    const result = resultBody(refuses ? 'UNKNOWN_EXCEPTION' : 'SUCCESS')
    const responseTime = formatResponseTime(Date.now())
    const ours = await createSignature({ uri, clientId, time: responseTime, body: result }, client.own)
    return response
      .writeHead(200, {
        'client-id': clientId,
        'response-time': responseTime,
        signature: formatSignatureHeader({ keyVersion: '1', signature: ours }),
      })
      .end(result)
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : ''
  return { url: `http://127.0.0.1:${port}`, accepted, refused: () => refused }
}
