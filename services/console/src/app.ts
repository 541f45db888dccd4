import { topics } from '@signalbox/contracts/topics'
import type { LogReader } from '@signalbox/quarantine/quarantine'
import type { RedrivePorts } from '@signalbox/quarantine/redrive'
import type { RegistrationStore } from '@signalbox/registration-store/registration-store'
import type { Logger } from '@signalbox/runtime/log'
import { httpLimits, maxConnections } from '@signalbox/runtime/http-limits'
import type { Metrics } from '@signalbox/runtime/metrics'
import type { SigningKeys } from '@signalbox/webhook-sender/signing-keys'
import Fastify, { type FastifyError, type FastifyInstance } from 'fastify'
import { refuse, refuseUnreadable } from './answers.ts'
import type { AppendCommands } from './append-command.ts'
import type { FindBearer } from './bearers.ts'
import { answerBrokenRequest } from './broken-request.ts'
import { addCommandRoutes } from './command-routes.ts'
import { addEmailLinkRoutes } from './email-links.ts'
import type { EndpointPorts } from './endpoint-exchange.ts'
import { addEndpointRoutes } from './endpoint-routes.ts'
import type { InquiryWishes } from './inquiry/inquiries.ts'
import { addInquiryRoutes } from './inquiry/inquiry-routes.ts'
import { addQuarantineRoutes } from './quarantine-routes.ts'
import { addRegistrationsRoutes } from './registrations-routes.ts'
import { addWellKnownRoutes } from './well-known.ts'
import { addReplayRoutes } from './replay-routes.ts'
import { routeOf, watchRequests } from './watch-requests.ts'

/** The API: what is known of registrations, and what an operator may do, for whoever holds a token. */
export function createApp(ports: {
  store: Pick<RegistrationStore, 'read' | 'listAttention' | 'readWatermark'>
  /** Reads the raw and the quarantine topic. */
  logReader: LogReader
  producer: RedrivePorts['producer']
  appendCommands: AppendCommands
  /** null or absent: Alipay+ is not asked. */
  wishes?: InquiryWishes | null
  /** null or absent: this deployment has no endpoints of its own. */
  endpoints?: EndpointPorts | null
  publicKeySet: SigningKeys['publicKeySet']
  partitions: number
  findBearer: FindBearer
  log: Logger
  metrics: Metrics
  /** Epoch milliseconds. */
  now: () => number
}): FastifyInstance {
  const { log, logReader, producer, partitions, now } = ports
  const app = Fastify({
    bodyLimit: 16 * 1024,
    ...httpLimits,
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: (_error, _request, reply) => void refuseUnreadable(reply),
  })
  app.server.maxConnections = maxConnections
  app.server.maxHeadersCount = 64
  watchRequests(app, ports)

  addRegistrationsRoutes(app, ports)
  addCommandRoutes(app, ports)
  addInquiryRoutes(app, { ...ports, wishes: ports.wishes ?? null })
  const { endpoints = null } = ports
  addEndpointRoutes(app, { ...ports, endpoints })
  addReplayRoutes(app, { ...ports, endpoints })
  if (endpoints !== null) {
    addEmailLinkRoutes(app, { writer: endpoints.writer, keys: endpoints.sealing, log, now })
  }
  addWellKnownRoutes(app, ports)
  const names = { raw: topics.raw.name, quarantine: topics.quarantine.name }
  addQuarantineRoutes(app, {
    ...ports,
    quarantine: { log: logReader, topics: names, producer, partitions, now },
  })

  app.setNotFoundHandler((_, reply) =>
    refuse(
      reply,
      'not_found',
      'There is nothing here. Try GET /v1/registrations, /v1/quarantine or /v1/endpoints.',
    ),
  )
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    if (error.statusCode !== undefined && error.statusCode < 500) return refuseUnreadable(reply)
    log.error({ err: error, route: routeOf(request) }, 'console.failed')
    return refuse(reply, 'internal', 'Something went wrong here. It is in our log.')
  })
  return app
}
