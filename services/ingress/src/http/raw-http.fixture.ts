import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { resultBody } from '@signalbox/alipay/result'
import { createLogger } from '@signalbox/runtime/log'
import Fastify from 'fastify'
import { vi } from 'vitest'
import {
  type ConnectionLimits,
  connectionOptions,
  continueWhenAdmitted,
  openHttpServer,
} from './http-server.ts'
import type { Certificate } from './tls.ts'
import type { UnparsableCause } from './unparsable.ts'

export const generousLimits: ConnectionLimits = {
  headersTimeoutMs: 20_000,
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 30_000,
  maxConnections: 4_000,
  maxRequestsPerConnection: 1_000,
}

export type TestServer = Awaited<ReturnType<typeof openTestServer>>

/**
 * The connection level under a small app. It answers every request with SUCCESS and the request's target in a
 * header, `POST /refused` by the head alone, and what is sent to `/held` when `release` is called.
 */
export async function openTestServer({
  limits = generousLimits,
  certificate = null,
}: {
  limits?: ConnectionLimits
  certificate?: Certificate | null
} = {}) {
  const causes: UnparsableCause[] = []
  const seen: string[] = []
  const bodies: Buffer[] = []
  const held = Promise.withResolvers<void>()
  const app = Fastify({
    bodyLimit: 1024 * 1024,
    rewriteUrl: () => '/',
    ...connectionOptions({ limits, certificate, onUnparsable: (cause) => causes.push(cause) }),
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.addHook('onRequest', async (request, reply) => {
    delete request.raw.headers['content-type']
    seen.push(request.originalUrl)
    reply.header('content-type', 'application/json; charset=UTF-8').header('x-target', request.originalUrl)
    if (request.originalUrl === '/refused' || request.method !== 'POST') {
      return reply.send(resultBody('PARAM_ILLEGAL'))
    }
    continueWhenAdmitted(request.raw, reply.raw)
    return undefined
  })
  app.post<{ Body: Buffer | undefined }>('/', async (request, reply) => {
    bodies.push(request.body ?? Buffer.alloc(0))
    if (request.originalUrl === '/held') await held.promise
    return reply.send(resultBody('SUCCESS'))
  })
  const open = new Set<Socket>()
  app.server.on('connection', (socket: Socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  const log = createLogger('test', { level: 'silent' })
  const server = await openHttpServer(app, { host: '127.0.0.1', port: 0, log, onDropped: () => undefined })
  return {
    port: server.port,
    /** The targets of the requests that reached the app. */
    seen,
    /** The bodies that the app was given. */
    bodies,
    /** Why peers were answered without the app. */
    causes,
    release: held.resolve,
    connections: () => open.size,
    [Symbol.asyncDispose]: () => {
      held.resolve()
      return server[Symbol.asyncDispose]()
    },
  }
}

/** A final answer, as it stood on the wire. */
export type WireAnswer = { status: number; headers: ReadonlyMap<string, string>; body: string }

/** The final answers in what a server wrote; throws unless it is answers from the first byte to the last. */
export function answersIn(wire: Buffer): WireAnswer[] {
  const answers: WireAnswer[] = []
  for (let rest = wire; rest.length > 0; ) {
    const headEnd = rest.indexOf('\r\n\r\n')
    assert(headEnd >= 0, `no head in: ${rest.toString('latin1')}`)
    const [statusLine = '', ...lines] = rest.subarray(0, headEnd).toString('latin1').split('\r\n')
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1])
    assert(status >= 100, `no status line: ${statusLine}`)
    const headers = new Map(
      lines.map((line) => {
        const colon = line.indexOf(':')
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const
      }),
    )
    const bodyEnd = headEnd + 4 + Number(headers.get('content-length') ?? 0)
    if (status >= 200) {
      const body = rest.subarray(headEnd + 4, bodyEnd).toString()
      answers.push({ status, headers, body })
    }
    rest = rest.subarray(bodyEnd)
  }
  return answers
}

/** What an answer says in short: its status, and the target it answers or the code that the connection level chose. */
export function gist({ status, headers, body }: WireAnswer): string {
  const code = /"resultCode":"([A-Z_]+)"/.exec(body)?.[1] ?? 'no result'
  return `${status} ${headers.get('x-target') ?? code}`
}

/** A connection whose bytes we choose. */
export async function dial(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  return socket
}

/** Sends bytes, ends our side, and returns the server's answers once it has closed; a reset is an error. */
export async function talk(port: number, bytes: Uint8Array | string): Promise<WireAnswer[]> {
  const socket = await dial(port)
  socket.end(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  return answersIn(await buffer(socket))
}

/**
 * Talks until the ingress is not too busy to look: on a machine with other things to do it says so instead, and the
 * answer is not about the bytes then.
 */
export async function talkUntilHeard(port: number, bytes: Uint8Array | string): Promise<WireAnswer[]> {
  return vi.waitUntil(
    async () => {
      const answers = await talk(port, bytes)
      return answers.every((answer) => !gist(answer).endsWith('REQUEST_TRAFFIC_EXCEED_LIMIT')) && answers
    },
    { timeout: 20_000, interval: 50 },
  )
}
