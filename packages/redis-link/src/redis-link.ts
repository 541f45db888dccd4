import { Redis } from 'ioredis'

/** Where a link reports to: fields, then the event's name. A pino logger is one. */
export type LinkLog = {
  info(fields: object, event: string): void
  warn(fields: object, event: string): void
}

export type RedisLink = AsyncDisposable & {
  redis: Redis
  /** Whether Redis answers now. */
  ping: () => Promise<{ ok: boolean; detail: string }>
  /** Calls back after each reconnect. `isNewRun`: it is not the same run as before, so what it held may be gone. */
  onReconnect: (callback: (back: { isNewRun: boolean }) => void) => void
}

/** What a script may take, with a wide margin: past it the caller hears of trouble. */
const commandTimeoutMs = 2_000
/** A connection that is silent for longer than that while something was asked is dead. */
const socketTimeoutMs = 4_000
/** A connection that Redis does not end holds up a process that stops. */
export const disconnectTimeoutMs = 500
const longestPauseMs = 5_000

/** Pauses between attempts to reconnect, with jitter so that processes do not come back all at once. */
export function reconnectPauseMs(times: number): number {
  return Math.min(longestPauseMs, 50 * 2 ** times) * (0.5 + Math.random() / 2)
}

/**
 * Connects to a Redis and stays connected. A command that cannot be sent now, or is not answered in time, is rejected:
 * nothing is queued, nothing is sent a second time.
 *
 * @throws an Error for the operator when Redis cannot be reached within `openDeadlineMs` or may evict keys
 */
export async function openRedisLink({
  url,
  variable,
  log,
  openDeadlineMs = 10_000,
  autoPipelining = false,
}: {
  url: string
  /** The variable that names it, for messages. */
  variable: string
  log: LinkLog
  openDeadlineMs?: number
  /** Sends what is asked in one turn of the event loop together: cheaper where much is asked at a time. */
  autoPipelining?: boolean
}): Promise<RedisLink> {
  const { host } = new URL(url)
  const redis = new Redis(url, {
    lazyConnect: true,
    enableOfflineQueue: false,
    enableAutoPipelining: autoPipelining,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    commandTimeout: commandTimeoutMs,
    socketTimeout: socketTimeoutMs,
    connectTimeout: commandTimeoutMs,
    // After a failover the old address may be that of a replica; the next connection finds the new primary.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
    disconnectTimeout: disconnectTimeoutMs,
    retryStrategy: reconnectPauseMs,
  })
  let lastProblem = 'no answer'
  redis.on('error', (error: Error) => {
    lastProblem = error.message
  })

  try {
    await untilReady(redis, { lastProblem: () => lastProblem, deadlineMs: openDeadlineMs })
    await refuseEviction(redis, { host, log })
  } catch (error) {
    redis.disconnect()
    throw new Error(`The Redis at ${host} (${variable}) cannot be used.`, { cause: error })
  }

  const callbacks: ((back: { isNewRun: boolean }) => void)[] = []
  let runId = await readRunId(redis)
  let lostAt: number | undefined

  async function compareRun(): Promise<void> {
    const before = runId
    runId = await readRunId(redis)
    // A run that cannot be told is taken for a new one: to look again costs little.
    const isNewRun = runId === null || runId !== before
    const lostMs = lostAt === undefined ? 0 : Math.round(performance.now() - lostAt)
    lostAt = undefined
    log.info({ host, lostMs, isNewRun }, 'redis.recovered')
    for (const callback of callbacks) callback({ isNewRun })
  }

  redis.on('close', () => {
    if (lostAt !== undefined) return
    lostAt = performance.now()
    log.warn({ host, problem: lastProblem }, 'redis.lost')
  })
  redis.on('ready', () => void compareRun())

  return {
    redis,
    async ping() {
      try {
        await redis.ping()
        return { ok: true, detail: `the Redis at ${host} answers` }
      } catch (error) {
        return { ok: false, detail: `the Redis at ${host} does not answer: ${messageOf(error)}` }
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

async function untilReady(
  redis: Redis,
  { lastProblem, deadlineMs }: { lastProblem: () => string; deadlineMs: number },
): Promise<void> {
  const timeout = Promise.withResolvers<never>()
  const timer = setTimeout(
    () =>
      timeout.reject(new Error(`It does not answer: ${lastProblem()}. Check that it runs and the address.`)),
    deadlineMs,
  )
  const ready = new Promise<void>((resolve) => redis.once('ready', () => resolve()))
  try {
    // The first attempt may fail while Redis is still starting; the client goes on trying by itself.
    redis.connect().catch(() => undefined)
    await Promise.race([ready, timeout.promise])
  } finally {
    clearTimeout(timer)
  }
}

/** With any other policy a full Redis silently drops what it holds, and keeps the watermark that covers it. */
async function refuseEviction(redis: Redis, { host, log }: { host: string; log: LinkLog }): Promise<void> {
  const policy = await readInfo(redis, { section: 'memory', name: 'maxmemory_policy' })
  if (policy === null) {
    log.warn({ host }, 'redis.eviction_unknown')
  } else if (policy !== 'noeviction') {
    throw new Error(`Its maxmemory-policy is ${policy}, which loses data: set it to noeviction.`)
  }
}

function readRunId(redis: Redis): Promise<string | null> {
  return readInfo(redis, { section: 'server', name: 'run_id' })
}

/** null when Redis does not say, or may not say to this user. */
async function readInfo(redis: Redis, at: { section: string; name: string }): Promise<string | null> {
  const lines = await redis.info(at.section).then(
    (text) => text.split('\r\n'),
    () => [],
  )
  const line = lines.find((candidate) => candidate.startsWith(`${at.name}:`))
  return line?.slice(at.name.length + 1) ?? null
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
