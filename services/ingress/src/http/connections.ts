import { type IncomingMessage, METHODS, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type UnparsableCause, unparsableAnswer, unparsableCauseOf } from './unparsable.ts'

/** Longer than the app takes for any answer. */
export const answerDeadlineMs = 10_000
/** How long a peer may take to close when we have. */
const lingerMs = 1_000

type Connection = {
  /** Requests handed on. */
  requests: number
  /** The last of them; its response is the last that the app owes. */
  latest: { request: IncomingMessage; response: ServerResponse } | null
  /** Whether its last request has been handed on. */
  isEnding: boolean
  /** Whether the parser no longer reads it. */
  isDiscarding: boolean
}

/**
 * What happens on each connection before and beside the app: which requests it gets, and the answer to what is none.
 * Such an answer comes once per connection, in its turn, never in the place of the app's answer to a request before
 * it and never after an answer to the same bytes; then the connection is closed.
 *
 * @param onUnparsable is told why, once per connection
 */
export function createConnections({
  maxRequests,
  requestTimeoutMs,
  onUnparsable,
}: {
  maxRequests: number
  requestTimeoutMs: number
  onUnparsable: (cause: UnparsableCause) => void
}) {
  const connections = new WeakMap<Socket, Connection>()

  function connectionOf(socket: Socket): Connection {
    const known = connections.get(socket)
    if (known !== undefined) return known
    const connection: Connection = { requests: 0, latest: null, isEnding: false, isDiscarding: false }
    connections.set(socket, connection)
    // Node calls this after the last answer, whether or not the peer is still sending.
    socket.destroySoon = () => close(socket, connection)
    return connection
  }

  function close(socket: Socket, connection: Connection): void {
    discardInput(socket, connection)
    socket.end()
    // A long body that nobody wants: its sender may read the answer only when he has sent it.
    const isSending = connection.latest?.request.complete === false
    destroyIn(isSending ? requestTimeoutMs : lingerMs, socket)
  }

  function refuse(socket: Socket, cause: UnparsableCause): void {
    const connection = connectionOf(socket)
    if (connection.isDiscarding) return
    // Who has said nothing has asked for nothing: a proxy that connects ahead of need, a probe of the port.
    if (cause === 'timeout' && socket.bytesRead === 0) {
      socket.destroy()
      return
    }
    onUnparsable(cause)
    discardInput(socket, connection)
    destroyIn(answerDeadlineMs, socket)
    const { latest } = connection

    function settle(): void {
      const step = nextStep(latest)
      if (step === 'wait' || socket.writableEnded) return
      if (step === 'answer') socket.write(unparsableAnswer(cause, Date.now()))
      socket.end()
      destroyIn(lingerMs, socket)
    }
    latest?.response.on('socket', settle).on('finish', settle)
    settle()
  }

  return {
    /** Whether a request is for the app. What is not has been dealt with. */
    admits(request: IncomingMessage, response: ServerResponse): boolean {
      const connection = connectionOf(request.socket)
      if (connection.isEnding || connection.isDiscarding) return false
      if (!isUnderstood(request)) {
        refuse(request.socket, 'malformed')
        return false
      }
      connection.latest = { request, response }
      connection.requests += 1
      // Node's own limit on requests lets more of them come and answers them with 503. After a request that asks for
      // another protocol it drops whatever came in the same packet, so that the next packet begins anywhere.
      if (connection.requests >= maxRequests || request.headers.upgrade !== undefined) {
        connection.isEnding = true
        response.shouldKeepAlive = false
      }
      return true
    },

    refuse,

    /** For the errors that Node tells as `clientError`. */
    onError(error: Error, socket: Socket): void {
      const cause = unparsableCauseOf(error)
      if (cause === null) socket.destroy()
      else refuse(socket, cause)
    },
  }
}

const methods = new Set(METHODS)

/**
 * Whether a request that the parser took is one by RFC 9112. It also takes HTTP/0.9, what calls itself HTTP/2.0, the
 * methods of RTSP, transfer codings besides chunked that nobody here undoes, and any of them in HTTP/1.0.
 */
function isUnderstood({ httpVersion, method = '', headers }: IncomingMessage): boolean {
  const coding = headers['transfer-encoding']
  const isPlain = coding === undefined || (httpVersion === '1.1' && coding.toLowerCase() === 'chunked')
  return isPlain && (httpVersion === '1.1' || httpVersion === '1.0') && methods.has(method)
}

/** What to do for a peer whose further bytes mean nothing, by the last request before them or around them. */
function nextStep(latest: Connection['latest']): 'answer' | 'close' | 'wait' {
  if (latest === null) return 'answer'
  const { request, response } = latest
  const isBroken = !request.complete
  if (response.writableFinished) return isBroken ? 'close' : 'answer'
  // A response gets the socket when those before it are through.
  return isBroken && !response.headersSent && response.socket !== null ? 'answer' : 'wait'
}

/**
 * Takes a socket from the parser, so that nothing more on it becomes a request, and reads on: to close a socket with
 * unread bytes resets it, and a reset may cost the peer our answer.
 */
function discardInput(socket: Socket, connection: Connection): void {
  if (connection.isDiscarding) return
  connection.isDiscarding = true
  socket.removeAllListeners('data')
  socket.on('data', () => {})
  socket.on('error', () => {})
  socket.resume()
}

function destroyIn(deadlineMs: number, socket: Socket): void {
  const timer = setTimeout(() => socket.destroy(), deadlineMs).unref()
  socket.once('close', () => clearTimeout(timer))
}
