import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { type AlertBook, createAlertBook } from '@signalbox/alerts/alert-book'
import type { EndpointsFile } from '@signalbox/contracts/endpoints-file'
import { topics } from '@signalbox/contracts/topics'
import { type Faults, openInfra, requireFaults } from '@signalbox/embedded/infra'
import { openSupervisor } from '@signalbox/embedded/supervisor'
import type { KafkaConfig } from '@signalbox/kafka/config'
import { openPartitionReader, type PartitionReader } from '@signalbox/kafka/partition-reader'
import { openProducer, type Producer } from '@signalbox/kafka/producer'
import { ensureTopics } from '@signalbox/kafka/topics'
import { createServiceProcess, type ServiceProcess } from '@signalbox/testkit/service-process'
import { Redis } from 'ioredis'
import { z } from 'zod'
import { silent } from '../silent.ts'
import { clientId } from './changes.ts'
import { answerTimeoutMs } from './check.ts'
import { endpoints, type Plan } from './plan.ts'

export type Env = Readonly<Record<string, string | undefined>>

/** A process of the alerts service that is started anew whenever it has ended. */
export type KeptProcess = {
  process: ServiceProcess
  /** How it has ended by now, each time. */
  ends: readonly { atMs: number; how: string }[]
  isRunning(): boolean
}

/** Kafka, a Redis for the queue alone, the alerts service and the merchants' sink, all real processes. */
export type Parts = AsyncDisposable & {
  kafka: KafkaConfig
  producer: Producer
  reader: PartitionReader
  redis: Redis
  redisNode: Faults['redis'][number]
  /** Where the append-only file of that Redis lies. */
  redisFolder: string
  /** Prefix of all keys, and of BullMQ's for the queue. */
  keyPrefix: string
  queueKeys: string
  book: AlertBook
  alerts: readonly KeptProcess[]
  /** The file that the sink writes its calls to. */
  callsFile: string
  /** Logs of all processes, and the files; removed at the end. */
  folder: string
}

export const partitions = 4
const keyPrefix = 'chaos:'
const restartPauseMs = 100
/** Only the owner may read what is secret. */
const secretMode = 0o600
const listening = z.object({ port: z.number().int().positive() })
const quickTimers = pathToFileURL(join(import.meta.dirname, 'quick-timers.ts')).href

