import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { callbackify } from 'node:util'
import { codeOf } from '@signalbox/runtime/start-problem'
import type { buildConnector } from 'undici'
import { type AddressGuard, bareHost, canonicalAddress, portOf } from './address-guard.ts'

/** Why a call got no answer. Closed, because merchants may see them. */
export type TransportError =
  | 'timeout'
  | 'dns'
  | 'tls'
  | 'connection'
  /** The URL, or an address that its host has, is one that may not be called. */
  | 'address_refused'
  /** Of e-mail: no mail server is set up, or ours takes nothing from us. */
  | 'mail_unavailable'

/** A connection that was not made. */
export class ConnectProblem extends Error {
  override name = 'ConnectProblem'
  readonly transport: TransportError

  constructor(transport: TransportError, options?: ErrorOptions) {
    super(`no connection: ${transport}`, options)
    this.transport = transport
  }
}

/**
 * Makes connections to checked addresses only. The host is resolved once, all its addresses are checked, one of them
 * is connected to, and before the first byte the address at the other end of that very socket is compared. SNI and
 * the name in the certificate are those of the URL.
 *
 * @param limits.connectMs bounds resolving, connecting and the TLS handshake together
 */
export function createGuardedConnector(
  guard: AddressGuard,
  { connectMs }: { connectMs: number },
): buildConnector.connector {
  async function open(options: buildConnector.Options): Promise<Socket> {
    const deadline = performance.now() + connectMs
    const socket = await openSocket(options, deadline)
    return options.protocol === 'https:' ? startTls(socket, bareHost(options.hostname), deadline) : socket
  }

  /** A socket that is connected to a checked address and has sent nothing. */
  async function openSocket(options: buildConnector.Options, deadline: number): Promise<Socket> {
    const host = bareHost(options.hostname)
    const addresses = await checkedAddresses(host, deadline)
    const socket = await connectToOne({ host, addresses, port: portOf(options) }, deadline)
    const { remoteAddress: remote } = socket
    if (remote !== undefined && addresses.includes(canonicalAddress(remote))) {
      if (guard.addressProblem(remote) === null) return socket
    }
    socket.destroy()
    // Undefined when the other end has hung up already.
    throw new ConnectProblem(remote === undefined ? 'connection' : 'address_refused')
  }

  async function checkedAddresses(host: string, deadline: number): Promise<readonly string[]> {
    const resolving = guard.addressesOf(host).catch((cause: unknown) => {
      throw new ConnectProblem('dns', { cause })
    })
    const checked = await before(deadline, resolving)
    if (checked.kind === 'refused') throw new ConnectProblem('address_refused')
    if (checked.addresses.length === 0) throw new ConnectProblem('dns')
    return checked.addresses
  }

  const connect = callbackify(open)
  return (options, callback) =>
    connect(options, (error, socket) => {
      if (error === null) callback(null, socket)
      else callback(error, null)
    })
}

/** Sessions are not resumed: a resumed one would not be checked against the name again. */
function startTls(socket: Socket, host: string, deadline: number): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  const secured = connectTls({
    socket,
    host,
    // An address is no server name.
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ALPNProtocols: ['http/1.1'],
    minVersion: 'TLSv1.2',
    // Whatever the environment says.
    rejectUnauthorized: true,
  })
  const timer = setTimeout(() => secured.destroy(new ConnectProblem('timeout')), deadline - performance.now())
  const fail = (error: Error) => {
    socket.destroy()
    reject(error instanceof ConnectProblem ? error : new ConnectProblem(problemOf(error), { cause: error }))
  }
  secured
    .once('secureConnect', () => {
      clearTimeout(timer)
      secured.off('error', fail)
      resolve(secured)
    })
    .once('error', fail)
    .once('close', () => clearTimeout(timer))
  return promise
}

/** An endpoint that hangs up is no matter of certificates. */
function problemOf(handshakeError: Error): TransportError {
  const code = codeOf(handshakeError)
  if (code === 'ETIMEDOUT') return 'timeout'
  return code === 'ECONNRESET' || code === 'EPIPE' ? 'connection' : 'tls'
}

/** How long one of several addresses is waited for before the next is tried. */
const attemptMs = 1_000

function connectToOne(
  to: { host: string; addresses: readonly string[]; port: number },
  deadline: number,
): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  const resolved = to.addresses.map((address) => ({ address, family: isIP(address) }))
  const socket = connectTcp({
    // Not called when the host is an address: then it is the one that was checked.
    lookup: (_host, _options, found) => found(null, resolved),
    host: to.host,
    port: to.port,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: attemptMs,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 60_000,
  })
  const timer = setTimeout(() => socket.destroy(new ConnectProblem('timeout')), deadline - performance.now())
  socket
    .once('connect', () => {
      clearTimeout(timer)
      socket.off('error', reject)
      resolve(socket)
    })
    .once('error', reject)
    .once('close', () => clearTimeout(timer))
  return promise
}

async function before<T>(deadline: number, result: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new ConnectProblem('timeout')), deadline - performance.now())
  try {
    return await Promise.race([result, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
