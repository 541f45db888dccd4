import assert from 'node:assert/strict'
import { StartProblem } from '@signalbox/runtime/start-problem'
import type { Logger } from '@signalbox/runtime/log'
import type { FastifyInstance } from 'fastify'

/**
 * Starts to listen and logs where; gives the port.
 *
 * @throws StartProblem when the port cannot be had
 */
export async function listen(
  app: FastifyInstance,
  { host, port, log }: { host: string; port: number; log: Logger },
): Promise<number> {
  try {
    await app.listen({ host, port })
  } catch (cause) {
    throw new StartProblem(
      `Cannot listen on ${host}:${port} for the query API. Set CONSOLE_PORT to a free port, or 0 for any.`,
      { cause },
    )
  }
  const address = app.server.address()
  assert(typeof address === 'object' && address !== null, 'a TCP server has an address')
  log.info({ host, port: address.port }, 'console.listening')
  return address.port
}
