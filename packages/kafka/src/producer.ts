import kafkajs, { type Kafka, type Producer as KafkaJsProducer, type RecordMetadata } from 'kafkajs'
import { type Client, connect, createClient, hasCause, rootReason } from './client.ts'
import type { KafkaConfig } from './config.ts'
import { within } from './deadline.ts'
import type { KafkaLog } from './kafka-log.ts'
import { type AppendResult, createLane, type LogRecord, type SendOutcome } from './lane.ts'

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
  /** How long the oldest append has been waiting; 0 when none waits. */
  oldestWaitMs: () => number
  /** Whether appends are answered as they should be, for the readiness of the process. */
  isReady(): { ok: boolean; detail: string }
}

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
  await link.open((client, producer) => connect(config, client, producer))

  const lane = createLane(link.send, {
    maxQueuedRecords: options.maxQueuedRecords ?? 10_000,
    maxQueuedBytes: options.maxQueuedBytes ?? 64 * 1024 * 1024,
    maxBatchRecords,
    maxBatchBytes: 8 * 1024 * 1024,
    maxBatchBytesPerPartition: options.maxBatchBytesPerPartition ?? 900_000,
  })

  async function publish(
    records: readonly LogRecord[],
    { deadlineMs }: { deadlineMs: number },
  ): Promise<readonly bigint[]> {
    const giveUpAt = performance.now() + deadlineMs
    const sequence = { isBroken: false }
    const offsets: bigint[] = []
    for (let start = 0; start < records.length; start += maxBatchRecords) {
      const slice = records.slice(start, start + maxBatchRecords)
      const remainingMs = Math.max(0, giveUpAt - performance.now())
      const results = await Promise.all(
        slice.map((record) => lane.append(record, { deadlineMs: remainingMs, sequence })),
      )
      const problems = results.flatMap((result) => (result.kind === 'stored' ? [] : [result.reason]))
      if (problems.length > 0) throw new Error(notConfirmed(problems, records.length))
      for (const result of results) if (result.kind === 'stored') offsets.push(BigInt(result.offset))
    }
    return offsets
  }

  return {
    append: lane.append,
    publish,
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

function createKafkaJsProducer(kafka: Kafka): KafkaJsProducer {
  return kafka.producer({
    allowAutoTopicCreation: false,
    // With concurrent sends kafkajs' idempotence can acknowledge a record that the broker took for a duplicate.
    idempotent: false,
    maxInFlightRequests: 1,
    // The lane tries again itself, and only for those who still wait.
    retry: { retries: 0 },
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  })
}

/** The connections under the lane: they send a batch, and are made anew when that keeps failing. */
function openLink(create: () => Client, log: KafkaLog) {
  let connection: { client: Client; producer: KafkaJsProducer } | undefined
  let failures = 0
  let failedSince = 0
  let lastFailure: { at: number; reason: string } | undefined

  function prepare() {
    const client = create()
    connection = { client, producer: createKafkaJsProducer(client.kafka) }
    return connection
  }

  async function sendOnce(batch: readonly LogRecord[]): Promise<RecordMetadata[]> {
    const { producer } = connection ?? prepare()
    // Does nothing while there is a connection.
    await producer.connect()
    return producer.sendBatch({ acks: -1, topicMessages: byTopic(batch) })
  }

  async function send(batch: readonly LogRecord[]): Promise<SendOutcome> {
    let answer: RecordMetadata[]
    try {
      answer = await within(sendLimitMs, 'sending a batch', sendOnce(batch))
    } catch (error) {
      if (hasCause(error, saysTooLarge)) return { kind: 'too_large' }
      failed(error)
      return { kind: 'failed' }
    }
    succeeded()
    return { kind: 'answered', stored: answer.flatMap(acknowledgement) }
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
    async open(connectFirst: (client: Client, producer: KafkaJsProducer) => Promise<void>): Promise<void> {
      const first = prepare()
      await connectFirst(first.client, first.producer)
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

function byTopic(batch: readonly LogRecord[]) {
  const messages = Map.groupBy(batch, (record) => record.topic)
  return [...messages].map(([topic, records]) => ({
    topic,
    messages: records.map(({ key, value, partition, headers = {} }) => ({ key, value, partition, headers })),
  }))
}

// kafkajs resolves even when it has sent a partition to nobody, which is why its answer is read, not its silence.
function acknowledgement({ topicName, partition, errorCode, baseOffset }: RecordMetadata) {
  return errorCode === 0 && baseOffset !== undefined ? [{ topic: topicName, partition, baseOffset }] : []
}

function saysTooLarge(error: Error): boolean {
  return (
    error instanceof kafkajs.KafkaJSProtocolError &&
    (error.type === 'MESSAGE_TOO_LARGE' || error.type === 'RECORD_LIST_TOO_LARGE')
  )
}

function notConfirmed(problems: readonly string[], total: number): string {
  const counts = Object.entries(Object.groupBy(problems, (problem) => problem))
  const reasons = counts.map(([reason, hits = []]) => `${reason}: ${hits.length}`).join(', ')
  return `Kafka has not confirmed all of ${total} records (${reasons}); some may be written`
}
