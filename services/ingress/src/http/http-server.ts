import assert from 'node:assert/strict'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import type { Logger } from '@signalbox/runtime/log'
import { codeOf, StartProblem } from '@signalbox/runtime/start-problem'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import { canShareListening, expectFree, openAcceptors } from './acceptors.ts'
import { answerDeadlineMs, createConnections } from './connections.ts'
import { type Certificate, secureOptions } from './tls.ts'
import type { UnparsableCause } from './unparsable.ts'

/** How long and how much a peer may take. */
export type ConnectionLimits = {
  headersTimeoutMs: number
  requestTimeoutMs: number
  keepAliveTimeoutMs: number
  maxConnections: number
  maxRequestsPerConnection: number
}

/** Bytes of a request line and its headers that the parser takes. */
const maxHeadBytes = 16 * 1024
/** Node looks for late requests this often; its 30 s would blur the limits. */
const checkIntervalMs = 1_000

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/**
 * The options that make a Fastify app serve by our rules at the level of connections: its limits, what is answered
 * to what cannot be parsed, expectations, and TLS when there is a certificate. Fastify's own options of that kind
 * have no effect beside them.
 *
 * @param onUnparsable is told why a peer was answered without the app, once per connection
 */
export function connectionOptions({
  limits,
  certificate,
  onUnparsable,
}: {
  limits: ConnectionLimits
  certificate: Certificate | null
  onUnparsable: (cause: UnparsableCause) => void
}) {
  const connections = createConnections({
    maxRequests: limits.maxRequestsPerConnection,
    requestTimeoutMs: limits.requestTimeoutMs,
    onUnparsable,
  })

  function createServer(handle: Handler): http.Server {
    const options = parserOptions(limits)
    const server =
      certificate === null
        ? http.createServer(options, receive)
        : https.createServer({ ...options, ...secureOptions(certificate, limits) }, receive)
    server.maxConnections = limits.maxConnections
    // Node would drop what is beyond without a word; their number is checked with the head.
    server.maxHeadersCount = 0
    // Nothing moves for so long: the peer does not read its answers.
    server.timeout = limits.requestTimeoutMs + answerDeadlineMs
    // Undocumented, and the only way to answer who half-closes after his request, as `nc -N` does. Under TLS the
    // end of one side is the end of both.
    Object.assign(server, { httpAllowHalfOpen: true })

    server.on('checkContinue', (request, response) => {
      awaitingContinue.add(request)
      receive(request, response)
    })
    // Node would refuse other expectations with 417; RFC 9110 lets us ignore them.
    server.on('checkExpectation', receive)
    server.on('connect', (request) => connections.refuse(request.socket, 'connect'))
    // Without a listener for upgrade Node hands such requests to the app as any other.
    if (certificate !== null && server instanceof https.Server) certificate.follow(server)
    return server

    function receive(request: IncomingMessage, response: ServerResponse): void {
      if (connections.admits(request, response)) handle(request, response)
    }
  }

  return {
    serverFactory: createServer,
    clientErrorHandler: (error, socket) => connections.onError(error, socket),
    return503OnClosing: false,
    forceCloseConnections: 'idle',
  } satisfies FastifyServerOptions
}

function parserOptions(limits: ConnectionLimits): http.ServerOptions {
  return {
    maxHeaderSize: maxHeadBytes,
    headersTimeout: Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs),
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: checkIntervalMs,
    // A missing Host is answered with a result, by the check of the head.
    requireHostHeader: false,
    // Stated, because a flag in NODE_OPTIONS changes the default.
    insecureHTTPParser: false,
    joinDuplicateHeaders: false,
  }
}

const awaitingContinue = new WeakSet<IncomingMessage>()

/** Tells a sender who asked first (`Expect: 100-continue`) that his body is wanted. To be called before it is read. */
export function continueWhenAdmitted(request: IncomingMessage, response: ServerResponse): void {
  if (awaitingContinue.has(request)) response.writeContinue()
}

/** Longer than any answer may take, and short enough to leave time for the producer to drain. */
const drainDeadlineMs = 6_000
/** How long a connection may stay silent while we close: a request that was on its way arrives in less. */
const silenceDeadlineMs = 1_000

export type HttpServer = AsyncDisposable & { port: number }

/**
 * Takes requests. Closing stops that, lets the requests under way be answered, and cuts off who has not
 * finished sending his within six seconds.
 *
 * @param sharesPort lets other processes of this host listen on the same port
 * @throws StartProblem when it cannot listen
 */
export async function openHttpServer(
  app: FastifyInstance,
  {
    host,
    port,
    sharesPort = false,
    log,
    onDropped,
  }: { host: string; port: number; sharesPort?: boolean; log: Logger; onDropped: () => void },
): Promise<HttpServer> {
  const sockets = new Set<Socket>()
  app.server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    // Node's own count knows its own listener alone.
    if (sockets.size > app.server.maxConnections) {
      socket.destroy()
      onDropped()
    }
  })
  app.server.on('drop', onDropped)
  async function listen(): Promise<void> {
    if (canShareListening && !sharesPort && port !== 0) await expectFree({ host, port })
    const listening = { host, port, reusePort: sharesPort || canShareListening }
    await app.listen(listening)
  }
  await listen().catch((cause: unknown) => {
    const code = codeOf(cause)
    throw new StartProblem(
      `Cannot listen on ${host}:${port} for notifications (${code}). ` +
        'Set INGRESS_PORT to a free port, or 0 for any, and LISTEN_HOST to an address of this machine.' +
        (sharesPort ? ' INGRESS_SHARED_PORT needs Linux, and all who share a port must set it.' : ''),
    )
  })
  const address = app.server.address()
  assert(typeof address === 'object' && address !== null, 'a TCP server has an address')
  const acceptors = canShareListening ? await openAcceptors(app.server, { host, port: address.port }) : null
  log.info({ host, port: address.port }, 'ingress.listening')
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      // Node counts a connection that has never sent anything as busy, and would wait for it.
      const cutOffSilent = setTimeout(() => destroySilent(sockets), silenceDeadlineMs)
      const cutOff = setTimeout(() => destroyAll(sockets), drainDeadlineMs)
      await acceptors?.[Symbol.asyncDispose]()
      await app.close()
      // Node has waited for the connections of its own listener alone.
      await Promise.all([...sockets].map(untilClosed))
      clearTimeout(cutOffSilent)
      clearTimeout(cutOff)
    },
  }
}

function untilClosed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve()
    else socket.once('close', () => resolve())
  })
}

function destroyAll(sockets: ReadonlySet<Socket>): void {
  for (const socket of sockets) socket.destroy()
}

function destroySilent(sockets: ReadonlySet<Socket>): void {
  for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
}
