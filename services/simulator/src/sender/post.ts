import { Pool } from 'undici'
import type { SenderClient } from '../sandbox.ts'
import { type Answer, checkAnswer } from './check-answer.ts'
import type { SignedNotification } from './sign-notification.ts'

/** The official clients wait this long for an answer. */
const answerTimeoutMs = 15_000
const connectTimeoutMs = 3_000
const mostAnswerBytes = 64 * 1024

export type Wire = AsyncDisposable & {
  post(client: SenderClient, notification: SignedNotification, stop: AbortSignal): Promise<Answer>
}

/** Keeps up to `connections` connections to the acquirer. Every trouble on the wire is an answer with a problem. */
export function openWire(options: { origin: string; connections: number }): Wire {
  const pool = new Pool(options.origin, {
    connections: options.connections,
    connectTimeout: connectTimeoutMs,
    headersTimeout: answerTimeoutMs,
    bodyTimeout: answerTimeoutMs,
    maxResponseSize: mostAnswerBytes,
  })
  return {
    async post(client, notification, stop) {
      try {
        const response = await pool.request({
          method: 'POST',
          path: notification.path,
          headers: notification.headers.flat(),
          body: notification.body,
          signal: AbortSignal.any([stop, AbortSignal.timeout(answerTimeoutMs)]),
        })
        const body = Buffer.from(await response.body.arrayBuffer())
        return checkAnswer(client, { status: response.statusCode, headers: response.headers, body })
      } catch (trouble) {
        return { resultCode: null, resultStatus: null, answerVerified: false, problem: nameOf(trouble) }
      }
    },
    [Symbol.asyncDispose]: () => pool.destroy(),
  }
}

function nameOf(trouble: unknown): string {
  if (!(trouble instanceof Error)) return String(trouble)
  return 'code' in trouble && typeof trouble.code === 'string' ? trouble.code : trouble.message
}
