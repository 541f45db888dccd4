import { Agent, request } from 'undici'
import type { Answer, TransportError } from './answer.ts'

/** Makes one HTTP call. Throws only when `signal` ends it. */
export type SendWebhook = (call: {
  url: string
  headers: Record<string, string>
  body: string
  signal: AbortSignal
}) => Promise<Answer>

const connectTimeoutMs = 3_000
const headersTimeoutMs = 10_000
/** Enough for keep-alive after an ordinary answer; of a longer one nothing is read. */
const answerLimitBytes = 4 * 1024

/**
 * Opens a sender over connections of its own. A call takes at most `timeoutMs`; redirects are not followed and
 * nothing of an answer but its status and `Retry-After` is looked at.
 */
export function openWebhookSender({
  timeoutMs,
}: {
  timeoutMs: number
}): AsyncDisposable & { send: SendWebhook } {
  const agent = new Agent({
    allowH2: false,
    connect: { timeout: connectTimeoutMs },
    headersTimeout: headersTimeoutMs,
    bodyTimeout: timeoutMs,
    maxHeaderSize: 16 * 1024,
  })
  return {
    async send({ url, headers, body, signal }) {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
      try {
        const answer = await request(url, {
          dispatcher: agent,
          method: 'POST',
          headers: { 'content-type': 'application/json', 'user-agent': 'signalbox-webhooks', ...headers },
          body,
          signal: limited,
        })
        // The status is the answer, so nobody waits for the rest of it.
        answer.body.dump({ limit: answerLimitBytes }).catch(() => undefined)
        const retryAfter = [answer.headers['retry-after']].flat()[0] ?? null
        return { kind: 'status', status: answer.statusCode, retryAfter }
      } catch (error) {
        signal.throwIfAborted()
        return { kind: 'none', error: transportErrorOf(error) }
      }
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  }
}

const timeouts = ['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT']
const resolving = ['ENOTFOUND', 'EAI_AGAIN', 'ENODATA']
const tls = /^(ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|EPROTO$|HOSTNAME_MISMATCH)/

/** Names by a closed code why a call got no answer. */
function transportErrorOf(error: unknown): TransportError {
  if (!(error instanceof Error)) return 'connection'
  const code = 'code' in error ? String(error.code) : ''
  if (error.name === 'TimeoutError' || timeouts.includes(code)) return 'timeout'
  if (resolving.includes(code)) return 'dns'
  if (tls.test(code)) return 'tls'
  return 'connection'
}
