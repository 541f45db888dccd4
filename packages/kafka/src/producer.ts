import kafkajs from 'kafkajs'
import type Cluster from 'kafkajs/src/cluster/index.js'
import { type Client, connect, createClient, hasCause, rootReason } from './client.ts'
import type { KafkaConfig } from './config.ts'
import { within } from './deadline.ts'
import type { KafkaLog } from './kafka-log.ts'
import {
  type Acknowledgement,
  type AppendResult,
  type BatchRecord,
  createLane,
  type LogRecord,
  type SendOutcome,
} from './lane.ts'
import { produceBatch } from './produce.ts'

export type { AppendResult, LogRecord } from './lane.ts'

/** Appends records to Kafka; closing it drains for a few seconds. */
export type Producer = AsyncDisposable & {
  /** Appends one record together with whatever else waits. Resolves within `deadlineMs`, never rejects. */
  append(record: LogRecord, options: { deadlineMs: number }): Promise<AppendResult>
  /**
   * Appends records in their order and resolves when the broker has confirmed every one, with the offset of each in
   * its partition. No record of a partition is written when an earlier one of the call was not. When it had
   * to be sent again a record may also be in the log another time, at another offset than the one told.
   *
   * @throws an Error when one of them is not confirmed within `deadlineMs`; any of them may be written then
   */
  publish(records: readonly LogRecord[], options: { deadlineMs: number }): Promise<readonly bigint[]>
  /** Writes records out, to be published later: until then nothing is held of them but their bytes. */
  encode(records: readonly LogRecord[]): EncodedRun
  /** How long the oldest append has been waiting; 0 when none waits. */
  oldestWaitMs: () => number
  /** Whether appends are answered as they should be, for the readiness of the process. */
  isReady(): { ok: boolean; detail: string }
}

/** Records that are written out; `publish` does as the producer's own. */
export type EncodedRun = { publish(options: { deadlineMs: number }): Promise<readonly bigint[]> }

export type ProducerOptions = {
  clientId: string
  log: KafkaLog
  maxQueuedRecords?: number
  maxQueuedBytes?: number
  maxBatchRecords?: number
  /** Must stay below the topics' `max.message.bytes`, which limits a partition's whole batch. */
  maxBatchBytesPerPartition?: number
}

const requestTimeoutMs = 2_500
/** kafkajs bounds its requests, but not what it does between them. */
const sendLimitMs = 6_000
const drainDeadlineMs = 3_500
/** Failures in a row after which the connections are made anew: kafkajs keeps a half-open one for ever. */
const failuresToReconnect = 2
const slowAppendMs = 500
/** A failure makes the process unready for this long; without traffic nothing else would make it ready again. */
const failureMemoryMs = 5_000

/**
 * Opens a producer over its own connections. After an outage it recovers by itself.
 *
 * @throws KafkaUnreachable when no broker answers within ten seconds
 */
