import type { DeliveryLine } from '@signalbox/contracts/simulator-files'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import { Webhook } from 'standardwebhooks'
import type { Sink } from '../sandbox.ts'

/** A change can have many events; Signalbox' own records end before this. */
const mostBodyBytes = 16 * 1024 * 1024

/** What sinks do wrong on purpose. */
export type SinkFaults = {
  /** The first so many webhooks of each endpoint are answered `failStatus`. */
  failFirst: number
  failStatus: number
  /** Every answer waits this long. */
  delayMs: number
}

/**
 * Merchants' webhook endpoints, one path each (`/<endpoint id>`), which verify as a merchant would: with the
 * published Standard Webhooks library and nothing of ours. Answers 204, or 401 to what does not verify; every
 * webhook is recorded before it is answered.
 */
export function createSinkServer(options: {
  sinks: readonly Sink[]
  faults: SinkFaults
  record: (line: DeliveryLine) => void
}): FastifyInstance {
  const { faults } = options
  const app = Fastify({ bodyLimit: mostBodyBytes, forceCloseConnections: true })
  // A signature is over the bytes, so nothing may be parsed and written anew.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_, body, done) => done(null, body))

  for (const sink of options.sinks) {
    const webhook = new Webhook(sink.secret)
    let received = 0
    app.post(`/${sink.endpointId}`, async (request, reply) => {
      const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
      const headers = Object.fromEntries(
        Object.entries(request.headers).map(([name, value]) => [name, [value ?? ''].flat().join(', ')]),
      )
      received += 1
      const error = problemOf(webhook, { body, headers })
      const accepted = error === null ? 204 : 401
      const answered = received <= faults.failFirst ? faults.failStatus : accepted
      if (faults.delayMs > 0) await sleep(faults.delayMs)
      options.record({
        at: new Date().toISOString(),
        endpointId: sink.endpointId,
        webhookId: headers['webhook-id'] ?? null,
        headers,
        body: body.toString('utf8'),
        verified: error === null,
        error,
        answered,
      })
      return reply.code(answered).send()
    })
  }
  return app
}

/** Why a webhook does not verify; null when it does. */
function problemOf(
  webhook: Webhook,
  received: { body: Buffer; headers: Record<string, string> },
): string | null {
  try {
    webhook.verify(received.body, received.headers)
    return null
  } catch (problem) {
    return problem instanceof Error ? problem.message : String(problem)
  }
}
