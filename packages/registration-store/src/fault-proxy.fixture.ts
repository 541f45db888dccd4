import assert from 'node:assert/strict'
import { connect, createServer, type Socket } from 'node:net'

/** Stands between a client and Redis and hurts the link. For tests. */
export type FaultProxy = AsyncDisposable & {
  url: string
  /** Ends every connection; new ones are refused until `mend`. */
  cut(): void
  /** Connections stay open and nothing passes through them any more; after `mend` new ones work. */
  freeze(): void
  mend(): void
  /** From now on this text in answers of Redis is replaced; inside a bulk string by one of the same length. */
  rewrite(text: { from: RegExp; to: string }): void
}

/** Opens a proxy on a free port of 127.0.0.1. */
export async function openFaultProxy(redisUrl: string): Promise<FaultProxy> {
  const { hostname, port } = new URL(redisUrl)
  const sockets = new Set<Socket>()
  let state: 'open' | 'cut' | 'frozen' = 'open'
  let rewriting: { from: RegExp; to: string } | undefined

  const server = createServer((client) => {
    if (state === 'cut') {
      client.destroy()
      return
    }
    const upstream = connect(Number(port), hostname)
    if (state === 'frozen') client.pause()
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from)
      from.on('data', (bytes) => {
        const text = bytes.toString('latin1')
        to.write(rewriting && from === upstream ? text.replace(rewriting.from, rewriting.to) : text, 'latin1')
      })
      from.on('error', () => to.destroy())
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert(typeof address === 'object' && address !== null, 'a TCP server has an address')

  const endAll = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: `redis://127.0.0.1:${address.port}`,
    cut() {
      state = 'cut'
      endAll()
    },
    freeze() {
      state = 'frozen'
      for (const socket of sockets) socket.pause()
    },
    mend() {
      state = 'open'
    },
    rewrite(text) {
      rewriting = text
    },
    async [Symbol.asyncDispose]() {
      endAll()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
