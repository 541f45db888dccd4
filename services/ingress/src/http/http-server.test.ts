import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { describe, expect, test, vi } from 'vitest'
import { answersIn, dial, generousLimits, gist, openTestServer, talk } from './raw-http.fixture.ts'

/** How much later than its limit a connection may end: Node looks once a second, and this machine may be busy. */
const slackMs = 2_500
const limits = { ...generousLimits, headersTimeoutMs: 500, requestTimeoutMs: 1_500, keepAliveTimeoutMs: 500 }
const good = 'POST /good HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}'

const openServer = (changes: Partial<typeof limits> = {}) =>
  openTestServer({ limits: { ...limits, ...changes } })

/** Sends one byte more every so often, until the server ends the connection. */
function drip(socket: Socket, text: string): void {
  let next = 0
  const dripping = setInterval(() => socket.write(text[next++ % text.length] ?? ''), 50)
  socket.once('end', () => clearInterval(dripping)).once('close', () => clearInterval(dripping))
}

/** What a server writes until it closes, and how long it took. */
async function endOf(socket: Socket) {
  const from = performance.now()
  const gists = answersIn(await buffer(socket)).map(gist)
  return { gists, afterMs: performance.now() - from }
}

describe.concurrent('who takes his time', { timeout: 20_000 }, () => {
  test('a head that comes too slowly is cut off with U', async ({ expect }) => {
    await using server = await openServer({ requestTimeoutMs: 20_000 })
    const sockets = await Promise.all(Array.from({ length: 50 }, () => dial(server.port)))
    const ends = sockets.map((socket) => {
      socket.write('POST /slow HTTP/1.1\r\nhost: a\r\nx: ')
      drip(socket, 'y')
      return endOf(socket)
    })
    expect((await talk(server.port, good)).map(gist)).toEqual(['200 /good'])
    for (const { gists, afterMs } of await Promise.all(ends)) {
      expect(gists).toEqual(['200 UNKNOWN_EXCEPTION'])
      expect(afterMs).toBeGreaterThan(limits.headersTimeoutMs - 100)
      expect(afterMs).toBeLessThan(limits.headersTimeoutMs + slackMs)
    }
    expect(server.causes).toEqual(sockets.map(() => 'timeout'))
    expect(server.seen).toEqual(['/good'])
  })

  test('a body that comes too slowly is cut off with U, and never handed on', async ({ expect }) => {
    await using server = await openServer()
    const socket = await dial(server.port)
    socket.write('POST /slow HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n')
    drip(socket, 'x')
    const { gists, afterMs } = await endOf(socket)
    expect(gists).toEqual(['200 UNKNOWN_EXCEPTION'])
    expect(afterMs).toBeGreaterThan(limits.requestTimeoutMs - 100)
    expect(afterMs).toBeLessThan(limits.requestTimeoutMs + slackMs)
    expect(server.bodies).toEqual([])
  })

  test('what comes after the cut is not handed on', async ({ expect }) => {
    await using server = await openServer()
    const socket = await dial(server.port)
    socket.write('POST /slow HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{')
    const answer = String(await once(socket, 'data'))
    socket.end(`}${good}`)
    expect(await buffer(socket)).toEqual(Buffer.alloc(0))
    expect(answersIn(Buffer.from(answer)).map(gist)).toEqual(['200 UNKNOWN_EXCEPTION'])
    await vi.waitFor(() => expect(server.connections()).toBe(0))
    expect([server.seen, server.bodies]).toEqual([['/slow'], []])
  })

  test('a slow body that nobody wants is not answered twice', async ({ expect }) => {
    await using server = await openServer()
    const socket = await dial(server.port)
    socket.write('POST /refused HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n')
    drip(socket, 'x')
    const { gists, afterMs } = await endOf(socket)
    expect(gists).toEqual(['200 /refused'])
    expect(afterMs).toBeLessThan(limits.requestTimeoutMs + slackMs)
  })

  test('a slow head behind a slow answer waits for it', async ({ expect }) => {
    await using server = await openServer()
    const socket = await dial(server.port)
    socket.write(`${good.replace('/good', '/held')}POST /slow HTTP/1.1\r\n`)
    await vi.waitFor(() => expect(server.causes).toEqual(['timeout']), { timeout: 5_000 })
    server.release()
    expect((await endOf(socket)).gists).toEqual(['200 /held', '200 UNKNOWN_EXCEPTION'])
  })

  test('an idle connection is closed, and a silent one, without a word', async ({ expect }) => {
    await using server = await openServer()
    const silent = endOf(await dial(server.port))
    const used = await dial(server.port)
    used.write(good)
    const idle = await endOf(used)
    expect(idle.gists).toEqual(['200 /good'])
    // Node waits for a second more than it announces.
    expect(idle.afterMs).toBeLessThan(limits.keepAliveTimeoutMs + 1_000 + slackMs)
    expect((await silent).gists).toEqual([])
    expect((await silent).afterMs).toBeLessThan(limits.headersTimeoutMs + slackMs)
    expect(server.causes).toEqual([])
  })
})

test('2,000 idle connections hinder nobody', { timeout: 30_000 }, async () => {
  await using server = await openServer({ headersTimeoutMs: 20_000, requestTimeoutMs: 20_000 })
  const idle: Socket[] = []
  for (let wave = 0; wave < 20; wave += 1) {
    idle.push(...(await Promise.all(Array.from({ length: 100 }, () => dial(server.port)))))
  }
  idle.slice(0, 1_000).forEach((socket) => socket.write('POST /idle HTTP/1.1\r\nhost: a\r\n'))
  await vi.waitFor(() => expect(server.connections()).toBe(2_000))
  const from = performance.now()
  for (let round = 0; round < 50; round += 1) {
    expect((await talk(server.port, good)).map(gist)).toEqual(['200 /good'])
  }
  expect((performance.now() - from) / 50).toBeLessThan(100)
  idle.forEach((socket) => socket.destroy())
})

test('connections beyond the cap are refused, and the others go on', async () => {
  await using server = await openServer({
    maxConnections: 20,
    headersTimeoutMs: 20_000,
    requestTimeoutMs: 20_000,
    keepAliveTimeoutMs: 20_000,
  })
  const [first, ...others] = await Promise.all(Array.from({ length: 20 }, () => dial(server.port)))
  await vi.waitFor(() => expect(server.connections()).toBe(20))
  for (let attempt = 0; attempt < 10; attempt += 1) {
    const beyond = await dial(server.port)
    beyond.on('error', () => {})
    beyond.resume()
    await once(beyond, 'close')
  }
  assert(first !== undefined)
  first.write(good)
  expect(String(await once(first, 'data'))).toContain('/good')
  first.destroy()
  await vi.waitFor(() => expect(server.connections()).toBe(19))
  expect((await talk(server.port, good)).map(gist)).toEqual(['200 /good'])
  others.forEach((socket) => socket.destroy())
})

test('closing answers what is under way, and waits for no silent connection', async () => {
  const server = await openTestServer()
  const silent = await dial(server.port)
  const busy = await dial(server.port)
  busy.write(good.replace('/good', '/held'))
  await vi.waitFor(() => expect(server.seen).toEqual(['/held']))
  const from = performance.now()
  const closing = server[Symbol.asyncDispose]()
  expect((await endOf(busy)).gists).toEqual(['200 /held'])
  await closing
  expect(performance.now() - from).toBeLessThan(4_000)
  silent.destroy()
})
