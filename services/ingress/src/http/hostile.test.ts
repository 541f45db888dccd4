import { once } from 'node:events'
import { METHODS } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { resultBody } from '@signalbox/alipay/result'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  answersIn,
  dial,
  generousLimits,
  gist,
  openTestServer,
  talk,
  type TestServer,
} from './raw-http.fixture.ts'
import { hostileBytes, oddBytes } from './smuggling-corpus.fixture.ts'

let server: TestServer
beforeEach(async () => {
  server = await openTestServer()
})
afterEach(() => server[Symbol.asyncDispose]())

const post = (target: string, body = '{}', ...headers: readonly string[]) =>
  [`POST ${target} HTTP/1.1`, 'host: a', `content-length: ${body.length}`, ...headers, '', body].join('\r\n')
/** A head that announces more of a body than ever comes. */
const announce = (target: string, ...headers: readonly string[]) =>
  [`POST ${target} HTTP/1.1`, 'host: a', 'content-length: 100', ...headers, '', ''].join('\r\n')

const refusal = '400 PARAM_ILLEGAL'

async function gists(bytes: string, { port } = server): Promise<string[]> {
  return (await talk(port, bytes)).map(gist)
}

/** Reads until what was written fits; what comes later stays to be read. */
async function readUntil(socket: Socket, pattern: RegExp): Promise<string> {
  let text = ''
  while (!pattern.test(text)) {
    text += String(await once(socket, 'data'))
  }
  socket.pause()
  return text
}

describe('bytes with two readings, and what is not HTTP', () => {
  test('are answered once, with 400, and neither they nor what is behind them reach the app', async () => {
    for (const [name, bytes] of hostileBytes) {
      const [answer, ...more] = await talk(server.port, bytes)
      expect([name, more]).toEqual([name, []])
      expect([name, answer?.status, answer?.body]).toEqual([
        name,
        400,
        resultBody('PARAM_ILLEGAL').toString(),
      ])
      const { 'response-time': responseTime, ...others } = Object.fromEntries(answer?.headers ?? [])
      expect(responseTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/)
      expect(others).toEqual({
        'content-type': 'application/json; charset=UTF-8',
        'content-length': String(resultBody('PARAM_ILLEGAL').length),
        connection: 'close',
      })
    }
    expect(hostileBytes.length).toBeGreaterThan(100)
    expect(server.causes).toEqual(hostileBytes.map(() => 'malformed'))
    expect(server.seen).not.toContain('/smuggled')
    expect(server.bodies).toEqual([])
  })

  test('are answered the same however they are cut into packets', { timeout: 60_000 }, async () => {
    for (const [name, bytes] of hostileBytes.filter(([, bytes]) => bytes.length < 500)) {
      const socket = await dial(server.port)
      const answered = buffer(socket)
      for (const byte of Buffer.from(bytes, 'latin1')) {
        if (!socket.writable) break
        socket.write(Uint8Array.of(byte))
        await nextTurn()
      }
      socket.end()
      expect([name, answersIn(await answered).map(gist)]).toEqual([name, [refusal]])
    }
    expect(server.seen).not.toContain('/smuggled')
    expect(server.bodies).toEqual([])
  })

  test('do not take the place of the answer to the request before them', async () => {
    for (const [name, bytes] of hostileBytes) {
      expect([name, await gists(post('/before') + bytes)]).toEqual([name, ['200 /before', refusal]])
    }
    expect(server.bodies).toEqual(hostileBytes.map(() => Buffer.from('{}')))
    expect(server.seen).not.toContain('/smuggled')
  })

  test('wait for the answers of slow requests before them', async () => {
    const socket = await dial(server.port)
    socket.write(post('/held') + post('/after') + announce('/broken', 'transfer-encoding: chunked'))
    await vi.waitFor(() => expect(server.causes).toEqual(['malformed']))
    server.release()
    const answers = answersIn(await buffer(socket)).map(gist)
    expect(answers).toEqual(['200 /held', '200 /after', refusal])
  })

  test('in the body of a request that waits for its turn are answered in its turn', async () => {
    const answers = gists(`${post('/held')}${chunkedHead('/broken')}2\n{}\r\n0\r\n\r\n`)
    await vi.waitFor(() => expect(server.causes).toEqual(['malformed']))
    server.release()
    expect(await answers).toEqual(['200 /held', refusal])
    expect(server.bodies).toHaveLength(1)
  })

  test('in a body whose head was refused are not answered again', async () => {
    expect(await gists(`${chunkedHead('/refused')}2\n{}\r\n0\r\n\r\n`)).toEqual(['200 /refused'])
    const socket = await dial(server.port)
    socket.write(chunkedHead('/refused'))
    await readUntil(socket, /PARAM_ILLEGAL/)
    socket.end('nonsense\r\n')
    expect(await buffer(socket)).toEqual(Buffer.alloc(0))
  })

  test('are answered, and their connection closed, also when the peer reads nothing and stays', async () => {
    const socket = await dial(server.port)
    socket.pause()
    socket.write('nonsense\r\n\r\n')
    await vi.waitFor(() => expect(server.connections()).toBe(0), { timeout: 4_000 })
    expect(answersIn(await buffer(socket)).map(gist)).toEqual([refusal])
  })

  test('are answered also when far more of them come than anyone reads', async () => {
    const noise = 'x'.repeat(4 * 1024 * 1024)
    expect(await gists(`nonsense\r\n\r\n${noise}`)).toEqual([refusal])
    expect(server.causes).toEqual(['malformed'])
  })
})

