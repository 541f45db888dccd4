import { randomUUID, randomUUIDv7 } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { RegistrationRef } from '@signalbox/contracts/keys'
import type { Producer } from '@signalbox/kafka/producer'
import { openClientRing } from '@signalbox/key-ring/client-ring'
import { openRedisLink } from '@signalbox/redis-link/redis-link'
import type { RegistrationStore } from '@signalbox/registration-store/registration-store'
import type { Logger } from '@signalbox/runtime/log'
import type { Metrics } from '@signalbox/runtime/metrics'
import { createAsk } from './ask.ts'
import type { InquiryConfig } from './config.ts'
import { createInquirer } from './inquirer.ts'
import { createLanes } from './lanes.ts'
import { createLatestRound } from './latest-round.ts'
import { createInquiryMemory } from './memory.ts'
import { createInquiryMetrics } from './metrics.ts'
import { openWire } from './wire.ts'

/** What the console's API needs of inquiries. */
export type InquiryWishes = {
  /** Whether states of this client's registrations can be asked for at all. */
  isConfigured(clientId: string): boolean
  /** Keeps a wish for whichever console asks; throws when Redis does not. */
  wish(registration: RegistrationRef): Promise<'kept' | 'full'>
}

export type Inquiries = AsyncDisposable & {
  wishes: InquiryWishes
  /** For readiness: never unready, as the query API works without; the detail tells what is wrong. */
  check(): { ok: boolean; detail: string }
}

/** As long as the official clients wait. */
const answerDeadlineMs = 15_000
const appendDeadlineMs = 5_000
const mostAnswerBytes = 4 * 1024 * 1024
const lookMs = 2_000

/**
 * Starts asking, and goes on until closed.
 *
 * @throws StartProblem when the clients file cannot be used; an Error when Redis cannot
 */
export async function openInquiries(
  config: InquiryConfig & { redis: { url: string; keyPrefix: string }; partitions: number },
  ports: {
    store: Pick<RegistrationStore, 'listAttention' | 'read'>
    producer: Pick<Producer, 'publish'>
    log: Logger
    metrics: Metrics
  },
): Promise<Inquiries> {
  const { log, metrics } = ports
  await using opened = new AsyncDisposableStack()
  const closing = new AbortController()
  const clients = opened.use(openClientRing({ file: config.clientsFile, log, metrics }))
  const link = opened.use(await openRedisLink({ url: config.redis.url, variable: 'REDIS_URL', log }))
  const wire = opened.use(openWire({ deadlineMs: answerDeadlineMs, mostAnswerBytes, stop: closing.signal }))

  const holder = randomUUID()
  const memory = createInquiryMemory({ redis: link.redis, keyPrefix: config.redis.keyPrefix })
  const isConfigured = (clientId: string) => Boolean(clients.current().find(clientId)?.inquiryUrl)
  const clientIds = () => clients.current().clientIds.filter(isConfigured)
  const inquirer = createInquirer(
    {
      attention: ports.store,
      latestRound: createLatestRound({ store: ports.store, partitions: config.partitions }),
      append: (record) => ports.producer.publish([record], { deadlineMs: appendDeadlineMs }),
      clientIds,
      ask: createAsk({ clients: clients.current, wire, createId: randomUUIDv7, now: Date.now }),
      memory,
      lanes: createLanes({ perMinute: config.perMinute, now: () => performance.now(), random: Math.random }),
      metrics: createInquiryMetrics(metrics),
      log,
      now: Date.now,
      stop: closing.signal,
    },
    { holder, partitions: config.partitions, limits: config.limits },
  )

  let trouble: string | null = null
  const asking = lookOn()

  async function lookOn(): Promise<void> {
    while (await pause(lookMs, closing.signal)) {
      try {
        await inquirer.look()
        if (trouble !== null) log.info('inquiry.recovered')
        trouble = null
      } catch (err) {
        // Told once: it comes again every two seconds while Redis is away.
        if (trouble === null) log.warn({ err }, 'inquiry.stalled')
        trouble = err instanceof Error ? err.message : String(err)
      }
    }
    // Whether or not Redis hears of it: the lease ends by itself.
    await memory.resign(holder).catch(() => undefined)
  }

  opened.defer(async () => {
    closing.abort()
    await asking
  })
  const resources = opened.move()
  return {
    wishes: { isConfigured, wish: (registration) => memory.wish(registration, Date.now()) },
    check: () => ({ ok: true, detail: trouble ?? 'states in doubt are asked for' }),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

/** Whether to go on after so long. */
async function pause(ms: number, closing: AbortSignal): Promise<boolean> {
  try {
    await delay(ms, undefined, { signal: closing })
    return true
  } catch {
    return false
  }
}
