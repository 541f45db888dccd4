import { once } from 'node:events'
import { Agent, createServer, IncomingMessage, request, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { createLogger } from '@signalbox/runtime/log'
import Fastify from 'fastify'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { canShareListening } from './acceptors.ts'
import { openHttpServer } from './http-server.ts'

const log = createLogger('test', { level: 'silent' })

function openApp(options: { port: number; sharesPort: boolean }) {
  let accepted = 0
  const app = Fastify({
    serverFactory: (handle: (request: IncomingMessage, response: ServerResponse) => void) =>
      createServer(handle).on('connection', () => {
        accepted += 1
      }),
  })
  const server = openHttpServer(app, { host: '127.0.0.1', ...options, log, onDropped: () => undefined })
  return { server, accepted: () => accepted }
}

test.runIf(canShareListening)('a turn of the event loop takes several new connections', async () => {
  const { server: opening, accepted } = openApp({ port: 0, sharesPort: false })
  await using server = await opening
  let most = 0
  let before = 0
  let isCounting = true
  setImmediate(function count() {
    most = Math.max(most, accepted() - before)
    before = accepted()
    if (isCounting) setImmediate(count)
  })
  const sockets = Array.from({ length: 300 }, () => connect(server.port, '127.0.0.1'))
  await Promise.all(sockets.map(async (socket) => once(socket, 'connect')))
  await expect.poll(accepted).toBe(300)
  isCounting = false
  for (const socket of sockets) socket.destroy()
  expect(most).toBeGreaterThan(1)
})

test('closing waits for a request under way, whichever listener took it', async () => {
  const held = Promise.withResolvers<void>()
  const app = Fastify({ forceCloseConnections: 'idle', return503OnClosing: false })
  let taken = 0
  app.get('/', async (_, reply) => {
    taken += 1
    await held.promise
    return reply.header('connection', 'close').send('done')
  })
  const at = { host: '127.0.0.1', port: 0, log, onDropped: () => undefined }
  const server = await openHttpServer(app, at)
  const answer = get(server.port, new Agent({ keepAlive: true }))
  await expect.poll(() => taken).toBe(1)
  let isClosed = false
  const closing = server[Symbol.asyncDispose]().then(() => {
    isClosed = true
  })
  await expect.poll(() => get(server.port, new Agent()).catch(String)).toMatch(/ECONNREFUSED/)
  // One of sixteen listeners is Node's own, which it waits for by itself. Far more turns of the event loop than a close needs that has nothing to wait for.
  for (let turn = 0; turn < 10_000; turn++) await new Promise((resolve) => setImmediate(resolve))
  expect(isClosed).toBe(false)
  held.resolve()
  expect(await answer).toBe('done')
  await closing
})

async function get(port: number, agent: Agent): Promise<string> {
  const answered = once(request({ host: '127.0.0.1', port, agent }).end(), 'response')
  const [response] = z.tuple([z.instanceof(IncomingMessage)]).parse(await answered)
  return text(response)
}

test.runIf(canShareListening)(
  'two can share a port when both say so, and not when one does not',
  async () => {
    await using first = await openApp({ port: 0, sharesPort: true }).server
    await using second = await openApp({ port: first.port, sharesPort: true }).server
    expect(second.port).toBe(first.port)
    await expect(openApp({ port: first.port, sharesPort: false }).server).rejects.toThrow(/EADDRINUSE/)
  },
)