const chunkedHead = (target: string) =>
  `POST ${target} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n`

test('odd bytes with one reading are requests like others', async () => {
  for (const [name, bytes, targets] of oddBytes) {
    const { seen } = server
    const before = seen.length
    expect([name, await gists(bytes)]).toEqual([name, targets.map((target) => `200 ${target}`)])
    expect(seen.slice(before)).toEqual(targets)
  }
  expect(server.causes).toEqual([])
})

test('every method of HTTP reaches the app, but CONNECT, which opens no tunnel', async () => {
  const others = METHODS.filter((method) => method !== 'CONNECT' && method !== 'HEAD')
  for (const method of others) {
    const answers = await gists(`${method} /first HTTP/1.1\r\nhost: a\r\n\r\n`)
    expect([method, answers]).toEqual([method, ['200 /first']])
  }
  const tunnel = 'CONNECT evil:443 HTTP/1.1\r\nhost: evil:443\r\n\r\n'
  expect(await gists(tunnel + post('/tunneled'))).toEqual(['405 METHOD_NOT_SUPPORTED'])
  expect(await gists(post('/first') + tunnel)).toEqual(['200 /first', '405 METHOD_NOT_SUPPORTED'])
  expect(server.causes).toEqual(['connect', 'connect'])
  expect(server.seen).not.toContain('/tunneled')
})

describe('a head that overflows the parser', () => {
  test.each([
    ['a header of 64 kB', post('/first', '{}', `x: ${'y'.repeat(64 * 1024)}`)],
    [
      'headers of 64 kB',
      post('/first', '{}', ...Array.from({ length: 7_000 }, (_, index) => `x${index}: y`)),
    ],
    ['a name of 64 kB', post('/first', '{}', `${'x'.repeat(64 * 1024)}: y`)],
    ['a target of 64 kB', post(`/${'x'.repeat(64 * 1024)}`)],
    ['trailers of 64 kB', `${chunkedHead('/first')}0\r\nx: ${'y'.repeat(64 * 1024)}\r\n\r\n`],
  ])('is answered 200 PARAM_ILLEGAL: %s', async (_, bytes) => {
    expect(await gists(bytes + post('/smuggled'))).toEqual(['200 PARAM_ILLEGAL'])
    expect(server.causes).toEqual(['overflow'])
    expect(server.bodies).toEqual([])
  })

  test('and one of 16 kB is taken', async () => {
    const bytes = post('/first', '{}', `x: ${'y'.repeat(16_000)}`)
    expect(await gists(bytes)).toEqual(['200 /first'])
  })
})

test('what is compressed stays compressed', async () => {
  const member = gzipSync(Buffer.alloc(10 * 1024 * 1024))
  const bomb = Buffer.concat(Array.from({ length: 50 }, () => member))
  const head = Buffer.from(post('/first', '', 'content-encoding: gzip').replace(': 0', `: ${bomb.length}`))
  const before = process.memoryUsage.rss()
  expect((await talk(server.port, Buffer.concat([head, bomb]))).map(gist)).toEqual(['200 /first'])
  expect(server.bodies).toEqual([bomb])
  expect(process.memoryUsage.rss() - before).toBeLessThan(100 * 1024 * 1024)
})

const asking = (target: string) => announce(target, 'expect: 100-continue')

