import { connect, type Socket } from 'node:net'

/** Connections whose requests never become complete. */
export type SlowBodies = AsyncDisposable & {
  /** How many were opened, those included that took the place of one the server had closed. */
  opened(): number
}

const trickleEveryMs = 250
const longestHeldMs = 60_000

/**
 * Holds so many requests open: sends their beginning, which should be at least the head, then one byte more now and
 * then. A connection that the server closes is replaced at the next byte's turn. Disposal closes all; after a minute
 * it happens by itself.
 */
export function holdSlowBodies(options: {
  port: number
  beginning: Buffer
  connections: number
}): SlowBodies {
  const { port, beginning, connections } = options
  const held = new Set<Socket>()
  let opened = 0

  function hold(): void {
    const socket = connect({ host: '127.0.0.1', port })
    held.add(socket)
    opened += 1
    socket.on('error', () => undefined)
    socket.on('close', () => held.delete(socket))
    socket.on('end', () => socket.destroy())
    socket.resume()
    socket.write(beginning)
  }

  const trickle = setInterval(() => {
    for (const socket of held) if (socket.writable) socket.write('x')
    while (held.size < connections) hold()
  }, trickleEveryMs)
  const end = () => {
    clearInterval(trickle)
    clearTimeout(tooLong)
    for (const socket of held) socket.destroy()
  }
  const tooLong = setTimeout(end, longestHeldMs)
  return {
    opened: () => opened,
    async [Symbol.asyncDispose]() {
      end()
    },
  }
}
