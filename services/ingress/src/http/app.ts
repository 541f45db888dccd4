import { httpLimits, maxConnections } from '@signalbox/runtime/http-limits'
import Fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify'
import { createAnswers } from './answer.ts'
import { type CheckedHead, checkHead } from '../notification/check-head.ts'
import type { ClientDirectory } from '@signalbox/key-ring/client-directory'
import type { Kept, createKeepNotification } from '../notification/keep-notification.ts'
import type { Report } from '../report.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Null until the head was checked. */
    checkedHead: CheckedHead | null
    /** When its head had arrived, by the monotonic clock. */
    arrivedAtMs: number
  }
}

const noBody = Buffer.alloc(0)

/**
 * The HTTP side: every request that can be parsed at all is answered 200 with a result, and signed where the
 * sender is known. `clients` is asked anew for every request, so that a new directory takes effect at once.
 */
export function createApp({
  clients,
  keepNotification,
  bodyLimitBytes,
  report,
  now,
}: {
  clients: () => ClientDirectory
  keepNotification: ReturnType<typeof createKeepNotification>
  bodyLimitBytes: number
  report: Report
  now: () => number
}): FastifyInstance {
  const answerFor = createAnswers({ now })
  let stopping = false
  const app = Fastify({
    bodyLimit: bodyLimitBytes,
    // A router would decode and complete the path; here only the bytes that were signed decide.
    rewriteUrl: () => '/',
    return503OnClosing: false,
    ...httpLimits,
  })
  app.server.maxConnections = maxConnections
  // Node would refuse or cut off what is beyond by itself; their number is checked with the head.
  app.server.maxHeadersCount = 0
  // Node would refuse unknown expectations with 417 by itself.
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response))

  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.decorateRequest('checkedHead', null)
  app.decorateRequest('arrivedAtMs', 0)
  app.addHook('preClose', async () => {
    stopping = true
  })

  app.addHook('onRequest', async (request, reply) => {
    const { raw } = request
    request.arrivedAtMs = performance.now()
    const head = checkHead(
      {
        method: request.method,
        target: request.originalUrl,
        headers: raw.headers,
        headerCount: raw.rawHeaders.length / 2,
      },
      { directory: clients(), bodyLimitBytes },
    )
    request.checkedHead = head
    // It has been judged, and Fastify shall not judge it by other rules.
    delete raw.headers['content-type']
    if (head.kind === 'admitted') return undefined
    const { code, reason } = head
    return answer(request, reply, { code, reason })
  })

  app.post<{ Body: Buffer | undefined }>('/', async (request, reply) => {
    const { checkedHead, body = noBody } = request
    if (checkedHead?.kind !== 'admitted') throw new Error('a refused head has been answered already')
    return answer(request, reply, await keepNotification(checkedHead, body))
  })

  app.setErrorHandler<FastifyError>((error, request, reply) => {
    // Fastify would close the connection, and a sender in the middle of his body would never see the answer. So
    // the rest is read and thrown away, for as long as the request timeout allows.
    reply.removeHeader('connection')
    return answer(request, reply, outcomeOfError(error))
  })

  function outcomeOfError(error: FastifyError): Kept {
    if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE')
      return { code: 'PARAM_ILLEGAL', reason: 'body_too_large' }
    if (error.statusCode === 400) return { code: 'PARAM_ILLEGAL', reason: 'body_cut_off' }
    report.failed(error)
    return { code: 'UNKNOWN_EXCEPTION', reason: 'internal' }
  }

  async function answer(request: FastifyRequest, reply: FastifyReply, outcome: Kept): Promise<FastifyReply> {
    const addressee = request.checkedHead?.addressee ?? null
    const { headers, body } = await answerFor(outcome.code, addressee)
    if (stopping) reply.header('connection', 'close')
    report.answered({
      ...outcome,
      clientId: addressee?.client.clientId,
      bytes: Buffer.isBuffer(request.body) ? request.body.length : 0,
      durationMs: performance.now() - request.arrivedAtMs,
    })
    return reply.code(200).headers(headers).send(body)
  }

  return app
}
