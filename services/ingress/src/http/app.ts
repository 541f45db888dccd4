import type { ServerResponse } from 'node:http'
import type { ResultCode } from '@signalbox/alipay/result'
import type { ClientDirectory } from '@signalbox/key-ring/client-directory'
import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
} from 'fastify'
import { type AdmittedHead, type CheckedHead, checkHead } from '../notification/check-head.ts'
import type { Kept, createKeepNotification } from '../notification/keep-notification.ts'
import type { Gate } from '../overload/gate.ts'
import type { Report } from '../report.ts'
import { type Answer, createAnswers } from './answer.ts'
import { continueWhenAdmitted } from './http-server.ts'
import { type ReadBody, readBody } from './read-body.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Null until the head was checked. */
    checkedHead: CheckedHead | null
    /** When its head had arrived, by the monotonic clock. */
    arrivedAtMs: number
    /** Bytes of its body that the gate counts. */
    heldBytes: number
  }
}

const noBody: ReadBody = { kind: 'body', bytes: Buffer.alloc(0) }
/** Refusals for overload that close the connection: one in so many, so that the load can move elsewhere. */
const closesOneIn = 10

/**
 * The HTTP side: every request that can be parsed at all is answered 200 with a result, and signed where the
 * sender is known. `clients` is asked anew for every request, so that a new directory takes effect at once.
 *
 * @param connection how connections are served, as Fastify's options
 */
export function createApp({
  clients,
  keepNotification,
  gate,
  connection,
  bodyLimitBytes,
  publicPathPrefix,
  trustedProxies,
  report,
  now,
}: {
  clients: () => ClientDirectory
  keepNotification: ReturnType<typeof createKeepNotification>
  gate: Gate
  connection: FastifyServerOptions
  bodyLimitBytes: number
  publicPathPrefix: string
  trustedProxies: readonly string[]
  report: Report
  now: () => number
}): FastifyInstance {
  const answerFor = createAnswers({ now })
  let stopping = false
  let overloadRefusals = 0
  const app = Fastify({
    ...connection,
    bodyLimit: bodyLimitBytes,
    trustProxy: [...trustedProxies],
    // A router would decode and complete the path; here only the bytes that were signed decide.
    rewriteUrl: () => '/',
  })

  app.decorateRequest('checkedHead', null)
  app.decorateRequest('arrivedAtMs', 0)
  app.decorateRequest('heldBytes', 0)
  app.addHook('preClose', async () => {
    stopping = true
  })

  app.addHook('onRequest', (request, reply, done) => {
    request.arrivedAtMs = performance.now()
    const head = checkHead(
      {
        method: request.method,
        target: publicPathPrefix + request.originalUrl,
        headers: request.raw.headers,
        rawHeaders: request.raw.rawHeaders,
        httpVersion: request.raw.httpVersion,
      },
      { directory: clients(), bodyLimitBytes },
    )
    request.checkedHead = head
    if (head.kind === 'refused') return answer(request, reply, head)
    const refusal = gate.refusal({
      clientId: head.addressee.client.clientId,
      declaredBytes: head.declaredBytes,
    })
    if (refusal !== null) {
      return answer(request, reply, { code: 'REQUEST_TRAFFIC_EXCEED_LIMIT', reason: refusal })
    }
    continueWhenAdmitted(request.raw, reply.raw)
    // It has been judged, and Fastify shall not judge it by other rules.
    delete request.raw.headers['content-type']
    return done()
  })

  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (request, _payload, done) => {
    const { clientId } = admitted(request).addressee.client
    const hold = (bytes: number) => {
      request.heldBytes += bytes
      return gate.hold(clientId, bytes)
    }
    readBody(request.raw, { limitBytes: bodyLimitBytes, hold }, (read) => done(null, read))
  })

  app.post<{ Body: ReadBody | undefined }>('/', (request, reply) => {
    const head = admitted(request)
    const { body = noBody } = request
    switch (body.kind) {
      case 'body':
        keepNotification(head, body.bytes).then(
          (kept) => answer(request, reply, kept),
          (error: unknown) => fail(request, reply, error),
        )
        break
      case 'too_large':
        answer(request, reply, { code: 'PARAM_ILLEGAL', reason: 'body_too_large' })
        break
      case 'no_room':
        answer(request, reply, { code: 'REQUEST_TRAFFIC_EXCEED_LIMIT', reason: 'bytes_limit' })
        break
      case 'cut_off':
        answer(request, reply, { code: 'PARAM_ILLEGAL', reason: 'body_cut_off' })
        break
    }
  })

  app.setErrorHandler((error, request, reply) => fail(request, reply, error))

  function fail(request: FastifyRequest, reply: FastifyReply, error: unknown): void {
    report.failed(error)
    answer(request, reply, { code: 'UNKNOWN_EXCEPTION', reason: 'internal' })
  }

  function answer(request: FastifyRequest, reply: FastifyReply, outcome: Kept): void {
    reply.hijack()
    const addressee = request.checkedHead?.addressee ?? null
    const isVerified = outcome.notificationId !== undefined
    const made = answerFor(outcome.code, addressee === null ? null : { ...addressee, isVerified })
    if (made instanceof Promise) {
      made.then(
        (late) => send(request, reply.raw, outcome, late),
        (error: unknown) => {
          report.failed(error)
          const unsigned = answerFor('UNKNOWN_EXCEPTION', null)
          send(request, reply.raw, { code: 'UNKNOWN_EXCEPTION', reason: 'unsigned' }, unsigned)
        },
      )
    } else {
      send(request, reply.raw, outcome, made)
    }
  }

  function send(
    request: FastifyRequest,
    response: ServerResponse,
    outcome: Kept,
    { headers, body }: Answer,
  ): void {
    const clientId = request.checkedHead?.addressee?.client.clientId
    response.writeHead(200, closes(outcome.code) ? [...headers, 'connection', 'close'] : headers)
    response.end(body, 'latin1')
    if (clientId !== undefined) gate.release(clientId, request.heldBytes)
    report.answered({
      ...outcome,
      clientId,
      bytes: request.heldBytes,
      durationMs: performance.now() - request.arrivedAtMs,
      remoteAddress: () => request.ip,
    })
  }

  function closes(code: ResultCode): boolean {
    if (stopping) return true
    if (code !== 'REQUEST_TRAFFIC_EXCEED_LIMIT') return false
    overloadRefusals += 1
    return overloadRefusals % closesOneIn === 0
  }

  return app
}

function admitted(request: FastifyRequest): AdmittedHead {
  const { checkedHead } = request
  if (checkedHead?.kind !== 'admitted') throw new Error('a refused head has been answered already')
  return checkedHead
}
