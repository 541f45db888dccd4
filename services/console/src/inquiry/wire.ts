import { Agent } from 'undici'
import type { HttpAnswer } from './check-answer.ts'

export type Call = { origin: string; path: string; headers: Readonly<Record<string, string>>; body: Buffer }

/** Posts calls; connections are kept alive. Every trouble on the way is an answer of its own. */
export type Wire = AsyncDisposable & {
  post(call: Call): Promise<{ kind: 'answer'; answer: HttpAnswer } | { kind: 'failed'; problem: string }>
}

const connectTimeoutMs = 3_000
const connectionsPerHost = 4

/**
 * @param options.deadlineMs from the call to the last byte of its answer
 * @param options.stop ends what is under way
 */
export function openWire(options: { deadlineMs: number; mostAnswerBytes: number; stop: AbortSignal }): Wire {
  const { deadlineMs, mostAnswerBytes, stop } = options
  const agent = new Agent({
    connections: connectionsPerHost,
    connectTimeout: connectTimeoutMs,
    headersTimeout: deadlineMs,
    bodyTimeout: deadlineMs,
    maxResponseSize: mostAnswerBytes,
  })
  return {
    async post({ origin, path, headers, body }) {
      const deadline = AbortSignal.timeout(deadlineMs)
      try {
        const response = await agent.request({
          origin,
          path,
          method: 'POST',
          headers,
          body,
          signal: AbortSignal.any([stop, deadline]),
        })
        const received = Buffer.from(await response.body.arrayBuffer())
        const { statusCode: status } = response
        return { kind: 'answer', answer: { status, headers: response.headers, body: received } }
      } catch (trouble) {
        return { kind: 'failed', problem: deadline.aborted ? 'deadline' : codeOf(trouble) }
      }
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  }
}

function codeOf(trouble: unknown): string {
  if (!(trouble instanceof Error)) return 'unknown'
  return 'code' in trouble && typeof trouble.code === 'string' ? trouble.code : trouble.name
}
