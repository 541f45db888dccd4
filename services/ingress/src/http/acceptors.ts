import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { Server as TlsServer } from 'node:tls'

/**
 * Further listeners on a port. Node takes one new connection per listener and turn of its event loop, so a busy
 * process with one listener leaves those who connect waiting for seconds: 3 to 10 s at twice its capacity, where
 * sixteen need 0.3 to 1.2.
 */
const furtherListeners = 15

/** Whether the kernel lets several sockets listen on one port and spreads connections over them. */
export const canShareListening = process.platform === 'linux'

/** Opens the further listeners; they hand what they accept to the server, which must listen with `reusePort`. */
export async function openAcceptors(
  server: Server,
  { host, port }: { host: string; port: number },
): Promise<AsyncDisposable> {
  // As the HTTP and the HTTPS server of Node open their own.
  const options = { noDelay: true, allowHalfOpen: !(server instanceof TlsServer) }
  const acceptors = Array.from({ length: furtherListeners }, () =>
    createServer(options, (socket: Socket) => server.emit('connection', socket)),
  )
  await Promise.all(
    acceptors.map(async (acceptor) => {
      acceptor.listen({ host, port, reusePort: true })
      await once(acceptor, 'listening')
    }),
  )
  return {
    async [Symbol.asyncDispose]() {
      // Their sockets live on with the server, so the end of each acceptor is not waited for.
      for (const acceptor of acceptors) acceptor.close()
    },
  }
}

/** Whether nobody listens there. A port that is shared on purpose would hide that another program has it. @throws */
export async function expectFree(at: { host: string; port: number }): Promise<void> {
  const probe = createServer()
  probe.listen(at)
  await once(probe, 'listening')
  probe.close()
  await once(probe, 'close')
}
