import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { onTestFinished } from 'vitest'
import { createAddressGuard, type NetworkPolicy, type Resolve } from './address-guard.ts'
import { openWebhookSender, type SenderLimits, type SendWebhook } from './send-webhook.ts'

/** An endpoint on a real socket that counts what reaches it. */
export type Endpoint = {
  port: number
  /** How many TCP connections have come. */
  connections(): number
  /** How many bytes of what they said were read. */
  bytes(): number
  /** How many of the connections are open. */
  open(): number
}

const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

/** Answers every request, whose body must be a JSON object, with one text. */
export const answers =
  (text: string) =>
  (socket: Socket): void => {
    socket.on('data', (chunk: Buffer) => {
      if (chunk.at(-1) === '}'.charCodeAt(0)) socket.write(text)
    })
  }
export const answersOk = answers(ok)

export async function openEndpoint(
  behave: (socket: Socket) => void,
  { host = '127.0.0.1', port = 0, tls }: { host?: string; port?: number; tls?: TlsOptions } = {},
): Promise<Endpoint> {
  let connections = 0
  let bytes = 0
  const open = new Set<Socket>()
  const serve = (socket: Socket) => {
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    // Callers hang up as they like.
    socket.on('error', () => undefined)
    behave(socket)
  }
  const server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve)
  server.on('connection', (socket: Socket) => {
    connections += 1
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  server.on('tlsClientError', () => undefined)
  onTestFinished(async () => {
    for (const socket of open) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return {
    port: await listen(server, host, port),
    connections: () => connections,
    bytes: () => bytes,
    open: () => open.size,
  }
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  server.listen(port, host)
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no TCP address')
  return address.port
}

/** Any port and plain HTTP, but no address that is not public. */
export const publicOnly: NetworkPolicy = { allowHttp: true, allowedNetworks: [], ports: null }
export const everywhere: NetworkPolicy = { ...publicOnly, allowedNetworks: ['0.0.0.0/0', '::/0'] }
/** One loopback address plays the Internet, so that no test leaves this machine. */
export const publicAddress = '127.0.0.2'
export const playedPublic: NetworkPolicy = { ...publicOnly, allowedNetworks: [`${publicAddress}/32`] }

type Call = Parameters<SendWebhook>[0]

/** A sender that is closed after the test; what a call leaves out is filled in. */
export function openSender({
  policy = everywhere,
  resolve,
  timeoutMs = 5_000,
  ...limits
}: { policy?: NetworkPolicy; resolve?: Resolve; timeoutMs?: number } & Partial<SenderLimits> = {}) {
  const guard = createAddressGuard(policy, resolve === undefined ? {} : { resolve })
  const sender = openWebhookSender({ timeoutMs, guard, limits })
  onTestFinished(() => sender[Symbol.asyncDispose]())
  return (url: string, call: Partial<Call> = {}) =>
    sender.send({ url, headers: {}, body: '{"a":1}', signal: new AbortController().signal, ...call })
}