/** Starts everything and waits until the alerts service is ready. */
export async function openParts(
  plan: Plan,
  options: {
    env: Env
    /** With the pauses that the service has in production. */
    asBuilt: boolean
    /** A module that each alerts process loads first, such as one that makes it another build. */
    build: string | null
  },
): Promise<Parts> {
  await using opened = new AsyncDisposableStack()
  const infra = opened.use(await openInfra({ env: options.env, redisCount: 1 }))
  const [redisNode] = requireFaults(infra).redis
  const [redisUrl] = infra.redisUrls
  if (redisNode === undefined || redisUrl === undefined) throw new Error('the infrastructure has no Redis')
  const supervisor = opened.use(await openSupervisor({ keptFolder: null, name: 'alerts-chaos' }))
  const folder = join(supervisor.folder, 'run')
  await mkdir(folder)

  const kafka: KafkaConfig = {
    brokers: infra.kafkaBrokers,
    tls: false,
    partitions,
    replication: 1,
    createTopics: true,
  }
  await ensureTopics(kafka, [topics.changes, topics.endpoints, topics.receipts], { log: silent })
  const producer = opened.use(await openProducer(kafka, { clientId: 'alerts-chaos', log: silent }))
  const reader = opened.use(await openPartitionReader(kafka, { clientId: 'alerts-chaos', log: silent }))
  // It is away now and then, and who asks then waits.
  const redis = opened.adopt(
    new Redis(redisUrl, { maxRetriesPerRequest: null, retryStrategy: () => restartPauseMs }),
    (client) => client.disconnect(),
  )
  redis.on('error', () => undefined)
  const [, redisFolder = ''] = z.array(z.string()).parse(await redis.config('GET', 'dir'))

  const secret = randomBytes(32).toString('base64')
  const callsFile = join(folder, 'calls.jsonl')
  await writeFile(callsFile, '')
  const sink = createServiceProcess({
    supervisor,
    name: 'sink',
    folder,
    main: 'e2e/src/alerts-chaos/sink.ts',
    args: [JSON.stringify({ seed: plan.seed, endpoints, secret, file: callsFile })],
    environment: () => ({}),
    readyEvent: 'sink.listening',
  })
  const { port } = listening.parse(await sink.start())
  opened.defer(async () => void (await sink.stop()))

  const files = await writeFiles(folder, { secret, sinkUrl: `http://127.0.0.1:${port}` })
  const builds = [
    ...(options.asBuilt ? [] : [quickTimers]),
    ...(options.build === null ? [] : [options.build]),
  ]
  const environment = {
    KAFKA_BROKERS: infra.kafkaBrokers.join(','),
    TOPIC_PARTITIONS: String(partitions),
    TOPIC_REPLICATION: String(kafka.replication),
    QUEUE_REDIS_URL: redisUrl,
    REDIS_KEY_PREFIX: keyPrefix,
    ...files,
    ALERT_ALLOW_INSECURE_ENDPOINTS: 'true',
    ALERT_TIMEOUT_MS: String(answerTimeoutMs),
    ALERT_BACKOFF_MS: Array.from({ length: 40 }, () => 200).join(','),
    ALERT_ENDPOINT_CONCURRENCY: '16',
    LISTEN_HOST: '127.0.0.1',
    OPS_PORT: '0',
    LOG_LEVEL: 'info',
    ...(builds.length === 0 ? {} : { NODE_OPTIONS: builds.map((module) => `--import ${module}`).join(' ') }),
  }
  const alerts = Array.from({ length: plan.processes }, (_, index) =>
    opened.use(
      keepRunning(
        createServiceProcess({
          supervisor,
          name: `alerts-${index}`,
          folder,
          main: 'services/alerts/src/main.ts',
          environment: () => environment,
          readyEvent: 'alerts.started',
        }),
      ),
    ),
  )
  await Promise.all(alerts.map(({ ready }) => ready))

  const owned = opened.move()
  return {
    kafka,
    producer,
    reader,
    redis,
    redisNode,
    redisFolder,
    keyPrefix,
    queueKeys: `${keyPrefix}{bq0}:alerts`,
    book: createAlertBook({ redis, keyPrefix }),
    alerts,
    callsFile,
    folder,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** As whoever runs it in production does it. Disposal asks it to stop. */
function keepRunning(process: ServiceProcess): KeptProcess & AsyncDisposable & { ready: Promise<void> } {
  const ends: { atMs: number; how: string }[] = []
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>()
  let isOver = false
  let isRunning = false

  async function keep(): Promise<void> {
    for (let starts = 0; !isOver; starts += 1) {
      try {
        await process.start()
        isRunning = true
        resolve()
        ends.push({ how: await process.ended(), atMs: Date.now() })
      } catch (error) {
        // It may need what is away just now; at first nothing is.
        if (starts === 0) return reject(error)
        ends.push({ how: 'no start', atMs: Date.now() })
        await delay(restartPauseMs)
      }
      isRunning = false
    }
  }

  const keeping = keep()
  return {
    process,
    ends,
    ready,
    isRunning: () => isRunning,
    async [Symbol.asyncDispose]() {
      isOver = true
      await process.stop()
      await keeping
    },
  }
}

/** Endpoints, their secret and the key that seals it, as files of a deployment. */
async function writeFiles(
  folder: string,
  { secret, sinkUrl }: { secret: string; sinkUrl: string },
): Promise<{ ENDPOINTS_FILE: string; ENDPOINT_KEYS_FILE: string }> {
  const write = async (name: string, text: string) => {
    await writeFile(join(folder, name), text, { mode: secretMode })
    return join(folder, name)
  }
  const secretFile = await write('endpoint.secret', `whsec_${secret}\n`)
  const keyFile = await write('sealing.key', `${randomBytes(32).toString('base64')}\n`)
  const file: EndpointsFile = {
    endpoints: endpoints.map(({ id, merchant }) => {
      return { id, clientId, merchant, url: `${sinkUrl}/${id}`, secretFile }
    }),
  }
  return {
    ENDPOINTS_FILE: await write('endpoints.json', JSON.stringify(file)),
    ENDPOINT_KEYS_FILE: await write(
      'endpoint-keys.json',
      JSON.stringify({ keys: [{ keyId: 'chaos', state: 'active', keyFile }] }),
    ),
  }
}
