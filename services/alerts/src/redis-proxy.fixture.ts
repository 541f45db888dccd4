import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** Stands between the service and Redis and can cut the link. */
export async function openRedisProxy(
  redisUrl: string,
): Promise<AsyncDisposable & { url: string; cut: () => void; mend: () => void }> {
  const { hostname, port } = new URL(redisUrl)
  const sockets = new Set<Socket>()
  let isCut = false
  const endAll = () => {
    for (const socket of sockets) socket.destroy()
  }

  const server = createServer((client) => {
    if (isCut) {
      client.destroy()
      return
    }
    const upstream = connect(Number(port), hostname)
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from)
      from.pipe(to)
      from.on('error', () => to.destroy())
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('a TCP server has an address')

  return {
    url: `redis://127.0.0.1:${address.port}`,
    cut() {
      isCut = true
      endAll()
    },
    mend() {
      isCut = false
    },
    async [Symbol.asyncDispose]() {
      isCut = true
      endAll()
      server.close()
      await once(server, 'close')
    },
  }
}
