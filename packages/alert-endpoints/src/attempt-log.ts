import { createScript } from '@signalbox/redis-link/script'
import type { Redis } from 'ioredis'
import { z } from 'zod'

export const attemptErrors = [
  'timeout',
  'dns',
  'tls',
  'connection',
  /** The address may not be called from here. */
  'address_refused',
  /** Of e-mail: no mail server is set up, or ours takes nothing from us. */
  'mail_unavailable',
  /** A redirect, which is never followed. */
  'redirected',
  /** A 4xx by which the endpoint says that it will never take this. */
  'rejected',
  /** 410: the endpoint is no more. */
  'gone',
  /** A 4xx that asks for patience. */
  'busy',
  'server_error',
  'unexpected_status',
] as const

/** Why an attempt failed. Closed, because merchants see it. */
export type AttemptError = (typeof attemptErrors)[number]

/** One call to an endpoint, as it ended. */
export type Attempt = {
  alertId: string
  subject: string
  version: number
  /** From 1; of a replay within the replay. */
  attempt: number
  /** When it ended, epoch milliseconds. */
  at: number
  durationMs: number
  status: number | null
  class: '2xx' | '3xx' | '4xx' | '5xx' | 'none'
  error: AttemptError | null
  /** The start of the answer's body, where the endpoint wants it kept. */
  response: string | null
  isReplay: boolean
  /** When the next one is due; null for the last one. */
  nextInMs: number | null
}

export type AttemptLog = {
  /** Writes an attempt down. */
  add(endpointId: string, attempt: Omit<Attempt, 'class'>): Promise<void>
  /**
   * An endpoint's attempts, the latest first; `next` is the `before` of the page that follows, null for none.
   * Rejects when Redis is away.
   */
  list(
    endpointId: string,
    page: { alertId?: string; before?: string; limit: number },
  ): Promise<{ attempts: Attempt[]; next: string | null }>
}

/** Of each endpoint about so many are kept, and for so long after the last one. */
const keptAttempts = 1_000
const keptSeconds = 7 * 24 * 60 * 60
/** Of a response; one that is longer has its start here. */
const maxResponseLength = 4_096
const pageSize = 100

/** What stands in the log: compact, because there are a thousand of each endpoint. */
const line = z.tuple([
  z.string(),
  z.string(),
  z.number(),
  z.number(),
  z.number(),
  z.number(),
  z.number().nullable(),
  z.enum(attemptErrors).nullable(),
  z.number().nullable(),
  z.literal([0, 1]),
  z.string().nullable(),
])

/** The page before which one is asked for. */
export const attemptCursor = z.string().regex(/^\d{1,15}-\d{1,10}$/)

/** Where the attempts of an endpoint stand. */
export const attemptsKey = (keyPrefix: string, endpointId: string) => `${keyPrefix}{e-${endpointId}}:attempts`

/** An attempt as it stands there. */
export function attemptText(made: Omit<Attempt, 'class'>): string {
  const text: z.infer<typeof line> = [
    made.alertId,
    made.subject,
    made.version,
    made.attempt,
    made.at,
    Math.round(made.durationMs),
    made.status,
    made.error,
    made.nextInMs,
    made.isReplay ? 1 : 0,
    made.response === null ? null : made.response.slice(0, maxResponseLength),
  ]
  return JSON.stringify(text)
}

/**
 * Lua that writes an attempt down, for the script that also ends the call; `key` and `text` are expressions. When Redis
 * was away meanwhile an attempt may stand there twice. After the last one the log is to be kept.
 */
export const addAttempt = ({ key, text }: { key: string; text: string }) =>
  `redis.call('XADD', ${key}, 'MAXLEN', '~', ${keptAttempts}, '*', 'a', ${text})`

/** Lua that keeps the log for its time from now on. */
export const keepAttempts = ({ key }: { key: string }) => `redis.call('EXPIRE', ${key}, ${keptSeconds})`

const addScript = createScript(`
${addAttempt({ key: 'KEYS[1]', text: 'ARGV[1]' })}
${keepAttempts({ key: 'KEYS[1]' })}`)

/** The attempts of each endpoint in the queue Redis. */
export function createAttemptLog({ redis, keyPrefix }: { redis: Redis; keyPrefix: string }): AttemptLog {
  return {
    async add(endpointId, made) {
      await addScript(redis, { keys: [attemptsKey(keyPrefix, endpointId)], args: [attemptText(made)] })
    },

    async list(endpointId, { alertId, before, limit }) {
      const attempts: Attempt[] = []
      let end = before === undefined ? '+' : `(${before}`
      for (;;) {
        const found = await redis.xrevrange(attemptsKey(keyPrefix, endpointId), end, '-', 'COUNT', pageSize)
        for (const [id, [, text = '']] of found) {
          end = `(${id}`
          const attempt = attemptOf(text)
          if (alertId !== undefined && attempt.alertId !== alertId) continue
          attempts.push(attempt)
          if (attempts.length === limit) return { attempts, next: id }
        }
        if (found.length < pageSize) return { attempts, next: null }
      }
    },
  }
}

function attemptOf(text: string): Attempt {
  const [alertId, subject, version, attempt, at, durationMs, status, error, nextInMs, replay, response] =
    line.parse(JSON.parse(text))
  const isReplay = replay === 1
  const made = {
    alertId,
    subject,
    version,
    attempt,
    at,
    durationMs,
    status,
    error,
    nextInMs,
    response,
    isReplay,
  }
  return { ...made, class: classOf(status) }
}

function classOf(status: number | null): Attempt['class'] {
  if (status === null) return 'none'
  if (status >= 200 && status < 300) return '2xx'
  if (status >= 300 && status < 400) return '3xx'
  if (status >= 400 && status < 500) return '4xx'
  // Anything else is no answer that HTTP knows, and the endpoint's fault.
  return '5xx'
}
