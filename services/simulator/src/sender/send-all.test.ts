import { generateKeyPairSync } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { formatResponseTime } from '@signalbox/alipay/request-time'
import { type ResultCode, resultBody } from '@signalbox/alipay/result'
import {
  createSignature,
  formatSignatureHeader,
  parseSignatureHeader,
  verifySignature,
} from '@signalbox/alipay/signature'
import { type SentLine, sentLine } from '@signalbox/contracts/simulator-files'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { documentedSender } from '../history/sender-quirks.ts'
import type { SenderClient } from '../sandbox.ts'
import type { Outgoing } from './outgoing.ts'
import { openWire, type Wire } from './post.ts'
import { sendAll, type Tally } from './send-all.ts'

const alipay = generateKeyPairSync('rsa', { modulusLength: 2048 })
const acquirer = generateKeyPairSync('rsa', { modulusLength: 2048 })
const client: SenderClient = {
  clientId: 'SANDBOX_5X00000000000000',
  dialect: 'alipayplus',
  path: '/alipayplus/notifyRegistrationStatus',
  keyVersion: '1',
  privateKey: alipay.privateKey,
  acquirerKeys: new Map([['1', acquirer.publicKey]]),
}
const requestTimeMs = Date.UTC(2026, 4, 3, 9)

type Received = { requestTime: string; body: Buffer; verified: boolean }
type Reply = (request: Received, response: ServerResponse) => Promise<void>

let received: Received[]
/** What the acquirer does with one request after the other; the last one for all that follow. */
let replies: Reply[]
let server: Server

