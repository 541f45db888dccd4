import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTcpServer, type Server } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { openWebhookSender } from './send-webhook.ts'

async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no TCP address')
  return `http://127.0.0.1:${address.port}/hook?token=1`
}

async function openEndpoint(answer: RequestListener): Promise<string> {
  const server = createServer(answer)
  onTestFinished(() => server.closeAllConnections())
  return listen(server)
}

function openSender({ timeoutMs = 5_000 } = {}) {
  const sender = openWebhookSender({ timeoutMs })
  onTestFinished(() => sender[Symbol.asyncDispose]())
  const never = new AbortController().signal
  return (url: string, signal = never) =>
    sender.send({ url, headers: { 'webhook-id': 'a-1' }, body: '{"a":1}', signal })
}

test('a call is a POST of the very bytes, and its answer is the status and Retry-After', async () => {
  const seen = Promise.withResolvers<object>()
  const url = await openEndpoint((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method, headers } = request
      seen.resolve({ method, url: request.url, headers, body: Buffer.concat(chunks).toString() })
      response.writeHead(503, { 'retry-after': '7' }).end('busy')
    })
  })
  expect(await openSender()(url)).toEqual({ kind: 'status', status: 503, retryAfter: '7' })
  expect(await seen.promise).toMatchObject({
    method: 'POST',
    url: '/hook?token=1',
    headers: { 'content-type': 'application/json', 'content-length': '7', 'webhook-id': 'a-1' },
    body: '{"a":1}',
  })
})

test('a redirect is not followed', async () => {
  let calls = 0
  const url = await openEndpoint((_, response) => {
    calls += 1
    response.writeHead(302, { location: '/elsewhere' }).end()
  })
  expect(await openSender()(url)).toEqual({ kind: 'status', status: 302, retryAfter: null })
  expect(calls).toBe(1)
})

test.each([
  ['an endless answer', true],
  ['an answer that drips', false],
])('the status counts without waiting for the rest of %s', async (_, isFast) => {
  const closed = Promise.withResolvers<void>()
  const url = await openEndpoint((_, response) => {
    response.writeHead(200)
    const timer = setInterval(() => response.write(isFast ? Buffer.alloc(65_536) : 'x'), isFast ? 1 : 50)
    response.on('close', () => {
      clearInterval(timer)
      closed.resolve()
    })
  })
  const send = openSender({ timeoutMs: 500 })
  expect(await send(url)).toEqual({ kind: 'status', status: 200, retryAfter: null })
  await closed.promise
})

test('an endpoint that never answers is a timeout', async () => {
  const url = await openEndpoint(() => {})
  expect(await openSender({ timeoutMs: 100 })(url)).toEqual({ kind: 'none', error: 'timeout' })
})

test('a call that is cancelled says so and not that the endpoint failed', async () => {
  const stop = new AbortController()
  const url = await openEndpoint(() => stop.abort(new Error('stopping')))
  await expect(openSender()(url, stop.signal)).rejects.toThrow('stopping')
})

test.each([
  ['refuses the connection', async () => 'http://127.0.0.1:1/', 'connection'],
  ['has no name', async () => 'http://nowhere.invalid/', 'dns'],
  [
    'cuts the connection',
    () => listen(createTcpServer((socket) => socket.once('data', () => socket.resetAndDestroy()))),
    'connection',
  ],
  [
    'does not speak HTTP',
    () => listen(createTcpServer((socket) => socket.once('data', () => socket.end('hello\n')))),
    'connection',
  ],
  ['does not speak TLS', async () => (await openEndpoint(() => {})).replace('http:', 'https:'), 'tls'],
])('an endpoint that %s has a code for it', async (_, open, error) => {
  expect(await openSender()(await open())).toEqual({ kind: 'none', error })
})
