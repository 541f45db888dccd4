import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { Logger } from './log.ts'
import type { Metrics } from './metrics.ts'

/** What one part of a process says about itself; `detail` is for a person. */
export type Check = { ok: boolean; detail: string }

export type OpsServer = AsyncDisposable & { port: number }

/**
 * Serves `/livez` (the process runs), `/readyz` (every check is ok, else 503; the body names each check) and
 * `/metrics` of one process.
 */
export async function openOpsServer(options: {
  host: string
  port: number
  log: Logger
  metrics: Metrics
  checks: Readonly<Record<string, () => Check | Promise<Check>>>
}): Promise<OpsServer> {
  const server = createServer((request, response) => {
    void answer(request.url ?? '').then(
      ({ status, type, body }) => response.writeHead(status, { 'content-type': type }).end(body),
      (error: unknown) => {
        options.log.error({ err: error }, 'ops.failed')
        response.writeHead(500).end()
      },
    )
  })

  async function answer(path: string) {
    switch (path) {
      case '/livez':
        return { status: 200, type: 'text/plain', body: 'alive\n' }
      case '/readyz': {
        const checks = await Promise.all(
          Object.entries(options.checks).map(async ([name, check]) => [name, await check()] as const),
        )
        const ok = checks.every(([, check]) => check.ok)
        const body = `${JSON.stringify({ ready: ok, checks: Object.fromEntries(checks) })}\n`
        return { status: ok ? 200 : 503, type: 'application/json', body }
      }
      case '/metrics':
        return { status: 200, type: options.metrics.contentType, body: await options.metrics.text() }
      default:
        return { status: 404, type: 'text/plain', body: 'Here are /livez, /readyz and /metrics.\n' }
    }
  }

  const port = await listen(server, options)
  options.log.info({ host: options.host, port }, 'ops.listening')
  return {
    port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}

async function listen(server: ReturnType<typeof createServer>, at: { host: string; port: number }) {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(portTrouble(at, cause)))
    server.listen(at.port, at.host, resolve)
  })
  const address = server.address()
  assert(typeof address === 'object' && address !== null, 'a TCP server has an address')
  return address.port
}

function portTrouble(at: { host: string; port: number }, cause: Error): Error {
  return new Error(
    `Cannot listen on ${at.host}:${at.port} for health and metrics. Set OPS_PORT to a free port, or 0 for any.`,
    { cause },
  )
}