beforeEach(async () => {
  received = []
  server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

describe('a notification is tried', () => {
  test('once, when the answer is a signed S', async () => {
    replies = [signed('SUCCESS')]
    const { lines, tally } = await send([notification('n1')])
    expect(received).toMatchObject([{ verified: true }])
    expect(lines).toMatchObject([
      {
        sendId: 'n1',
        attempt: 1,
        resultCode: 'SUCCESS',
        resultStatus: 'S',
        answerVerified: true,
        problem: null,
      },
    ])
    expect(tally).toMatchObject({ accepted: 1, givenUp: 0, attempts: 1 })
  })

  test('again after U, until S', async () => {
    replies = [signed('UNKNOWN_EXCEPTION'), signed('REQUEST_TRAFFIC_EXCEED_LIMIT'), signed('SUCCESS')]
    const { lines, tally } = await send([notification('n1')])
    expect(
      lines.map(({ attempt, resultStatus, answerVerified }) => [attempt, resultStatus, answerVerified]),
    ).toEqual([
      [1, 'U', true],
      [2, 'U', true],
      [3, 'S', true],
    ])
    expect(tally).toMatchObject({ accepted: 1, attempts: 3 })
  })

  test('again after a connection that is cut', async () => {
    replies = [async (_, response) => void response.destroy(), signed('SUCCESS')]
    const { lines } = await send([notification('n1')])
    expect(lines.map(({ resultStatus, problem }) => [resultStatus, problem])).toEqual([
      [null, expect.any(String)],
      ['S', null],
    ])
  })

  test('eight times in all, then given up', async () => {
    replies = [signed('INVALID_CLIENT')]
    const { lines, tally } = await send([notification('n1')])
    expect(lines.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    expect(tally).toMatchObject({ accepted: 0, givenUp: 1 })
  })

  test('nine times in the AMS dialect, which begins with a retry at once', async () => {
    replies = [signed('UNKNOWN_EXCEPTION')]
    const { lines } = await send([{ ...notification('n1'), dialect: 'ams' }])
    expect(lines).toHaveLength(9)
  })

  test('with the same time and bytes, or signed anew with the time of the schedule', async () => {
    replies = [signed('UNKNOWN_EXCEPTION'), signed('UNKNOWN_EXCEPTION'), signed('SUCCESS')]
    await send([notification('same')])
    expect(received.map(({ requestTime }) => requestTime)).toEqual(
      Array(3).fill('2026-05-03T14:30:00.000+05:30'),
    )
    received = []
    await send([{ ...notification('fresh'), freshTimeOnRetry: true }])
    expect(received.map(({ requestTime }) => requestTime)).toEqual([
      '2026-05-03T14:30:00.000+05:30',
      '2026-05-03T14:32:00.000+05:30',
      '2026-05-03T14:42:00.000+05:30',
    ])
    expect(received.every(({ verified }) => verified)).toBe(true)
  })
})

describe('an S does not count', () => {
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 })
  test.each<[string, Reply]>([
    ['without a signature', withHeaders({ signature: null })],
    ['under another key', signed('SUCCESS', { key: stranger.privateKey })],
    ['for another client', withHeaders({ 'client-id': 'SANDBOX_5Y00000000000000' })],
    ['with another response-time', withHeaders({ 'response-time': '2026-05-03T09:00:00+00:00' })],
    ['without a response-time', withHeaders({ 'response-time': null })],
    [
      'with another body',
      signed('SUCCESS', { body: Buffer.from('{"result":{"resultCode":"SUCCESS","resultStatus":"S"}}') }),
    ],
    ['with an unknown key version', signed('SUCCESS', { keyVersion: '9' })],
    ['with another HTTP status', signed('SUCCESS', { status: 500 })],
  ])('%s', async (_, reply) => {
    replies = [reply, signed('SUCCESS')]
    const { lines, tally } = await send([notification('n1')])
    expect(lines.map(({ resultStatus, answerVerified }) => [resultStatus, answerVerified])).toEqual([
      ['S', false],
      ['S', true],
    ])
    expect(lines[0]?.problem).toBeTruthy()
    expect(tally.accepted).toBe(1)
  })
})

test('no more requests are under way than asked, and each notification gets its own answer', async () => {
  const ids = Array.from({ length: 40 }, (_, number) => `n${number}`)
  const tally: Tally = { total: 40, started: 0, attempts: 0, accepted: 0, givenUp: 0 }
  const lines: SentLine[] = []
  const open = Promise.withResolvers<void>()
  let underWay = 0
  let most = 0
  const wire: Pick<Wire, 'post'> = {
    async post() {
      underWay += 1
      most = Math.max(most, underWay)
      await open.promise
      underWay -= 1
      return { resultCode: 'SUCCESS', resultStatus: 'S', answerVerified: true, problem: null }
    },
  }
  const sending = send(ids.map(notification), { wire, tally, record: (line) => lines.push(line) })
  await vi.waitFor(() => expect([tally.started, underWay]).toEqual([40, 4]))
  open.resolve()
  await sending
  expect(most).toBe(4)
  expect(new Set(lines.map(({ sendId }) => sendId))).toEqual(new Set(ids))
})

test('a retry that waits for its time holds up no other notification', async () => {
  replies = [signed('UNKNOWN_EXCEPTION'), signed('SUCCESS')]
  const stop = new AbortController()
  const lines: SentLine[] = []
  const sending = send([notification('slow'), notification('quick')], {
    concurrency: 1,
    hourMs: 3_600_000,
    stop: stop.signal,
    record: (line) => {
      lines.push(line)
      if (line.sendId === 'quick') stop.abort()
    },
  })
  expect((await sending).tally).toMatchObject({ accepted: 1, givenUp: 1 })
  expect(lines.map(({ sendId, resultStatus }) => [sendId, resultStatus])).toEqual([
    ['slow', 'U'],
    ['quick', 'S'],
  ])
})

test('told to stop, it begins nothing more and leaves the rest', async () => {
  replies = [signed('SUCCESS')]
  const stop = new AbortController()
  const { tally } = await send(
    Array.from({ length: 50 }, (_, number) => notification(`n${number}`)),
    {
      ratePerSecond: 100,
      stop: stop.signal,
      record: () => stop.abort(),
    },
  )
  expect(tally.started).toBeLessThan(50)
})

async function send(sends: Outgoing[], changed: Partial<Parameters<typeof sendAll>[0]> = {}) {
  const lines: SentLine[] = []
  const tally: Tally = { total: sends.length, started: 0, attempts: 0, accepted: 0, givenUp: 0 }
  await using wire = openWire({ origin: originOf(server), connections: 4 })
  await sendAll({
    sends,
    clients: [client],
    wire,
    ratePerSecond: 10_000,
    concurrency: 4,
    hourMs: 1,
    record: (line) => lines.push(sentLine.parse(line)),
    tally,
    stop: new AbortController().signal,
    ...changed,
  })
  return { lines, tally }
}

function notification(sendId: string): Outgoing {
  return {
    sendId,
    kind: 'first',
    clientId: client.clientId,
    dialect: 'alipayplus',
    merchant: 'M1',
    store: null,
    round: 'R1',
    body: Buffer.from('{"referenceMerchantId":"M1"}'),
    requestTimeMs,
    freshTimeOnRetry: false,
    quirks: documentedSender,
  }
}

async function answer(request: IncomingMessage, response: ServerResponse) {
  const body = await buffer(request)
  const header = parseSignatureHeader(String(request.headers['signature']))
  const requestTime = String(request.headers['request-time'])
  const parts = { uri: request.url ?? '', clientId: client.clientId, time: requestTime, body }
  const verified = header !== null && verifySignature(parts, header.signature, alipay.publicKey)
  const message = { requestTime, body, verified }
  received.push(message)
  await (replies[received.length - 1] ?? replies.at(-1))?.(message, response)
}

/** The right answer, but for what is changed after signing. */
function signed(
  code: ResultCode,
  changed: Partial<{
    key: typeof acquirer.privateKey
    keyVersion: string
    body: Buffer
    status: number
    headers: Record<string, string | null>
  }> = {},
): Reply {
  return async (_, response) => {
    const time = formatResponseTime(Date.now())
    const body = resultBody(code)
    const parts = { uri: client.path, clientId: client.clientId, time, body }
    const signature = await createSignature(parts, changed.key ?? acquirer.privateKey)
    const headers = {
      'content-type': 'application/json; charset=UTF-8',
      'client-id': client.clientId,
      'response-time': time,
      signature: formatSignatureHeader({ keyVersion: changed.keyVersion ?? '1', signature }),
      ...changed.headers,
    }
    response.writeHead(
      changed.status ?? 200,
      Object.entries(headers).flatMap(([name, value]) => (value === null ? [] : [name, value])),
    )
    response.end(changed.body ?? body)
  }
}

function withHeaders(headers: Record<string, string | null>): Reply {
  return signed('SUCCESS', { headers })
}

function originOf(listening: Server): string {
  const address = listening.address()
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}