export async function openProducer(config: KafkaConfig, options: ProducerOptions): Promise<Producer> {
  const { log, clientId, maxBatchRecords = 500 } = options
  const link = openLink(
    () => createClient(config, { clientId, log, requestTimeoutMs, connectRetries: 4 }),
    log,
  )
  await link.open((client, cluster) => connect(config, client, cluster))

  const lane = createLane(link.send, {
    maxQueuedRecords: options.maxQueuedRecords ?? 10_000,
    maxQueuedBytes: options.maxQueuedBytes ?? 64 * 1024 * 1024,
    maxBatchRecords,
    maxBatchBytes: 8 * 1024 * 1024,
    maxBatchBytesPerPartition: options.maxBatchBytesPerPartition ?? 900_000,
  })

  function encode(records: readonly LogRecord[]): EncodedRun {
    const encoded = records.map(lane.encode)
    return { publish: (options) => publish(encoded, options) }
  }

  async function publish(
    records: readonly BatchRecord[],
    { deadlineMs }: { deadlineMs: number },
  ): Promise<readonly bigint[]> {
    const giveUpAt = performance.now() + deadlineMs
    const offsets: (readonly bigint[])[] = []
    for (let start = 0; start < records.length; start += maxBatchRecords) {
      const run = records.slice(start, start + maxBatchRecords)
      const result = await lane.appendRun(run, { deadlineMs: Math.max(0, giveUpAt - performance.now()) })
      if (result.kind !== 'stored') {
        throw new Error(
          `Kafka has not confirmed all of ${records.length} records (${result.reason}); some may be written`,
        )
      }
      offsets.push(result.offsets)
    }
    return offsets.flat()
  }

  return {
    append: lane.append,
    publish: (records, options) => encode(records).publish(options),
    encode,
    oldestWaitMs: lane.oldestWaitMs,
    isReady() {
      const waitedMs = Math.round(lane.oldestWaitMs())
      if (waitedMs > slowAppendMs) return { ok: false, detail: `the oldest append waits for ${waitedMs} ms` }
      const failure = link.recentFailure()
      if (failure !== undefined) return { ok: false, detail: `the last batch failed: ${failure}` }
      return { ok: true, detail: 'appends are confirmed' }
    },
    async [Symbol.asyncDispose]() {
      await lane.close({ deadlineMs: drainDeadlineMs })
      link.close()
      log.debug({ clientId }, 'kafka.producer_closed')
    },
  }
}

/** The connections under the lane: they send a batch, and are made anew when that keeps failing. */
function openLink(create: () => Client, log: KafkaLog) {
  let connection: { client: Client; cluster: Cluster } | undefined
  let failures = 0
  let failedSince = 0
  let lastFailure: { at: number; reason: string } | undefined

  function prepare() {
    const client = create()
    connection = { client, cluster: client.createCluster() }
    return connection
  }

  async function send(batch: readonly BatchRecord[]): Promise<SendOutcome> {
    const { cluster } = connection ?? prepare()
    const attempt = new AbortController()
    let stored: Acknowledgement[]
    try {
      // A leader may have moved, which is what most failures that pass come to.
      const produced = produceBatch(cluster, { batch, isStale: failures > 0, signal: attempt.signal })
      stored = await within(sendLimitMs, 'sending a batch', produced)
    } catch (error) {
      // One that is still under way must not be written behind what is sent from now on.
      attempt.abort()
      if (hasCause(error, saysTooLarge)) return { kind: 'too_large' }
      failed(error)
      return { kind: 'failed' }
    }
    succeeded()
    return { kind: 'answered', stored }
  }

  function failed(error: unknown): void {
    const reason = rootReason(error)
    failures += 1
    lastFailure = { at: performance.now(), reason }
    if (failures === 1) {
      failedSince = performance.now()
      log.warn({ problem: reason }, 'kafka.append_failing')
    }
    if (failures % failuresToReconnect === 0) {
      connection?.client.end()
      connection = undefined
    }
  }

  function succeeded(): void {
    if (failures > 0) {
      const failedMs = Math.round(performance.now() - failedSince)
      log.info({ failedMs, failures }, 'kafka.append_recovered')
    }
    failures = 0
    lastFailure = undefined
  }

  return {
    send,
    async open(connectFirst: (client: Client, cluster: Cluster) => Promise<void>): Promise<void> {
      const first = prepare()
      await connectFirst(first.client, first.cluster)
    },
    /** Why the last batch failed, when that is not long ago. */
    recentFailure(): string | undefined {
      if (lastFailure === undefined || performance.now() - lastFailure.at > failureMemoryMs) return undefined
      return lastFailure.reason
    },
    close(): void {
      connection?.client.end()
    },
  }
}

function saysTooLarge(error: Error): boolean {
  return (
    error instanceof kafkajs.KafkaJSProtocolError &&
    (error.type === 'MESSAGE_TOO_LARGE' || error.type === 'RECORD_LIST_TOO_LARGE')
  )
}
