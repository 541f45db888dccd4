import kafkajs, { type Admin, type Kafka } from 'kafkajs'
import type { KafkaConfig } from './config.ts'
import { within } from './deadline.ts'
import { type KafkaLog, reportTo } from './kafka-log.ts'
import { pause } from './pause.ts'
import { stopIdleTimers } from './request-queue-timer.ts'

stopIdleTimers()

const connectionTimeoutMs = 3_000
const openDeadlineMs = 8_000
const retryPauseMs = 300

/** No broker answered at start. The message names the brokers and what to check. */
export class KafkaUnreachable extends Error {
  override name = 'KafkaUnreachable'
}

/**
 * A kafkajs client; nothing is connected yet. `requestTimeoutMs` bounds every single request, `connectRetries` says
 * how often one that needs a connection or a coordinator tries to get it, in the end about once a second. Once
 * `isClosed` says so, it stops trying.
 */
export function createClient(
  config: KafkaConfig,
  options: {
    clientId: string
    log: KafkaLog
    requestTimeoutMs: number
    connectRetries: number
    isClosed?: () => boolean
  },
): Kafka {
  const { isClosed = () => false } = options
  return new kafkajs.Kafka({
    // kafkajs goes on connecting after a disconnect; a promise that stays open ends that and holds up no exit.
    brokers: () => (isClosed() ? new Promise<never>(() => {}) : config.brokers),
    clientId: options.clientId,
    ssl: config.tls,
    ...(config.sasl === undefined ? {} : { sasl: config.sasl }),
    connectionTimeout: connectionTimeoutMs,
    authenticationTimeout: connectionTimeoutMs,
    requestTimeout: options.requestTimeoutMs,
    // Named in full: under NODE_ENV=test kafkajs takes other defaults.
    retry: {
      initialRetryTime: 100,
      factor: 0.2,
      multiplier: 2,
      maxRetryTime: 1_000,
      retries: options.connectRetries,
    },
    logLevel: kafkajs.logLevel.INFO,
    logCreator: reportTo(options.log),
  })
}

type Connectable = { connect(): Promise<void>; disconnect(): Promise<void> }

/**
 * Connects a client of kafkajs and tries again for a few seconds, for brokers that are just starting.
 *
 * @throws KafkaUnreachable when no broker has answered within ten seconds or the login is refused
 */
export async function connect(config: KafkaConfig, client: Connectable): Promise<void> {
  let reason = 'no answer'
  let gaveUp = false
  const keepTrying = async () => {
    for (;;) {
      try {
        await client.connect()
        if (gaveUp) disconnectQuietly(client)
        return
      } catch (error) {
        reason = rootReason(error)
        if (hasCause(error, (cause) => cause instanceof kafkajs.KafkaJSSASLAuthenticationError)) throw error
      }
      if (gaveUp) return
      await pause(retryPauseMs)
    }
  }
  try {
    await within(openDeadlineMs, 'connecting', keepTrying())
  } catch (error) {
    gaveUp = true
    disconnectQuietly(client)
    const refused = hasCause(error, (cause) => cause instanceof kafkajs.KafkaJSSASLAuthenticationError)
    throw new KafkaUnreachable(refused ? loginRefused(config, reason) : unreachable(config, reason))
  }
}

/** Disconnects in the background a client from which nothing is expected any more. */
export function disconnectQuietly(client: Connectable): void {
  client.disconnect().catch(() => undefined)
}

/**
 * Runs some admin requests over a connection of their own: metadata is fresh then, which kafkajs does not see to
 * by itself after a leader has moved.
 *
 * @throws KafkaUnreachable, or what a request throws
 */
export async function withAdmin<T>(
  config: KafkaConfig,
  options: { clientId: string; log: KafkaLog },
  use: (admin: Admin) => Promise<T>,
): Promise<T> {
  const admin = createClient(config, { ...options, requestTimeoutMs: 10_000, connectRetries: 4 }).admin()
  await connect(config, admin)
  try {
    return await use(admin)
  } finally {
    disconnectQuietly(admin)
  }
}

/** Whether an error or one of those that it was caused by is of a kind. */
export function hasCause(error: unknown, is: (error: Error) => boolean): boolean {
  return causes(error).some(is)
}

/** What a chain of errors says at its end, which is where kafkajs keeps the reason. */
export function rootReason(error: unknown): string {
  return causes(error).at(-1)?.message ?? String(error)
}

const maxCauses = 10

function causes(error: unknown): Error[] {
  const chain: Error[] = []
  let current = error
  while (current instanceof Error && chain.length < maxCauses) {
    chain.push(current)
    current = current.cause
  }
  return chain
}

function unreachable(config: KafkaConfig, reason: string): string {
  return (
    `Kafka does not answer at ${config.brokers.join(', ')} (KAFKA_BROKERS): ${reason}. ` +
    'Check that a broker runs there and can be reached from here, ' +
    `and that its listener ${config.tls ? 'speaks TLS' : 'is in clear text'} (KAFKA_TLS) and ` +
    `${config.sasl === undefined ? 'asks for no login' : `takes ${config.sasl.mechanism} logins`} (KAFKA_SASL_MECHANISM).`
  )
}

function loginRefused(config: KafkaConfig, reason: string): string {
  return (
    `Kafka at ${config.brokers.join(', ')} refuses the login of ${config.sasl?.username ?? 'nobody'}: ${reason}. ` +
    'Check KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD_FILE.'
  )
}
