import { AssertionError } from 'node:assert'
import type { RegistrationStore } from '@signalbox/registration-store/registration-store'
import type { Logger } from '@signalbox/runtime/log'
import { httpLimits, maxConnections } from '@signalbox/runtime/http-limits'
import type { Metrics } from '@signalbox/runtime/metrics'
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify'
import { answerBrokenRequest } from './broken-request.ts'
import type { FindBearer } from './bearers.ts'
import { routeOf, watchRequests } from './watch-requests.ts'
import { createFindRegistrations, type Page } from './find-registrations.ts'
import { registrationItem } from './registration-item.ts'
import { readRegistrationsQuery } from './registrations-query.ts'

/** A person waits for the answer, and a 503 sends a program elsewhere sooner than a time-out. */
const readDeadlineMs = 3_000

const refusals = {
  bad_query: 400,
  unauthorized: 401,
  not_found: 404,
  bad_request: 400,
  internal: 500,
  unavailable: 503,
} as const

/** The query API: what is known of registrations, for whoever holds a token. */
export function createApp(ports: {
  store: Pick<RegistrationStore, 'read'>
  partitions: number
  findBearer: FindBearer
  log: Logger
  metrics: Metrics
}): FastifyInstance {
  const { log } = ports
  const findRegistrations = createFindRegistrations(ports)
  const app = Fastify({
    bodyLimit: 16 * 1024,
    ...httpLimits,
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: (_error, _request, reply) => void refuseUnreadable(reply),
  })
  app.server.maxConnections = maxConnections
  app.server.maxHeadersCount = 64
  watchRequests(app, ports)

  app.get('/v1/registrations', async (request, reply) => {
    const bearer = ports.findBearer(request.headers.authorization)
    if (bearer === null) {
      reply.header('www-authenticate', 'Bearer realm="signalbox"')
      return refuse(reply, 'unauthorized', 'Give a known token: Authorization: Bearer <token>.')
    }
    const read = readRegistrationsQuery(request.query)
    if (read.kind === 'refused') return refuse(reply, 'bad_query', read.problem)
    const { query } = read
    if (!bearer.maySee(query.clientId)) return refuseUnknown(reply)

    const page = await beforeDeadline(findRegistrations(query)).catch((trouble: unknown) => {
      if (trouble instanceof AssertionError) throw trouble
      log.warn({ err: trouble }, 'registrations.unavailable')
      return null
    })
    if (page === null) {
      reply.header('retry-after', '1')
      return refuse(reply, 'unavailable', 'Registrations cannot be read at the moment. Ask again.')
    }
    // A page may be empty at the end of a list, but a merchant without any registration is not known.
    if (page.registrations.length === 0 && query.cursor === undefined) return refuseUnknown(reply)
    return { registrations: page.registrations.map(registrationItem), next: page.next }
  })

  app.setNotFoundHandler((_, reply) =>
    refuse(reply, 'not_found', 'There is nothing here. Try GET /v1/registrations.'),
  )
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    if (error.statusCode !== undefined && error.statusCode < 500) return refuseUnreadable(reply)
    log.error({ err: error, route: routeOf(request) }, 'console.failed')
    return refuse(reply, 'internal', 'Something went wrong here. It is in our log.')
  })
  return app
}

function refuse(reply: FastifyReply, code: keyof typeof refusals, message: string): FastifyReply {
  return reply.code(refusals[code]).send({ error: { code, message } })
}

function refuseUnreadable(reply: FastifyReply): FastifyReply {
  return refuse(reply, 'bad_request', 'The request cannot be read: see to its address and headers.')
}

/** One answer for what does not exist and for what the bearer may not see, so that it cannot tell the two apart. */
function refuseUnknown(reply: FastifyReply): FastifyReply {
  return refuse(reply, 'not_found', 'No registration of this client, merchant and store is known.')
}

async function beforeDeadline(reading: Promise<Page>): Promise<Page> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => late.reject(new Error(`The view did not answer within ${readDeadlineMs} ms.`)),
    readDeadlineMs,
  )
  try {
    return await Promise.race([reading, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
