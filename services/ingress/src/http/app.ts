import { isIP } from 'node:net'
import type { ResultCode } from '@signalbox/alipay/result'
import type { ClientDirectory } from '@signalbox/key-ring/client-directory'
import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
} from 'fastify'
import { type Addressee, type AdmittedHead, checkHead } from '../notification/check-head.ts'
import type { Kept, createKeepNotification } from '../notification/keep-notification.ts'
import type { Gate } from '../overload/gate.ts'
import type { Report } from '../report.ts'
import { type Answer, createAnswers } from './answer.ts'
import { continueWhenAdmitted } from './http-server.ts'
import { type ReadBody, readBody } from './read-body.ts'

/** A request on its way to its answer. */
type Exchange = {
  request: FastifyRequest
  reply: FastifyReply
  /** When its head had arrived, by the monotonic clock. */
  arrivedAtMs: number
  addressee: Addressee | null
  /** Of its body. */
  bytes: number
}

const unreadOutcomes: Readonly<Record<Exclude<ReadBody['kind'], 'body'>, Kept | null>> = {
  too_large: { code: 'PARAM_ILLEGAL', reason: 'body_too_large' },
  no_room: { code: 'REQUEST_TRAFFIC_EXCEED_LIMIT', reason: 'bytes_limit' },
  cut_off: null,
}

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
    trustProxy: [...trustedProxies],
    // A router would decode and complete the path; here only the bytes that were signed decide.
    rewriteUrl: () => '/',
  })
  app.addHook('preClose', async () => {
    stopping = true
  })

  // Everything happens here, before Fastify would judge the body by rules of its own.
  app.addHook('onRequest', (request, reply) => {
    reply.hijack()
    const { raw } = request
    const head = checkHead(
      {
        method: request.method,
        target: publicPathPrefix + request.originalUrl,
        headers: raw.headers,
        rawHeaders: raw.rawHeaders,
        httpVersion: raw.httpVersion,
      },
      { directory: clients(), bodyLimitBytes },
    )
    const { addressee } = head
    const exchange = { request, reply, arrivedAtMs: performance.now(), addressee, bytes: 0 }
    const refusal = head.kind === 'refused' ? head : gateRefusal(head)
    if (refusal !== null) void answer(exchange, refusal)
    else if (head.kind === 'admitted') {
      continueWhenAdmitted(raw, reply.raw)
      receive(exchange, head)
    }
  })

  function gateRefusal({ addressee, declaredBytes }: AdmittedHead): Kept | null {
    const reason = gate.refusal({ clientId: addressee.client.clientId, declaredBytes })
    return reason === null ? null : { code: 'REQUEST_TRAFFIC_EXCEED_LIMIT', reason }
  }

  function receive(exchange: Exchange, head: AdmittedHead): void {
    const body = gate.openBody(() => giveUp())
    const giveUp = readBody(exchange.request.raw, { limitBytes: bodyLimitBytes, take: body.take }, (read) => {
      body.end()
      outcomeOf(exchange, head, read)
        .then((kept) => (kept === null ? report.cutOff() : answer(exchange, kept)))
        .catch((error: unknown) => report.failed(error))
    })
  }

  /** What is to be answered; null: there is nobody left to answer. */
  async function outcomeOf(exchange: Exchange, head: AdmittedHead, read: ReadBody): Promise<Kept | null> {
    if (read.kind !== 'body') return unreadOutcomes[read.kind]
    exchange.bytes = read.bytes.length
    try {
      return await keepNotification(head, read.bytes)
    } catch (error) {
      report.failed(error)
      return { code: 'UNKNOWN_EXCEPTION', reason: 'internal' }
    }
  }

  /** Sends at once what is at hand, without a promise. */
  function answer(exchange: Exchange, outcome: Kept): void | Promise<void> {
    const { addressee } = exchange
    const isVerified = outcome.notificationId !== undefined
    const made = answerFor(outcome.code, addressee === null ? null : { ...addressee, isVerified })
    if (!(made instanceof Promise)) return send(exchange, outcome, made)
    return made.then(
      (late) => send(exchange, outcome, late),
      (error: unknown) => {
        report.failed(error)
        const unsigned = answerFor('UNKNOWN_EXCEPTION', null)
        send(exchange, { code: 'UNKNOWN_EXCEPTION', reason: 'unsigned' }, unsigned)
      },
    )
  }

  function send(exchange: Exchange, outcome: Kept, { headers, body }: Answer): void {
    const { request, reply, arrivedAtMs, addressee, bytes } = exchange
    reply.raw.writeHead(200, closes(outcome.code) ? [...headers, 'connection', 'close'] : headers)
    reply.raw.end(body, 'latin1')
    report.answered({
      ...outcome,
      clientId: addressee?.client.clientId,
      bytes,
      durationMs: performance.now() - arrivedAtMs,
      remoteAddress: () => addressOf(request),
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

/** What a proxy passes on as an address may be any text of the sender's. */
function addressOf(request: FastifyRequest): string {
  return isIP(request.ip) === 0 ? (request.socket.remoteAddress ?? '') : request.ip
}
