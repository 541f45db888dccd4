import { codeOf } from '@signalbox/runtime/start-problem'
import type { IncomingHttpHeaders } from 'node:http'
import { Agent, type Dispatcher } from 'undici'
import type { AddressGuard } from './address-guard.ts'
import { ConnectProblem, createGuardedConnector, type TransportError } from './connector.ts'

export type { TransportError } from './connector.ts'

/** How an HTTP call to an endpoint ended: with a status, or without one. */
export type Answer =
  | {
      kind: 'status'
      status: number
      retryAfter: string | null
      /** What was kept of the body, without control characters; null unless asked for, or when it is encoded. */
      body: string | null
    }
  | { kind: 'none'; error: TransportError }

/** Makes one HTTP call. Throws only when `signal` ends it. */
export type SendWebhook = (call: {
  url: string
  headers: Record<string, string>
  body: string
  signal: AbortSignal
  /** When it is over, however little of its time it had, epoch milliseconds: then nothing is sent any more. */
  endsByMs?: number
  /** How many bytes of the response body to keep as text, at most 4096; none unless told. */
  keepBytes?: number
}) => Promise<Answer>

export type SenderLimits = {
  /** For resolving, connecting and the TLS handshake together. */
  connectMs: number
  /** From the request sent to the end of the response's headers. */
  headersMs: number
  /** How long the rest of an answer is waited for, once its status is known. */
  bodyMs: number
  /** A connection older than this takes no further call, so that a change of an address is noticed. */
  connectionAgeMs: number
}

const standardLimits: SenderLimits = {
  connectMs: 3_000,
  headersMs: 10_000,
  bodyMs: 2_000,
  connectionAgeMs: 30_000,
}
/** Enough for keep-alive after an ordinary answer; of a longer one nothing more is read. */
const bodyLimitBytes = 4 * 1024
const headersLimitBytes = 16 * 1024
/** URLs whose reading is kept at a time: it takes longer than what else a call needs of them. */
const mostTargets = 10_000

type Target = { origin: string; path: string }

/**
 * Opens a sender over connections of its own, which `guard` lets go to allowed addresses only. A call takes at most
 * `timeoutMs`. Redirects are not followed, proxies of the environment not used, and bodies never decompressed.
 */
