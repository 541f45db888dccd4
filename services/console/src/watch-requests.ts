import type { Logger } from '@signalbox/runtime/log'
import type { Metrics } from '@signalbox/runtime/metrics'
import type { FastifyInstance, FastifyRequest } from 'fastify'

/** Seconds. A read is one or two round trips to Redis; past the last bucket it is refused. */
const buckets = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 3]

/** Writes one log line per request and counts it. Never the query string: it names merchants. */
export function watchRequests(
  app: FastifyInstance,
  { log, metrics }: { log: Logger; metrics: Metrics },
): void {
  const requests = metrics.counter({
    name: 'console_requests_total',
    help: 'Requests answered, by route and class of HTTP status.',
    labels: ['route', 'status_class'],
  })
  const duration = metrics.histogram({
    name: 'console_request_duration_seconds',
    help: 'Time from a request to its answer.',
    labels: ['route'],
    buckets,
  })
  app.addHook('onResponse', async (request, reply) => {
    const route = routeOf(request)
    const { statusCode: status, elapsedTime: durationMs } = reply
    requests.inc({ route, status_class: `${Math.floor(status / 100)}xx` })
    duration.observe({ route }, durationMs / 1_000)
    log.info(
      {
        requestId: request.id,
        method: request.method,
        route,
        status,
        durationMs: Math.round(durationMs * 10) / 10,
      },
      'console.request',
    )
  })
}

/** The route's pattern, never the address that was asked: labels are a closed set. */
export function routeOf(request: FastifyRequest): string {
  return request.routeOptions.url ?? 'unknown'
}
