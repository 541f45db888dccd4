import assert from 'node:assert/strict'
import type { Logger } from '@signalbox/runtime/log'
import { StartProblem } from '@signalbox/runtime/start-problem'
import type { FastifyInstance } from 'fastify'

/** Longer than any answer may take, and short enough to leave time for the producer to drain. */
const drainDeadlineMs = 6_000

export type HttpServer = AsyncDisposable & { port: number }

/**
 * Takes requests. Closing stops that, lets the requests under way be answered, and cuts off who has not
 * finished sending his within six seconds.
 *
 * @throws StartProblem when it cannot listen
 */
export async function openHttpServer(
  app: FastifyInstance,
  { host, port, log }: { host: string; port: number; log: Logger },
): Promise<HttpServer> {
  await app.listen({ host, port }).catch((cause: unknown) => {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
    throw new StartProblem(
      `Cannot listen on ${host}:${port} for notifications (${code}). ` +
        'Set INGRESS_PORT to a free port, or 0 for any, and LISTEN_HOST to an address of this machine.',
    )
  })
  const address = app.server.address()
  assert(typeof address === 'object' && address !== null, 'a TCP server has an address')
  log.info({ host, port: address.port }, 'ingress.listening')
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      const cutOff = setTimeout(() => app.server.closeAllConnections(), drainDeadlineMs)
      await app.close()
      clearTimeout(cutOff)
    },
  }
}
