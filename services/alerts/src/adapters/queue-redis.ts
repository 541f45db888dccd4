import type { Logger } from '@signalbox/runtime/log'
import { Redis } from 'ioredis'

/** A connection to the Redis that holds obligations, markers and jobs. */
export type QueueRedis = AsyncDisposable & {
  redis: Redis
  /** Whether Redis answers now. */
  ping: () => Promise<{ ok: boolean; detail: string }>
  /** Calls back after each reconnect: what Redis held may be gone. */
  onReconnect: (callback: () => void) => void
}

/** A chunk of the fan-out makes several calls and must be done, or be known to have failed, within 20 s. */
const commandTimeoutMs = 3_000
const socketTimeoutMs = 5_000
const openDeadlineMs = 10_000
/** A connection that Redis does not end holds up a process that stops. */
export const disconnectTimeoutMs = 500
const longestPauseMs = 5_000

/** Pauses between attempts to reconnect, with jitter so that processes do not come back all at once. */
export function reconnectPauseMs(times: number): number {
  return Math.min(longestPauseMs, 50 * 2 ** times) * (0.5 + Math.random() / 2)
}

/**
 * Connects and stays connected. A command that cannot be sent now, or is not answered in time, is rejected: its
 * caller comes again.
 *
 * @throws an Error for the operator when Redis does not answer within ten seconds or may evict keys
 */
export async function openQueueRedis({ url, log }: { url: string; log: Logger }): Promise<QueueRedis> {
  const { host } = new URL(url)
  const redis = new Redis(url, {
    lazyConnect: true,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    commandTimeout: commandTimeoutMs,
    socketTimeout: socketTimeoutMs,
    connectTimeout: commandTimeoutMs,
    disconnectTimeout: disconnectTimeoutMs,
    retryStrategy: reconnectPauseMs,
  })
  let lastProblem = 'no answer'
  redis.on('error', (error: Error) => {
    lastProblem = error.message
  })

  try {
    await untilReady(redis)
    await refuseEviction(redis)
  } catch (cause) {
    redis.disconnect()
    const said = cause instanceof Error ? cause.message : String(cause)
    const problem = said === '' ? lastProblem : said
    throw new Error(`The Redis at ${host} (QUEUE_REDIS_URL, else REDIS_URL) cannot be used: ${problem}`, {
      cause,
    })
  }

  const callbacks: (() => void)[] = []
  let isLost = false
  redis.on('close', () => {
    if (!isLost) log.warn({ host, problem: lastProblem }, 'redis.lost')
    isLost = true
  })
  redis.on('ready', () => {
    isLost = false
    log.info({ host }, 'redis.recovered')
    for (const callback of callbacks) callback()
  })

  return {
    redis,
    async ping() {
      try {
        await redis.ping()
        return { ok: true, detail: `the queue Redis at ${host} answers` }
      } catch (error) {
        return { ok: false, detail: `the queue Redis at ${host} does not answer: ${String(error)}` }
      }
    },
    onReconnect: (callback) => {
      callbacks.push(callback)
    },
    async [Symbol.asyncDispose]() {
      redis.removeAllListeners('close').removeAllListeners('ready')
      await redis.quit().catch(() => undefined)
      redis.disconnect()
    },
  }
}

async function untilReady(redis: Redis): Promise<void> {
  const { promise: tooLate, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error('')), openDeadlineMs)
  const ready = new Promise<void>((resolve) => redis.once('ready', () => resolve()))
  try {
    // The first attempt may fail while Redis is still starting; the client goes on trying by itself.
    redis.connect().catch(() => undefined)
    await Promise.race([ready, tooLate])
  } finally {
    clearTimeout(timer)
  }
}

/** With any other policy a full Redis silently drops jobs and the markers that keep an alert from going out twice. */
async function refuseEviction(redis: Redis): Promise<void> {
  const memory = await redis.info('memory').catch(() => '')
  const policy = /^maxmemory_policy:(\S+)/m.exec(memory)?.[1]
  if (policy !== undefined && policy !== 'noeviction') {
    throw new Error(`its maxmemory-policy is ${policy}, which loses alerts. Set it to noeviction.`)
  }
}
