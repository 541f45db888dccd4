import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSignature, formatSignatureHeader } from '@signalbox/alipay/signature'
import { expect, onTestFinished, test } from 'vitest'
import { outcomes } from './load-plan.ts'
import { writeRequests } from './prepared-requests.ts'
import { countAnswered, countOutcomes, latenciesMs, partOfLoad, quantile, runLoad } from './run-load.ts'

const own = generateKeyPairSync('rsa', { modulusLength: 2048 })
const uri = '/notify'
const envelope = (letter: string) =>
  `{"result":{"resultCode":"CODE","resultStatus":"${letter}","resultMessage":"words"}}`

const plain = (body: string, more = '') =>
  `HTTP/1.1 200 OK\r\n${more}Content-Length: ${body.length}\r\n\r\n${body}`

async function signed(body: string): Promise<string> {
  const parts = { uri, clientId: 'C', time: 'now', body: Buffer.from(body) }
  const signature = await createSignature(parts, own.privateKey)
  const header = formatSignatureHeader({ keyVersion: '1', signature })
  return plain(body, `Client-Id: C\r\nResponse-Time: now\r\nSignature: ${header}\r\n`)
}

/** A server that hands each request, whole, to `answer` with its number. */
async function serve(answer: (socket: Socket, n: number, request: string) => void): Promise<number> {
  let requests = 0
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', (bytes) => answer(socket, requests++, bytes.toString()))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the server has no port')
  return address.port
}

async function prepared(requests: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'load-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return (
    await writeRequests(
      join(folder, 'requests'),
      requests.map((text) => Buffer.from(text)),
    )
  ).file
}

const answerKey = own.publicKey.export({ type: 'spki', format: 'pem' }).toString()

test('each answer comes to the one outcome that it deserves, whatever came before it', async () => {
  const good = await signed(envelope('S'))
  const answers = [
    good,
    good.replace('"S"', '"U"'),
    plain(envelope('S')),
    plain(envelope('U')),
    await signed(envelope('F')),
    good.replace('200 OK', '503 Busy'),
    plain('{"result":{}}'),
    good + good,
    '',
    good,
  ]
  const port = await serve((socket, n) => {
    const answer = answers[n % answers.length] ?? ''
    if (answer === '') socket.destroy()
    else socket.write(answer)
  })
  const record = await runLoad({
    port,
    requestsFile: await prepared(['request']),
    pace: { kind: 'closed', connections: 1 },
    durationMs: 500,
    answerKey,
    uri,
  })
  const counts = countOutcomes(record)
  const turns = Math.floor(record.outcome.length / answers.length)
  expect(turns).toBeGreaterThan(5)
  const perTurn = {
    S: 2,
    U: 1,
    F: 1,
    'badly signed': 2,
    malformed: 3,
    'broken off': 1,
    unanswered: 0,
    unsent: 0,
  }
  for (const outcome of outcomes) {
    // The last turn may have been cut short.
    const few = perTurn[outcome] * turns
    const beyond = { outcome, count: counts[outcome] - few }
    expect(beyond).toSatisfy(({ count }: typeof beyond) => count >= 0 && count <= perTurn[outcome])
  }
})

test('an answer in pieces is one answer; a connection that the answer closes is replaced', async () => {
  const body = envelope('S')
  const seen: string[] = []
  const port = await serve((socket, n, request) => {
    seen.push(request)
    const answer = plain(body, n % 3 === 0 ? 'Connection: close\r\n' : '')
    socket.write(answer.slice(0, 30), () =>
      setImmediate(() => {
        socket.write(answer.slice(30))
        if (n % 3 === 0) socket.end()
      }),
    )
  })
  const record = await runLoad({
    port,
    requestsFile: await prepared(['first', 'second', 'third']),
    firstRequest: 1,
    pace: { kind: 'closed', connections: 4 },
    durationMs: 500,
  })
  const { S, ...others } = countOutcomes(record)
  expect(S).toBe(record.outcome.length)
  expect(Object.values(others).every((count) => count === 0)).toBe(true)
  expect(record.connectionsOpened).toBeGreaterThan(4)
  // In turn, from the one that was asked for.
  expect(new Set(seen)).toEqual(new Set(['first', 'second', 'third']))
  expect(seen[0]).toBe('second')
})

test('in an open loop requests fall due whatever the answers do, and waiting counts', async () => {
  const port = await serve((socket) => setTimeout(() => socket.write(plain(envelope('S'))), 40))
  const record = await runLoad({
    port,
    requestsFile: await prepared(['request']),
    pace: { kind: 'open', perSecond: 50, connections: 1 },
    durationMs: 1_000,
  })
  // One connection does 25 a second at most, so the last of 50 wait for about a second.
  expect(countOutcomes(record)).toMatchObject({ S: 50, unanswered: 0 })
  expect(record.connectionsOpened).toBe(1)
  expect([...record.dueMs]).toEqual(Array.from({ length: 50 }, (_, n) => n * 20))
  expect(quantile(latenciesMs(record, ['S']), 0.99)).toBeGreaterThan(500)
  expect(quantile(latenciesMs(record, ['S'], { since: 'sent' }), 0)).toBeGreaterThanOrEqual(38)
  expect(countAnswered(record, ['S'], { fromMs: 0, untilMs: 1_000 })).toBeLessThanOrEqual(25)
})

test('what one rate could not send is left out when the next begins', async () => {
  const port = await serve((socket) => setTimeout(() => socket.write(plain(envelope('S'))), 20))
  const record = await runLoad({
    port,
    requestsFile: await prepared(['request']),
    pace: {
      kind: 'open',
      perSecond: [
        { fromMs: 0, perSecond: 10 },
        { fromMs: 400, perSecond: 1_000 },
        { fromMs: 800, perSecond: 10 },
      ],
      connections: 2,
    },
    durationMs: 1_200,
  })
  const before = partOfLoad(record, { fromMs: 0, untilMs: 400 })
  const burst = partOfLoad(record, { fromMs: 400, untilMs: 800 })
  const after = partOfLoad(record, { fromMs: 800, untilMs: 1_200 })
  expect(countOutcomes(before)).toMatchObject({ S: 4, unsent: 0 })
  expect(burst.outcome).toHaveLength(400)
  const { S, unsent } = countOutcomes(burst)
  expect(S + unsent).toBe(400)
  expect(S).toBeLessThanOrEqual(44)
  expect(burst.sentMs.filter((atMs) => Number.isNaN(atMs))).toHaveLength(unsent)
  expect(countOutcomes(after)).toMatchObject({ S: 4, unsent: 0 })
})

test('what nobody answers is unanswered', async () => {
  const port = await serve(() => undefined)
  const record = await runLoad({
    port,
    requestsFile: await prepared(['request']),
    pace: { kind: 'open', perSecond: 20, connections: 5 },
    durationMs: 500,
    patienceMs: 200,
  })
  expect(countOutcomes(record)).toMatchObject({ unanswered: 10, S: 0 })
})
