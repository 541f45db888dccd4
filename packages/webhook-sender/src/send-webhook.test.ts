import { spawn } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { connect, Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { Worker } from 'node:worker_threads'
import { gzipSync } from 'node:zlib'
import { describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { createCertificate } from './certificate.fixture.ts'
import { answers, answersOk, openEndpoint, openSender } from './endpoint.fixture.ts'

const url = (port: number, path = '/hook?token=1') => `http://127.0.0.1:${port}${path}`
const status = (code: number, more: { retryAfter?: string; body?: string | null } = {}) => {
  return { kind: 'status', status: code, retryAfter: null, body: null, ...more }
}
const none = (error: string) => ({ kind: 'none', error })

/** Waits for a whole request, then lets an endpoint answer as it likes. */
const onRequest = (answer: (socket: Socket) => void) => (socket: Socket) => {
  socket.on('data', (chunk: Buffer) => {
    if (chunk.at(-1) === '}'.charCodeAt(0)) answer(socket)
  })
}
/** Writes again and again until the socket is closed. */
function drip(socket: Socket, chunk: string | Buffer, everyMs: number): void {
  const timer = setInterval(() => socket.write(chunk), everyMs)
  socket.once('close', () => clearInterval(timer))
}

test('a call is a POST of the very bytes, and its answer is the status and Retry-After', async () => {
  const requests: string[] = []
  const endpoint = await openEndpoint((socket) => {
    socket.on('data', (chunk: Buffer) => requests.push(chunk.toString()))
    answers('HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 4\r\n\r\nbusy')(socket)
  })
  const send = openSender()
  const headers = { 'webhook-id': 'a-1', 'x-own': 'é'.normalize() }
  expect(await send(url(endpoint.port), { headers, body: '{"é":1}' })).toEqual(
    status(503, { retryAfter: '7' }),
  )
  const [head = '', body] = requests.join('').split('\r\n\r\n')
  expect(body).toBe('{"é":1}')
  expect(head).toMatch(/^POST \/hook\?token=1 HTTP\/1\.1\r\n/)
  for (const line of [
    `host: 127.0.0.1:${endpoint.port}`,
    'content-type: application/json',
    'user-agent: signalbox-webhooks',
    'content-length: 8',
    'webhook-id: a-1',
  ]) {
    expect(head.toLowerCase().split('\r\n')).toContain(line)
  }
  expect(head).not.toMatch(/accept-encoding/i)
})

test('calls after one another use one connection', async () => {
  const endpoint = await openEndpoint(answersOk)
  const send = openSender()
  for (let call = 0; call < 5; call += 1) {
    expect(await send(url(endpoint.port))).toEqual(status(200))
    await setImmediate()
  }
  expect(endpoint.connections()).toBe(1)
})

/** The sockets that this process connects from now on; `see` is told of each before anybody else listens to it. */
function watchSockets(see: (socket: Socket) => void = () => undefined): Socket[] {
  const sockets: Socket[] = []
  const watch = (message: unknown) => {
    if (typeof message !== 'object' || message === null || !('socket' in message)) return
    if (!(message.socket instanceof Socket)) return
    sockets.push(message.socket)
    see(message.socket)
  }
  subscribe('net.client.socket', watch)
  onTestFinished(() => void unsubscribe('net.client.socket', watch))
  return sockets
}

const answerOf = (body: string | Buffer, headers = '') =>
  onRequest((socket) => {
    socket.write(`HTTP/1.1 200 OK\r\n${headers}content-length: ${Buffer.byteLength(body)}\r\n\r\n`)
    socket.write(body)
  })

describe('of the body of an answer', () => {
  test('nothing is kept unless asked for', async () => {
    const endpoint = await openEndpoint(answerOf('hello'))
    const send = openSender()
    expect(await send(url(endpoint.port))).toEqual(status(200))
    expect(await send(url(endpoint.port), { keepBytes: 5 })).toEqual(status(200, { body: 'hello' }))
    expect(await send(url(endpoint.port), { keepBytes: 4 })).toEqual(status(200, { body: 'hell' }))
  })

  test('a character cut in half is left out, and what would change the text around is taken out', async () => {
    const endpoint = await openEndpoint(answerOf('a\r\n\u0000\u001b[31m\u202eb\u2028é'))
    const send = openSender()
    const all = await send(url(endpoint.port), { keepBytes: 100 })
    expect(all).toEqual(status(200, { body: 'a [31m b é' }))
    const bytes = Buffer.byteLength('a\r\n\u0000\u001b[31m\u202eb\u2028é') - 1
    expect(await send(url(endpoint.port), { keepBytes: bytes })).toEqual(status(200, { body: 'a [31m b ' }))
  })

  test.each([
    ['bytes that are no text', Buffer.from([0xff, 0x61, 0xfe]), '\ufffda\ufffd'],
    ['nothing', '', ''],
  ])('%s can be kept', async (_, body, text) => {
    const endpoint = await openEndpoint(answerOf(body))
    expect(await openSender()(url(endpoint.port), { keepBytes: 100 })).toEqual(status(200, { body: text }))
  })

  test('at most 4096 bytes are kept', async () => {
    const endpoint = await openEndpoint(answerOf('x'.repeat(20_000)))
    const answer = await openSender()(url(endpoint.port), { keepBytes: 1_000_000 })
    expect(answer).toEqual(status(200, { body: 'x'.repeat(4_096) }))
  })

  test.each(['gzip', 'x-unknown', 'br, gzip'])(
    'nothing is decoded: with %s nothing is kept',
    async (encoding) => {
      const bomb = gzipSync(Buffer.alloc(50_000_000))
      const endpoint = await openEndpoint(answerOf(bomb, `content-encoding: ${encoding}\r\n`))
      const before = process.memoryUsage.rss()
      expect(await openSender()(url(endpoint.port), { keepBytes: 4_096 })).toEqual(status(200))
      expect(process.memoryUsage.rss() - before).toBeLessThan(40_000_000)
    },
  )
})

describe('what an endpoint may do while it answers', () => {
  const head = 'HTTP/1.1 200 OK\r\n'
  const big = 10 * 1024 * 1024
  const standard = { timeoutMs: 300, headersMs: 5_000, bodyMs: 5_000 }
  const half = 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf'
  type Case = [string, (socket: Socket) => void, object, Partial<typeof standard>?]
  const cases: Case[] = [
    ['says nothing', () => undefined, none('timeout')],
    [
      'says nothing before the limit for headers',
      () => undefined,
      none('timeout'),
      { timeoutMs: 20_000, headersMs: 100 },
    ],
    [
      'drips a header',
      (socket) => {
        socket.write(`${head}x-more: `)
        drip(socket, 'x', 20)
      },
      none('timeout'),
    ],
    [
      'drips headers that are right',
      (socket) => {
        socket.write(head)
        drip(socket, 'x-more: 1\r\n', 20)
      },
      none('timeout'),
    ],
    [
      'goes on with interim answers',
      (socket) => drip(socket, 'HTTP/1.1 103 Early Hints\r\n\r\n', 5),
      none('timeout'),
    ],
    [
      'drips its body',
      (socket) => {
        socket.write(`${head}content-length: 1000\r\n\r\n`)
        drip(socket, 'x', 20)
      },
      status(200),
    ],
    [
      'drips its body for longer than is waited for',
      (socket) => {
        socket.write(`${head}content-length: 100000\r\n\r\n`)
        drip(socket, 'x', 20)
      },
      status(200),
      { timeoutMs: 60_000, bodyMs: 100 },
    ],
    ['resets at once', (socket) => socket.resetAndDestroy(), none('connection')],
    ['hangs up at once', (socket) => socket.end(), none('connection')],
    [
      'resets within its headers',
      (socket) => socket.write(head, () => socket.resetAndDestroy()),
      none('connection'),
    ],
    ['hangs up within its headers', (socket) => socket.end(head), none('connection')],
    ['hangs up within its body', (socket) => socket.end(half), status(200)],
    [
      'sends 10 MB as it said',
      (socket) => {
        socket.write(`${head}content-length: ${big}\r\n\r\n`)
        socket.write(Buffer.alloc(big, 'x'))
      },
      status(200),
    ],
    [
      'sends without end',
      (socket) => {
        socket.write(`${head}transfer-encoding: chunked\r\n\r\n`)
        drip(socket, `10000\r\n${'x'.repeat(0x10000)}\r\n`, 1)
      },
      status(200),
    ],
    [
      'sends headers of 20 kB',
      (socket) => socket.write(`${head}x-big: ${'x'.repeat(20_000)}\r\n\r\n`),
      none('connection'),
    ],
    [
      'sends 10 MB of headers',
      (socket) => socket.write(`${head}${`x-more: ${'x'.repeat(1_000)}\r\n`.repeat(10_000)}\r\n`),
      none('connection'),
    ],
    ['does not speak HTTP', (socket) => socket.write('hello\n'), none('connection')],
    ['speaks HTTP/0.9', (socket) => socket.end('<html></html>'), none('connection')],
    ['has no status', (socket) => socket.write('HTTP/1.1 \r\n\r\n'), none('connection')],
    [
      'has a status that is no number',
      (socket) => socket.write('HTTP/1.1 2xx OK\r\n\r\n'),
      none('connection'),
    ],
    ['breaks a line of its headers', (socket) => socket.write(`${head}a b: c\r\n\r\n`), none('connection')],
    [
      'has two lengths',
      (socket) => socket.write(`${head}content-length: 1\r\ncontent-length: 2\r\n\r\nab`),
      none('connection'),
    ],
    [
      'has a length and chunks',
      (socket) =>
        socket.write(`${head}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n`),
      none('connection'),
    ],
    [
      'has a length below nothing',
      (socket) => socket.write(`${head}content-length: -1\r\n\r\n`),
      none('connection'),
    ],
    [
      'has chunks that are none',
      (socket) => socket.write(`${head}transfer-encoding: chunked\r\n\r\nZZ\r\n`),
      status(200),
    ],
    [
      'wants another protocol',
      (socket) => socket.write('HTTP/1.1 101 Switching\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n'),
      none('connection'),
    ],
    [
      'asks for the rest of the call',
      (socket) => socket.write('HTTP/1.1 100 Continue\r\n\r\n'),
      none('connection'),
    ],
  ]

  test.each(cases)('%s', async (_, behave, answer, limits = {}) => {
    const endpoint = await openEndpoint(onRequest(behave))
    const used = { ...standard, ...limits }
    const send = openSender(used)
    const sockets = watchSockets()
    const begun = performance.now()
    expect(await send(url(endpoint.port))).toEqual(answer)
    // The library looks at the limit for headers twice a second.
    expect(performance.now() - begun).toBeLessThan(Math.min(used.timeoutMs, used.headersMs + 1_500) + 1_000)
    await expect.poll(() => endpoint.open(), { timeout: 3_000 }).toBe(0)
    expect(sockets).toHaveLength(1)
    expect(sockets.filter(({ destroyed }) => !destroyed)).toEqual([])
    // What comes in one piece with the first 4 KiB is read and thrown away.
    expect(sockets[0]?.bytesRead).toBeLessThan(3 * 65_536)
  })

  test.each(cases.filter(([, , answer]) => 'status' in answer))(
    'a kept body does not change that it %s',
    async (_, behave, __, limits = {}) => {
      const endpoint = await openEndpoint(onRequest(behave))
      const answer = await openSender({ ...standard, ...limits })(url(endpoint.port), { keepBytes: 100 })
      expect(answer).toEqual(status(200, { body: 'body' in answer ? answer.body : null }))
      expect('body' in answer && answer.body).toMatch(/^(x*|half)$/)
      await expect.poll(() => endpoint.open(), { timeout: 3_000 }).toBe(0)
    },
  )
})

test('an answer nobody asked for is never taken for the answer of the next call', async () => {
  const once200 = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'
  const endpoint = await openEndpoint(answers(`${once200}HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n`))
  const send = openSender()
  for (let call = 0; call < 3; call += 1) {
    expect(await send(url(endpoint.port))).toEqual(status(200))
    await setImmediate()
  }
})

describe('before it answers', () => {
  test('an endpoint that refuses the connection has a code for it', async () => {
    expect(await openSender()('http://127.0.0.1:1/')).toEqual(none('connection'))
  })

  test('a name that does not resolve has a code for it', async () => {
    const notFound = Object.assign(new Error('no such name'), { code: 'ENOTFOUND' })
    const send = openSender({ resolve: () => Promise.reject(notFound) })
    expect(await send('http://hooks.merchant.example/')).toEqual(none('dns'))
    expect(await openSender({ resolve: async () => [] })('http://hooks.merchant.example/')).toEqual(
      none('dns'),
    )
    expect(await openSender()('http://nowhere.invalid/')).toEqual(none('dns'))
  })

  test('a name server that does not answer costs no more than connecting may', async () => {
    const send = openSender({ resolve: () => new Promise(() => undefined), connectMs: 100 })
    const begun = performance.now()
    expect(await send('http://hooks.merchant.example/')).toEqual(none('timeout'))
    expect(performance.now() - begun).toBeLessThan(1_000)
  })

  test('of several addresses one that can be connected to is enough', async () => {
    const endpoint = await openEndpoint(answersOk, { host: '127.0.0.3' })
    const send = openSender({ resolve: async () => ['127.0.0.2', '127.0.0.3'] })
    expect(await send(`http://hooks.merchant.example:${endpoint.port}/`)).toEqual(status(200))
  })

  test('an endpoint that accepts no connection costs no more than connecting may', async () => {
    const { port, fill } = await openFrozenServer()
    await fill()
    const begun = performance.now()
    expect(await openSender({ connectMs: 200 })(url(port))).toEqual(none('timeout'))
    expect(performance.now() - begun).toBeLessThan(1_200)
  })

  test('a call that is cancelled says so and not that the endpoint failed', async () => {
    const stop = new AbortController()
    const endpoint = await openEndpoint(onRequest(() => stop.abort(new Error('stopping'))))
    const send = openSender()
    await expect(send(url(endpoint.port), { signal: stop.signal })).rejects.toThrow('stopping')
    await expect(send(url(endpoint.port), { signal: stop.signal })).rejects.toThrow('stopping')
    await expect.poll(() => endpoint.open()).toBe(0)
    expect(endpoint.connections()).toBe(1)
  })
})

test('an answer that came while this process stood still counts, however late it is read', async () => {
  const timeoutMs = 1_000
  const { port, flags } = await openThreadedServer()
  const answer = openSender({ timeoutMs })(url(port))
  await expect.poll(() => Atomics.load(flags, hasArrived)).toBe(1)
  // Timers that are due come next then, and what can be read after them.
  await setImmediate()
  Atomics.store(flags, mayAnswer, 1)
  Atomics.notify(flags, mayAnswer)
  expect(Atomics.wait(flags, hasAnswered, 0, 5_000)).not.toBe('timed-out')
  standStill(2 * timeoutMs)
  expect(await answer).toEqual(status(200))
})

test('a call whose time is over when its connection is made says nothing on it', async () => {
  const timeoutMs = 200
  const endpoint = await openEndpoint(answersOk)
  watchSockets((socket) => socket.once('connect', () => standStill(2 * timeoutMs)))
  expect(await openSender({ timeoutMs })(url(endpoint.port))).toEqual(none('timeout'))
  await expect.poll(() => [endpoint.connections(), endpoint.open()]).toEqual([1, 0])
  expect(endpoint.bytes()).toBe(0)
})

test('a call that has no time left when it begins is not sent, on a connection that is there', async () => {
  const requests: string[] = []
  const endpoint = await openEndpoint((socket) => {
    socket.on('data', (chunk: Buffer) => requests.push(chunk.toString()))
    answersOk(socket)
  })
  const send = openSender()
  expect(await send(url(endpoint.port), { endsByMs: Date.now() + 60_000 })).toEqual(status(200))
  expect(await send(url(endpoint.port), { endsByMs: Date.now() - 1 })).toEqual(none('timeout'))
  expect(await send(url(endpoint.port))).toEqual(status(200))
  expect(requests).toHaveLength(2)
})

test('a call ends when its time is over, however long calls may take', async () => {
  const endpoint = await openEndpoint(() => undefined)
  expect(await openSender()(url(endpoint.port), { endsByMs: Date.now() + 50 })).toEqual(none('timeout'))
})

const [hasArrived, mayAnswer, hasAnswered] = [0, 1, 2] as const

/** A server that answers one call when it may, also while this thread stands still. */
async function openThreadedServer() {
  const flags = new Int32Array(new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT))
  const program = `
    const { parentPort, workerData: flags } = require('node:worker_threads')
    const server = require('node:net').createServer((socket) => {
      socket.on('error', () => undefined)
      socket.on('data', (chunk) => {
        if (chunk.at(-1) !== '}'.charCodeAt(0)) return
        Atomics.store(flags, ${hasArrived}, 1)
        Atomics.wait(flags, ${mayAnswer}, 0, 5_000)
        socket.write('HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n', () => {
          Atomics.store(flags, ${hasAnswered}, 1)
          Atomics.notify(flags, ${hasAnswered})
        })
      })
    })
    server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))`
  const worker = new Worker(program, { eval: true, workerData: flags })
  onTestFinished(async () => void (await worker.terminate()))
  const [port] = z.tuple([z.number()]).parse(await once(worker, 'message'))
  return { port, flags }
}

function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)), 0, 0, ms)
}

