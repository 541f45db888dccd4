import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { createLogger } from '@signalbox/runtime/log'
import Fastify from 'fastify'
import { expect, test } from 'vitest'
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

test.runIf(canShareListening)(
  'two can share a port when both say so, and not when one does not',
  async () => {
    await using first = await openApp({ port: 0, sharesPort: true }).server
    await using second = await openApp({ port: first.port, sharesPort: true }).server
    expect(second.port).toBe(first.port)
    await expect(openApp({ port: first.port, sharesPort: false }).server).rejects.toThrow(/EADDRINUSE/)
  },
)
