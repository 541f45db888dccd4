// oxlint-disable-next-line typescript/triple-slash-reference -- packages that import this one need the types too
/// <reference path="./kafkajs-internals.d.ts" />
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { promisify } from 'node:util'
import { zstdCompress, zstdDecompress } from 'node:zlib'
import kafkajs, { type Admin, type Kafka, type LogEntry } from 'kafkajs'
import Cluster from 'kafkajs/src/cluster/index.js'
import loggers from 'kafkajs/src/loggers/index.js'
import type { KafkaConfig } from './config.ts'
import { within } from './deadline.ts'
import { useOwnFetchDecoding } from './fetch-decoding.ts'
import { type KafkaLog, reportTo } from './kafka-log.ts'
import { pause } from './pause.ts'
import { stopIdleTimers } from './request-queue-timer.ts'

stopIdleTimers()
useOwnFetchDecoding()
kafkajs.CompressionCodecs[kafkajs.CompressionTypes.ZSTD] = () => ({
  compress: ({ buffer }: { buffer: Buffer }) => promisify(zstdCompress)(buffer),
  decompress: promisify(zstdDecompress),
})

const connectionTimeoutMs = 3_000
const openDeadlineMs = 8_000
const retryPauseMs = 300
const keepAliveMs = 60_000
const metadataMaxAgeMs = 300_000

/** No broker answered at start. The message names the brokers and what to check. */
export class KafkaUnreachable extends Error {
  override name = 'KafkaUnreachable'
}

/** A kafkajs client and its end. */
export type Client = {
  kafka: Kafka
  /** What kafkajs' own parts are built on, for what they cannot do. */
  createCluster: () => Cluster
  /** Ends all its connections at once and lets it make no others. */
  end: () => void
}

/**
 * A kafkajs client; nothing is connected yet. `requestTimeoutMs` bounds every single request, `connectRetries` says
 * how often one that needs a connection or a coordinator tries to get it, in the end about once a second.
 */
export function createClient(
  config: KafkaConfig,
  options: { clientId: string; log: KafkaLog; requestTimeoutMs: number; connectRetries: number },
): Client {
  const sockets = new Set<Socket>()
  let ended = false
  const report = reportTo(options.log)

  const settings = {
    // kafkajs goes on connecting after a disconnect; a promise that stays open ends that and holds up no exit.
    brokers: () => (ended ? new Promise<never>(() => {}) : config.brokers),
    // It also forgets connections that it still holds, as that to a coordinator which was restarted.
    socketFactory({ host, port, onConnect }: { host: string; port: number; onConnect: () => void }) {
      if (ended) throw new Error('the client has ended')
      const socket = openSocket({ host, port, tls: config.tls, onConnect })
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
      return socket
    },
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
  }
  const logging = {
    logLevel: kafkajs.logLevel.INFO,
    logCreator: () => (entry: LogEntry) => (ended ? undefined : report(entry)),
  }
  const kafka = new kafkajs.Kafka({ ...settings, ...logging })

  function createCluster(): Cluster {
    return new Cluster({
      ...settings,
      logger: loggers.createLogger({ level: logging.logLevel, logCreator: logging.logCreator }),
      enforceRequestTimeout: true,
      metadataMaxAge: metadataMaxAgeMs,
      allowAutoTopicCreation: false,
      maxInFlightRequests: null,
    })
  }

  function end(): void {
    ended = true
    // Only an error tells kafkajs, which would otherwise keep the connection's timer for ever.
    for (const socket of sockets) socket.destroy(new Error('the client has ended'))
  }

  return { kafka, createCluster, end }
}

type SocketOptions = { host: string; port: number; tls: boolean; onConnect: () => void }

function openSocket({ host, port, tls, onConnect }: SocketOptions): Socket {
  const socket = tls
    ? connectTls({ host, port, ...(isIP(host) === 0 ? { servername: host } : {}) }, onConnect)
    : connectTcp({ host, port }, onConnect)
  // kafkajs ends a socket that is still connecting again and again, and each time leaves a listener.
  return socket.setMaxListeners(0).setKeepAlive(true, keepAliveMs)
}

/**
 * Connects a part of a client and tries again for a few seconds, for brokers that are just starting.
 *
 * @throws KafkaUnreachable when no broker has answered within ten seconds or the login is refused; the client has
 * ended then
 */
export async function connect(
  config: KafkaConfig,
  client: Pick<Client, 'end'>,
  part: { connect: () => Promise<void> },
): Promise<void> {
  let reason = 'no answer'
  let gaveUp = false
  const keepTrying = async () => {
    while (!gaveUp) {
      try {
        return await part.connect()
      } catch (error) {
        reason = rootReason(error)
        if (hasCause(error, isLoginRefused)) throw error
      }
      await pause(retryPauseMs)
    }
  }
  try {
    await within(openDeadlineMs, 'connecting', keepTrying())
  } catch (error) {
    gaveUp = true
    client.end()
    throw new KafkaUnreachable(
      hasCause(error, isLoginRefused) ? loginRefused(config, reason) : unreachable(config, reason),
    )
  }
}

const isLoginRefused = (error: Error) => error instanceof kafkajs.KafkaJSSASLAuthenticationError

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
  const client = createClient(config, { ...options, requestTimeoutMs: 10_000, connectRetries: 4 })
  try {
    const admin = client.kafka.admin()
    await connect(config, client, admin)
    return await use(admin)
  } finally {
    client.end()
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