/** A server whose process is stopped, with room for some connections that nobody accepts. */
async function openFrozenServer() {
  const program = `
    const server = require('node:net').createServer()
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(server.address().port))`
  const child = spawn(process.execPath, ['--eval', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [port] = z.tuple([z.coerce.number()]).parse(await once(child.stdout, 'data'))
  child.kill('SIGSTOP')
  return {
    port,
    /** Takes all the room: done when a connection is not made at once. */
    fill: async (): Promise<void> => {
      for (let count = 0; count < 50; count += 1) {
        const socket = connect({ port, host: '127.0.0.1' })
        onTestFinished(() => void socket.destroy())
        socket.on('error', () => undefined)
        const isMade = await Promise.race([
          once(socket, 'connect').then(() => true),
          new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 300)),
        ])
        if (!isMade) return
      }
      throw new Error('the room for connections has no end')
    },
  }
}

describe('TLS', () => {
  const name = 'hooks.merchant.example'
  const trusted = createCertificate({ names: [name] })
  const expired = createCertificate({ names: [name], until: '211231' })
  const stranger = createCertificate({ names: [name] })

  /** Makes the whole process trust the certificates of the test. */
  function trust(): void {
    const before = getCACertificates('default')
    setDefaultCACertificates([trusted.cert, expired.cert])
    onTestFinished(() => setDefaultCACertificates(before))
  }
  const openTrustingSender = () => {
    trust()
    return openSender({ resolve: async () => ['127.0.0.1'] })
  }

  test.each([name, `${name}.`])('a call to %s names the endpoint in the handshake', async (host) => {
    const serverNames: string[] = []
    const endpoint = await openEndpoint(answersOk, {
      tls: {
        ...trusted,
        SNICallback: (serverName, found) => {
          serverNames.push(serverName)
          found(null)
        },
      },
    })
    expect(await openTrustingSender()(`https://${host}:${endpoint.port}/`)).toEqual(status(200))
    expect(serverNames).toEqual([name])
  })

  test.each([
    ['is signed by nobody known', 'TLSv1.3', stranger, name],
    ['is signed by nobody known', 'TLSv1.2', stranger, name],
    ['is for another name', 'TLSv1.3', trusted, 'other.merchant.example'],
    ['is for another name', 'TLSv1.2', trusted, 'other.merchant.example'],
    ['has expired', 'TLSv1.3', expired, name],
    ['has expired', 'TLSv1.2', expired, name],
  ] as const)('an endpoint whose certificate %s hears nothing by %s', async (_, version, pair, host) => {
    const endpoint = await openEndpoint(answersOk, { tls: { ...pair, maxVersion: version } })
    const send = openTrustingSender()
    // The second time too: nothing of the first may be resumed.
    for (let call = 0; call < 2; call += 1) {
      expect(await send(`https://${host}:${endpoint.port}/`)).toEqual(none('tls'))
    }
    await expect.poll(() => endpoint.open()).toBe(0)
    expect([endpoint.connections(), endpoint.bytes()]).toEqual([2, 0])
  })

  test('an address needs a certificate too', async () => {
    const endpoint = await openEndpoint(answersOk, { tls: trusted })
    expect(await openTrustingSender()(`https://127.0.0.1:${endpoint.port}/`)).toEqual(none('tls'))
    expect(endpoint.bytes()).toBe(0)
  })

  test.each<[string, (socket: Socket) => void, string]>([
    ['answers in plain text', (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'), 'tls'],
    ['does not speak TLS', (socket) => socket.end('hello\n'), 'tls'],
    [
      'resets within the handshake',
      (socket) => socket.once('data', () => socket.resetAndDestroy()),
      'connection',
    ],
    ['hangs up within the handshake', (socket) => socket.once('data', () => socket.end()), 'connection'],
    ['says nothing in the handshake', () => undefined, 'timeout'],
    ['drips in the handshake', (socket) => drip(socket, '\u0016', 20), 'tls'],
  ])('an endpoint that %s has a code for it', async (_, behave, error) => {
    const endpoint = await openEndpoint(behave)
    const begun = performance.now()
    expect(await openSender({ connectMs: 300 })(`https://127.0.0.1:${endpoint.port}/`)).toEqual(none(error))
    expect(performance.now() - begun).toBeLessThan(1_300)
    await expect.poll(() => endpoint.open()).toBe(0)
  })

  test('an endpoint that speaks only what is out of use hears nothing', async () => {
    const endpoint = await openEndpoint(answersOk, {
      tls: { ...trusted, minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
    })
    expect(await openTrustingSender()(`https://${name}:${endpoint.port}/`)).toEqual(none('tls'))
    expect(endpoint.bytes()).toBe(0)
  })
})
