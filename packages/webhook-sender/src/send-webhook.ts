import { codeOf } from '@signalbox/runtime/start-problem'
import { Agent, type Dispatcher, request } from 'undici'
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

  return {
    async send({ url, headers, body, signal, keepBytes = 0 }) {
      signal.throwIfAborted()
      if (guard.urlProblem(url) !== null) return { kind: 'none', error: 'address_refused' }
      const clock = startClock({ timeoutMs, signal })
      let response: Dispatcher.ResponseData
      try {
        response = await request(url, {
          dispatcher: agent,
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            'user-agent': 'signalbox-webhooks',
            ...withoutHost(headers),
          },
          body,
          signal: clock.signal,
        })
      } catch (error) {
        clock.stop()
        signal.throwIfAborted()
        return { kind: 'none', error: transportErrorOf(error) }
      }
      clock.shortenTo(bodyMs)
      const retryAfter = [response.headers['retry-after']].flat()[0] ?? null
      const answer = { kind: 'status', status: response.statusCode, retryAfter } as const
      if (keepBytes > 0 && !isEncoded(response)) {
        const text = await readText(response.body, keepBytes).finally(() => clock.stop())
        return { ...answer, body: text }
      }
      // The status is the answer, so nobody waits for the rest of it.
      void response.body
        .dump({ limit: bodyLimitBytes })
        .catch(() => undefined)
        .finally(() => clock.stop())
      return { ...answer, body: null }
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  }
}

/** A signal that ends a call when its time is up or `signal` says so. Whoever starts it stops it. */
function startClock({ timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal }) {
  const end = new AbortController()
  const endsAt = performance.now() + timeoutMs
  const timeOut = () => end.abort(new ConnectProblem('timeout'))
  const cancel = () => end.abort(signal.reason)
  let timer = setTimeout(timeOut, timeoutMs)
  signal.addEventListener('abort', cancel, { once: true })
  return {
    signal: end.signal,
    shortenTo(ms: number): void {
      clearTimeout(timer)
      timer = setTimeout(timeOut, Math.min(ms, endsAt - performance.now()))
    },
    stop(): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', cancel)
    },
  }
}

/** The URL alone says which host is meant. */
function withoutHost(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'host'))
}

function isEncoded({ headers }: Dispatcher.ResponseData): boolean {
  const encoding = String(headers['content-encoding'] ?? 'identity')
  return encoding.trim().toLowerCase() !== 'identity'
}

/** The start of a body, as far as it comes in time. */
async function readText(body: Dispatcher.ResponseData['body'], keepBytes: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    for await (const chunk of body) {
      if (!(chunk instanceof Uint8Array)) break
      chunks.push(chunk)
      size += chunk.length
      if (size >= bodyLimitBytes) break
    }
  } catch {
    // The status stands whatever becomes of the rest.
  }
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