export function openWebhookSender({
  timeoutMs,
  guard,
  limits,
}: {
  timeoutMs: number
  guard: AddressGuard
  limits?: Partial<SenderLimits>
}): AsyncDisposable & { send: SendWebhook } {
  const { connectMs, headersMs, bodyMs, connectionAgeMs } = { ...standardLimits, ...limits }
  const agent = new Agent({
    allowH2: false,
    connect: createGuardedConnector(guard, { connectMs }),
    clientTtl: connectionAgeMs,
    keepAliveMaxTimeout: connectionAgeMs,
    headersTimeout: headersMs,
    // The clock of the whole call ends bodies.
    bodyTimeout: 0,
    maxHeaderSize: headersLimitBytes,
  })

  const targets = new Map<string, Target | null>()

  /** Where calls to a URL go; null when it may not be called. */
  function targetOf(url: string): Target | null {
    const known = targets.get(url)
    if (known !== undefined) return known
    const target = guard.urlProblem(url) === null ? readTarget(url) : null
    if (targets.size >= mostTargets) targets.clear()
    targets.set(url, target)
    return target
  }

  return {
    async send({ url, headers, body, signal, endsByMs = Number.POSITIVE_INFINITY, keepBytes = 0 }) {
      signal.throwIfAborted()
      const target = targetOf(url)
      if (target === null) return { kind: 'none', error: 'address_refused' }
      return new Promise((resolve, reject) => {
        const mostMs = Math.min(timeoutMs, endsByMs - Date.now())
        const call = new Call({ keepBytes, bodyMs, mostMs, signal, resolve, reject })
        agent.dispatch({ ...target, method: 'POST', headers: headersOf(headers), body }, call)
      })
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  }
}

/**
 * One call, as undici tells of it. Its status is the answer: unless the body is to be kept, nobody waits for the rest,
 * which is read, within limits, so that the connection can be used again.
 */
class Call implements Dispatcher.DispatchHandler {
  readonly #keepBytes: number
  readonly #bodyMs: number
  readonly #endsAt: number
  readonly #signal: AbortSignal
  readonly #resolve: (answer: Answer) => void
  readonly #reject: (reason: unknown) => void
  #timer: NodeJS.Timeout
  #controller: Dispatcher.DispatchController | undefined
  #isOver = false
  #answer: Extract<Answer, { kind: 'status' }> | undefined
  #isKept = false
  #received = 0
  readonly #chunks: Uint8Array[] = []

  constructor(of: {
    keepBytes: number
    bodyMs: number
    mostMs: number
    signal: AbortSignal
    resolve: (answer: Answer) => void
    reject: (reason: unknown) => void
  }) {
    this.#keepBytes = of.keepBytes
    this.#bodyMs = of.bodyMs
    this.#endsAt = performance.now() + of.mostMs
    this.#signal = of.signal
    this.#resolve = of.resolve
    this.#reject = of.reject
    this.#timer = setTimeout(this.#timeOut, Math.max(0, of.mostMs))
    of.signal.addEventListener('abort', this.#cancel, { once: true })
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    // A process that stood still meanwhile has not heard of it yet.
    const isTooLate = performance.now() >= this.#endsAt
    if (this.#isOver || isTooLate) controller.abort(new ConnectProblem('timeout'))
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    if (status < 200) return
    const retryAfter = [headers['retry-after']].flat()[0] ?? null
    this.#answer = { kind: 'status', status, retryAfter, body: null }
    this.#isKept = this.#keepBytes > 0 && !isEncoded(headers)
    if (!this.#isKept) this.#resolve(this.#answer)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(
      this.#timeOut,
      Math.max(0, Math.min(this.#bodyMs, this.#endsAt - performance.now())),
    )
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    this.#received += chunk.length
    if (this.#isKept) this.#chunks.push(chunk)
    if (this.#received >= bodyLimitBytes) this.#stop(controller)
  }

  onResponseEnd(): void {
    this.#finish()
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#answer === undefined) this.#resolve({ kind: 'none', error: transportErrorOf(error) })
    this.#finish()
  }

  readonly #timeOut = () => {
    // What came while this process stood still is read first: the endpoint was in time, and would be called twice.
    if (this.#controller === undefined) this.#giveUp()
    else setImmediate(this.#giveUp)
  }

  readonly #giveUp = () => {
    if (this.#isOver) return
    if (this.#answer === undefined) this.#resolve({ kind: 'none', error: 'timeout' })
    this.#stop(this.#controller)
  }

  readonly #cancel = () => {
    this.#reject(this.#signal.reason)
    this.#stop(this.#controller)
  }

  /** Ends the connection, now or when it is there. */
  #stop(controller: Dispatcher.DispatchController | undefined): void {
    this.#finish()
    controller?.abort(new ConnectProblem('timeout'))
  }

  /** What was kept of the body is all there will be; the status stands whatever became of the rest. */
  #finish(): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#signal.removeEventListener('abort', this.#cancel)
    if (this.#answer !== undefined && this.#isKept) {
      this.#resolve({ ...this.#answer, body: textOf(this.#chunks, this.#keepBytes) })
    }
  }
}

function readTarget(url: string): Target {
  const { origin, pathname, search } = new URL(url)
  return { origin, path: pathname + search }
}

/** Those of a call, and those of all calls. The URL alone says which host is meant. */
function headersOf(headers: Record<string, string>): Record<string, string> {
  const sent: Record<string, string> = {
    'content-type': 'application/json',
    'user-agent': 'signalbox-webhooks',
  }
  for (const [name, value] of Object.entries(headers)) {
    if (name.toLowerCase() !== 'host') sent[name] = value
  }
  return sent
}

function isEncoded(headers: IncomingHttpHeaders): boolean {
  const encoding = headers['content-encoding'] ?? 'identity'
  return encoding.trim().toLowerCase() !== 'identity'
}

/** The start of a body. */
function textOf(chunks: readonly Uint8Array[], keepBytes: number): string {
  const kept = Buffer.concat(chunks).subarray(0, Math.min(keepBytes, bodyLimitBytes))
  // As a stream, so that a character cut in half is left out.
  return new TextDecoder().decode(kept, { stream: true }).replace(unprintable, ' ')
}

/** Control characters, and those that change the direction or the lines of the text around them. */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu

/** Names by a closed code why a call got no answer. */
function transportErrorOf(error: unknown): TransportError {
  if (error instanceof ConnectProblem) return error.transport
  const isTimeout = ['UND_ERR_HEADERS_TIMEOUT', 'ETIMEDOUT'].includes(codeOf(error))
  return isTimeout ? 'timeout' : 'connection'
}