describe('a sender who asks before his body', () => {
  test('is told to go on when the head is admitted, and answered after the body', async () => {
    const socket = await dial(server.port)
    socket.write(asking('/first'))
    expect(await readUntil(socket, /\r\n\r\n/)).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    expect(server.bodies).toEqual([])
    socket.end('x'.repeat(100))
    expect(answersIn(await buffer(socket)).map(gist)).toEqual(['200 /first'])
  })

  test('gets his answer at once when it is not, without leave to send, and the connection closes', async () => {
    const socket = await dial(server.port)
    socket.write(asking('/refused'))
    const answers = answersIn(await buffer(socket))
    expect(answers.map(gist)).toEqual(['200 /refused'])
    expect(answers[0]?.headers.get('connection')).toBe('close')
  })

  test('is not told to go on before the answers that come first', async () => {
    const socket = await dial(server.port)
    socket.write(post('/held') + asking('/first'))
    await vi.waitFor(() => expect(server.seen).toEqual(['/held', '/first']))
    server.release()
    const text = await readUntil(socket, /100 Continue\r\n\r\n$/)
    expect(answersIn(Buffer.from(text)).map(gist)).toEqual(['200 /held'])
    socket.end('x'.repeat(100))
    expect(answersIn(await buffer(socket)).map(gist)).toEqual(['200 /first'])
  })

  test('is answered in HTTP/1.0, which has no 100', async () => {
    const bytes = post('/first', '{}', 'expect: 100-continue').replace('HTTP/1.1', 'HTTP/1.0')
    expect(await gists(bytes)).toEqual(['200 /first'])
    const socket = await dial(server.port)
    socket.end(bytes)
    expect(String(await buffer(socket))).not.toContain('100 Continue')
  })
})

describe('a request that asks for another protocol', () => {
  test.each([
    ['h2c', ['connection: upgrade, http2-settings', 'upgrade: h2c', 'http2-settings: AAMAAABk']],
    ['websocket', ['connection: upgrade', 'upgrade: websocket', 'sec-websocket-key: x']],
  ])('is answered as any other, by this protocol: %s', async (_, headers) => {
    const socket = await dial(server.port)
    socket.write(post('/first', '{}', ...headers))
    const answers = answersIn(await buffer(socket))
    expect(answers.map(gist)).toEqual(['200 /first'])
    expect(answers[0]?.headers.get('connection')).toBe('close')
  })

  test('is the last on its connection, wherever the packets behind it begin', async () => {
    const upgrading = post('/held', '', 'connection: upgrade', 'upgrade: websocket')
    const socket = await dial(server.port)
    socket.write(upgrading + announce('/never'))
    await vi.waitFor(() => expect(server.seen).toEqual(['/held']))
    socket.end(post('/smuggled'))
    server.release()
    expect(answersIn(await buffer(socket)).map(gist)).toEqual(['200 /held'])
    expect(server.seen).toEqual(['/held'])
  })
})

test('100 requests in one packet are answered in their order', async () => {
  const targets = Array.from({ length: 100 }, (_, index) => (index % 10 === 3 ? '/refused' : `/${index}`))
  expect(await gists(targets.map((target) => post(target)).join(''))).toEqual(
    targets.map((target) => `200 ${target}`),
  )
})

test.each(['HTTP/1.1', 'HTTP/1.0'])(
  'a connection ends with its last request, and what is behind that never reaches the app: %s',
  async (version) => {
    await using limited = await openTestServer({ limits: { ...generousLimits, maxRequestsPerConnection: 3 } })
    const bytes = ['/1', '/2', '/3', '/4', '/5']
      .map((target) => post(target, '{}', 'connection: keep-alive').replace('HTTP/1.1', version))
      .join('')
    const answers = await talk(limited.port, bytes)
    expect(answers.map(gist)).toEqual(['200 /1', '200 /2', '200 /3'])
    expect(answers.map(({ headers }) => headers.get('connection'))).toEqual([
      'keep-alive',
      'keep-alive',
      'close',
    ])
    expect(limited.seen).toEqual(['/1', '/2', '/3'])
  },
)

describe('peers that go away', () => {
  test('one that only ends its sending side is answered', async () => {
    const socket = await dial(server.port)
    const answered = buffer(socket)
    socket.end(post('/held'))
    await vi.waitFor(() => expect(server.seen).toEqual(['/held']))
    server.release()
    expect(answersIn(await answered).map(gist)).toEqual(['200 /held'])
  })

  test.each<[string, (socket: Socket) => void]>([
    ['by closing', (socket) => socket.destroy()],
    ['by a reset', (socket) => socket.resetAndDestroy()],
  ])('in the middle of a body, a head or an answer, they cost nobody else anything: %s', async (_, leave) => {
    for (const bytes of [announce('/first'), 'POST /first HTTP/1.1\r\nho', post('/held'), '']) {
      const socket = await dial(server.port)
      socket.on('error', () => {})
      socket.write(bytes)
      await vi.waitFor(() => expect(server.connections()).toBe(1))
      leave(socket)
      expect(await gists(post('/good'))).toEqual(['200 /good'])
      server.release()
      await vi.waitFor(() => expect(server.connections()).toBe(0), { timeout: 3_000 })
    }
  })

  test('one that sends a long body before it reads gets the answer to its head, and no reset', async () => {
    const body = 'x'.repeat(8 * 1024 * 1024)
    expect(await gists(post('/refused', body, 'connection: close'))).toEqual(['200 /refused'])
    expect(await gists(post('/refused', body))).toEqual(['200 /refused'])
  })
})
