import type { Consumer, EachBatchPayload, KafkaMessage } from 'kafkajs'
import { chunkOf, defaultMaxChunkSize, firstChunkSize, nextChunkSize } from './chunk-size.ts'
import { connect, createClient, rootReason, withAdmin } from './client.ts'
import type { KafkaConfig } from './config.ts'
import { type ConsumedRecord, toConsumedRecord } from './consumed-record.ts'
import { within } from './deadline.ts'
import type { KafkaLog } from './kafka-log.ts'
import { continuity, type LogPosition } from './log-position.ts'
import { backoffMs, pause } from './pause.ts'

export type { ConsumedRecord } from './consumed-record.ts'

/** What Kafka knows of a partition when it is attached. */
export type PartitionPosition = {
  partition: number
  /** The group's committed offset; null when it has none. */
  committed: bigint | null
  /** The oldest offset that the log still holds, and the one that its next record will get. */
  logStart: bigint
  logEnd: bigint
}

/** Where a partition is to be read from, or why not. */
export type Attached =
  | { kind: 'from'; offset: bigint }
  /** Nobody may read it as things are: it is held, the others go on, and attach is asked again after a while. */
  | { kind: 'hold'; problem: string }
  /** This process must not read it, but perhaps another one may: the consumer fails. */
  | { kind: 'stop'; problem: string }

/**
 * The next records of a partition. The list is the receiver's: whoever takes the records out of it frees what they hold,
 * however long the chunk takes.
 */
export type Chunk = { partition: number; records: ConsumedRecord[] }

/** What became of a chunk. */
export type ChunkOutcome =
  /** Its effects are safe: the offset is committed and the next chunk comes. */
  | { kind: 'done' }
  /** The partition's position is in doubt: attach is asked again. */
  | { kind: 'reattach'; why: string }
  /** Something it needs is away: the partition pauses, and the same records come again. */
  | { kind: 'away'; what: string }

/** For metrics, after every chunk. */
export type ChunkReport = {
  partition: number
  records: number
  outcome: ChunkOutcome['kind']
  durationMs: number
  /** Records of the partition that came after the chunk, as known when it was fetched. */
  lagRecords: number
  /** Age of the chunk's oldest record at its end. */
  ageMs: number
}

export type PartitionConsumerOptions = {
  groupId: string
  topic: string
  clientId: string
  log: KafkaLog
  /** A chunk has 100 records at first, fewer when it is slow, and at most so many when it is quick (500). */
  maxChunkSize?: number
  /** A chunk or tick that takes longer fails the consumer: it would keep its membership without working (20 s). */
  chunkLimitMs?: number
  /** After this time a partition that is held is attached again (15 s). */
  holdMs?: number
  /**
   * What all partitions together wait for before they are fetched, for a reader in no hurry: so many bytes (1: any) of
   * new records, or `maxWaitMs` (250), at most five seconds. Closing waits for it too.
   */
  fetch?: { minBytes?: number; maxWaitMs?: number }
  /**
   * How often offsets are committed, for a reader that attaches at a position of its own and commits only to tell
   * others how far it is (0: after every chunk). What is left is committed on closing.
   */
  commitEveryMs?: number
  /**
   * Waits until a chunk may begin, and gives what is called when it has ended. Waiting costs nothing of
   * `chunkLimitMs`, but holds up a process that stops. Must not reject.
   */
  turn?: (partition: number) => Promise<() => void>
  /**
   * Decides where to read an assigned partition from. Called for every partition after each assignment, also when
   * it holds nothing new; what it throws counts as trouble that passes, and it is asked again later.
   */
  attach: (position: PartitionPosition) => Promise<Attached>
  /** Handles the next records of a partition. Never runs beside another chunk or attach of the same partition. */
  process: (chunk: Chunk) => Promise<ChunkOutcome>
  /**
   * Work on each partition that recurs while it is read, whether or not there are records. Never runs beside a chunk or
   * attach of the same partition; what it throws is logged and changes nothing.
   */
  tick?: { everyMs: number; run: (partition: number) => Promise<void> }
  onChunk?: (report: ChunkReport) => void
}

/** Reads the partitions of a topic that its group assigns to it. Closing leaves the group at a chunk's border. */
export type PartitionConsumer = AsyncDisposable & {
  /** Resolves when the consumer cannot go on; the process should end then, so that it is started anew. */
  failed: Promise<Error>
  /** Attaches all partitions again, because what `attach` relied on has changed. */
  reattach: (why: string) => void
  /** Whether all assigned partitions are being read, for the readiness of the process. */
  state: () => { ok: boolean; detail: string }
}

/** How long the partitions of a killed process lie idle. */
const sessionTimeoutMs = 10_000
const heartbeatIntervalMs = 3_000
/** kafkajs sends a heartbeat only when one is due, so it may be asked more often. */
const heartbeatTickMs = 1_000
const silenceLimitMs = 60_000
const silenceTickMs = 5_000
const closeDeadlineMs = 5_000
const requestTimeoutMs = 10_000
/** About as long as the silence that is allowed: who gave up earlier would lose the membership and wait for it. */
const connectRetries = 60
const standardMaxWaitMs = 250
/** The heartbeat waits for a fetch under way. */
const longestMaxWaitMs = 5_000

/** One assignment of one partition; every join and every reattach makes a new one, and the old one is void. */
type Slot = {
  partition: number
  phase: 'attaching' | 'reading' | 'away'
  position: LogPosition
  /** The offset that the group is known to have; null for none that counts. */
  committed: bigint | null
  chunkSize: number
  isTicking: boolean
  tickFails: boolean
  attemptsAway: number
  trouble: string | null
  retry: NodeJS.Timeout | undefined
}

/**
 * Joins the group and reads; resolves when the first assignment is there.
 *
 * @throws KafkaUnreachable when no broker answers within ten seconds; an Error when the topic does not exist
 */
export async function openPartitionConsumer(
  config: KafkaConfig,
  options: PartitionConsumerOptions,
): Promise<PartitionConsumer> {
  const {
    groupId,
    topic,
    clientId,
    log,
    maxChunkSize = defaultMaxChunkSize,
    chunkLimitMs = 20_000,
    holdMs = 15_000,
    commitEveryMs = 0,
  } = options
  const { minBytes = 1, maxWaitMs = standardMaxWaitMs } = options.fetch ?? {}
  const { promise: failed, resolve: reportFailure } = Promise.withResolvers<Error>()
  const slots = new Map<number, Slot>()
  const work = new Map<number, Promise<unknown>>()
  let positions: Promise<Map<number, PartitionPosition>> | undefined
  let failure: Error | undefined
  let closing: Promise<void> | undefined
  let joined = false
  let lastSignAt = performance.now()

  const isCurrent = (slot: Slot) => slots.get(slot.partition) === slot
  const ended = () => closing !== undefined || failure !== undefined

  const client = createClient(config, { clientId, log, requestTimeoutMs, connectRetries })
  const consumer = client.kafka.consumer({
    groupId,
    sessionTimeout: sessionTimeoutMs,
    heartbeatInterval: heartbeatIntervalMs,
    rebalanceTimeout: 60_000,
    minBytes,
    maxWaitTimeInMs: Math.min(maxWaitMs, longestMaxWaitMs),
    maxBytesPerPartition: 1024 * 1024,
    allowAutoTopicCreation: false,
    // Short: a coordinator that has moved is only found by starting over.
    retry: { initialRetryTime: 200, maxRetryTime: 1_000, retries: 5 },
  })

  function fail(error: Error): void {
    if (failure !== undefined) return
    failure = error
    dropAssignment()
    // Others may have the partitions at once, and nothing is fetched in vain until the process ends.
    void close()
    reportFailure(error)
  }

  function dropAssignment(): void {
    for (const slot of slots.values()) clearTimeout(slot.retry)
    slots.clear()
    joined = false
  }

  /** Work on one partition never overlaps, not even with that of an assignment which is void by now. */
  function exclusively<T>(partition: number, task: () => Promise<T>): Promise<T> {
    const result = (work.get(partition) ?? Promise.resolve()).then(task)
    work.set(
      partition,
      result.catch(() => undefined),
    )
    return result
  }

  // Attaching

  function attachAll(partitions: readonly number[], misses = 0): void {
    const fresh = partitions.map((partition): Slot => {
      clearTimeout(slots.get(partition)?.retry)
      return {
        partition,
        phase: 'attaching',
        position: { next: 0n, misses },
        committed: null,
        chunkSize: Math.min(firstChunkSize, maxChunkSize),
        isTicking: false,
        tickFails: false,
        attemptsAway: 0,
        trouble: null,
        retry: undefined,
      }
    })
    for (const slot of fresh) slots.set(slot.partition, slot)
    consumer.pause([{ topic, partitions: [...partitions] }])
    for (const slot of fresh) void attach(slot)
  }

  async function attach(slot: Slot): Promise<void> {
    for (let attempt = 0; isCurrent(slot) && !ended(); attempt++) {
      try {
        const attached = await exclusively(slot.partition, () => attachOnce(slot))
        if (attached?.kind !== 'hold') return
        hold(slot, attached.problem)
        return
      } catch (error) {
        slot.trouble = `attach: ${rootReason(error)}`
        if (attempt === 0) log.warn({ topic, partition: slot.partition, err: error }, 'kafka.attach_failed')
      }
      await pause(backoffMs(attempt))
    }
  }

  async function attachOnce(slot: Slot): Promise<Attached | null> {
    if (!isCurrent(slot)) return null
    const position = await positionOf(slot.partition)
    const attached = await options.attach(position)
    if (!isCurrent(slot) || ended()) return null
    if (attached.kind === 'hold') return attached
    if (attached.kind === 'stop') {
      fail(new Error(`Partition ${slot.partition} of ${topic} must not be read: ${attached.problem}`))
      return null
    }
    log.debug({ topic, ...asText(position), from: String(attached.offset) }, 'kafka.attached')
    slot.position = { next: attached.offset, misses: slot.position.misses }
    slot.phase = 'reading'
    slot.trouble = null
    const at = { topic, partition: slot.partition, offset: String(attached.offset) }
    consumer.seek(at)
    consumer.resume([{ topic, partitions: [slot.partition] }])
    if (position.committed === null || attached.offset > position.committed) {
      // Only tells others how far this group is; the next chunk would commit it too.
      consumer.commitOffsets([at]).catch(() => undefined)
    }
    slot.committed = attached.offset
    return attached
  }

  /** Somebody has to do something about it, so what was wrong is looked at again now and then. */
  function hold(slot: Slot, problem: string): void {
    if (slot.trouble !== problem)
      log.error({ topic, partition: slot.partition, problem }, 'kafka.partition_held')
    slot.trouble = problem
    slot.retry = setTimeout(() => void attach(slot), holdMs)
  }

  async function positionOf(partition: number): Promise<PartitionPosition> {
    positions ??= readPositions(config, options).finally(() => {
      positions = undefined
    })
    const position = (await positions).get(partition)
    if (position === undefined) throw new Error(`Kafka knows no partition ${partition} of ${topic}`)
    return position
  }

  // Reading

  async function eachBatch(payload: EachBatchPayload): Promise<void> {
    const { partition, messages, highWatermark } = payload.batch
    const slot = slots.get(partition)
    const mayGoOn = () =>
      slot !== undefined &&
      isCurrent(slot) &&
      slot.phase === 'reading' &&
      !ended() &&
      payload.isRunning() &&
      !payload.isStale()

    for (let start = 0; start < messages.length; ) {
      if (slot === undefined || !mayGoOn()) return
      const endTurn = await turnOf(slot, payload)
      try {
        // Nothing is awaited from here to the chunk's place among the work on its partition.
        if (!mayGoOn()) return
        const records = chunkOf(recordsOf(partition, messages.slice(start, start + slot.chunkSize)))
        start += records.length
        if (goesOn(slot, records)) await handle(slot, records, payload, BigInt(highWatermark))
      } finally {
        endTurn?.()
      }
    }
  }

  /** Each is read when it is asked for. */
  function* recordsOf(partition: number, messages: readonly KafkaMessage[]) {
    for (const message of messages) yield toConsumedRecord(topic, partition, message)
  }

  async function turnOf({ partition }: Slot, payload: EachBatchPayload): Promise<(() => void) | undefined> {
    if (options.turn === undefined) return undefined
    const { result: endTurn, missedBeat } = await keepingMembership(payload, () => options.turn?.(partition))
    if (missedBeat === undefined) return endTurn
    endTurn?.()
    throw missedBeat
  }

  function goesOn(slot: Slot, records: readonly ConsumedRecord[]): boolean {
    const { partition, position } = slot
    const verdict = continuity(position, records)
    if (verdict === 'continues') return true
    const wanted = `offset ${position.next} of partition ${partition} should come next, but ${records[0]?.offset} came`
    position.misses += 1
    switch (verdict) {
      case 'stale':
        log.debug({ topic, partition, problem: wanted }, 'kafka.stale_records')
        consumer.seek({ topic, partition, offset: String(position.next) })
        break
      case 'broken':
        log.warn({ topic, partition, problem: wanted }, 'kafka.log_broken')
        attachAll([partition], position.misses)
        break
      case 'lost':
        fail(new Error(`The log of ${topic} does not go on: ${wanted}`))
        break
    }
    return false
  }

  async function handle(
    slot: Slot,
    records: ConsumedRecord[],
    payload: EachBatchPayload,
    logEnd: bigint,
  ): Promise<void> {
    const firstTimeMs = records[0]?.timestampMs
    const lastOffset = records.at(-1)?.offset
    const count = records.length
    if (firstTimeMs === undefined || lastOffset === undefined) return
    const { result, missedBeat } = await keepingMembership(payload, () => process(slot, records))
    const { outcome, tookMs } = result
    options.onChunk?.({
      partition: slot.partition,
      records: count,
      outcome: outcome.kind,
      durationMs: tookMs,
      lagRecords: Math.max(0, Number(logEnd - lastOffset - 1n)),
      ageMs: Math.max(0, Date.now() - firstTimeMs),
    })
    if (outcome.kind === 'done') {
      slot.chunkSize = nextChunkSize(slot.chunkSize, { records: count, tookMs, max: maxChunkSize })
    }
    if (isCurrent(slot)) await settle(slot, outcome, lastOffset, payload)
    if (missedBeat !== undefined) throw missedBeat
    await payload.heartbeat()
  }

  /** Runs the chunk, but not for longer than a chunk may take. */
  function process(slot: Slot, records: ConsumedRecord[]) {
    const { partition } = slot
    return exclusively(partition, async () => {
      const since = performance.now()
      const outcome = await limited('A chunk', partition, outcomeOf(partition, records))
      // At once, so that no tick comes before what is wrong has been dealt with.
      if (outcome.kind !== 'done') slot.phase = 'away'
      return { outcome, tookMs: performance.now() - since }
    })
  }

  async function outcomeOf(partition: number, records: ConsumedRecord[]): Promise<ChunkOutcome> {
    try {
      return await options.process({ partition, records })
    } catch (error) {
      log.warn({ topic, partition, err: error }, 'kafka.chunk_failed')
      return { kind: 'away', what: rootReason(error) }
    }
  }

  async function limited<T>(what: string, partition: number, task: Promise<T>): Promise<T> {
    const watchdog = setTimeout(() => {
      fail(new Error(`${what} of ${topic}, partition ${partition}, takes longer than ${chunkLimitMs} ms`))
    }, chunkLimitMs)
    try {
      return await task
    } finally {
      clearTimeout(watchdog)
    }
  }

  async function settle(
    slot: Slot,
    outcome: ChunkOutcome,
    lastOffset: bigint,
    payload: EachBatchPayload,
  ): Promise<void> {
    switch (outcome.kind) {
      case 'done':
        slot.position = { next: lastOffset + 1n, misses: 0 }
        slot.attemptsAway = 0
        slot.trouble = null
        payload.resolveOffset(String(lastOffset))
        // Before the heartbeat, whose answer may be that the partition has to be given back.
        if (commitEveryMs === 0) await payload.commitOffsetsIfNecessary(payload.uncommittedOffsets())
        return
      case 'reattach':
        log.info({ topic, partition: slot.partition, why: outcome.why }, 'kafka.reattach')
        attachAll([slot.partition])
        return
      case 'away':
        wait(slot, outcome.what)
        return
    }
  }

  function wait(slot: Slot, what: string): void {
    const { partition } = slot
    if (slot.trouble === null) log.warn({ topic, partition, what }, 'kafka.partition_waits')
    slot.phase = 'away'
    slot.trouble = what
    consumer.pause([{ topic, partitions: [partition] }])
    slot.retry = setTimeout(() => {
      if (!isCurrent(slot)) return
      slot.phase = 'reading'
      consumer.resume([{ topic, partitions: [partition] }])
    }, backoffMs(slot.attemptsAway))
    slot.attemptsAway += 1
  }

  // What recurs

  const commits = commitEveryMs > 0 ? setInterval(() => void commitAll(), commitEveryMs) : undefined

  /** Only tells others how far this group is, so one that fails is left to the next. */
  async function commitAll(): Promise<void> {
    const behind = [...slots.values()].filter(
      ({ phase, position, committed }) => phase !== 'attaching' && position.next !== committed,
    )
    if (behind.length === 0) return
    const offsets = behind.map((slot) => {
      slot.committed = slot.position.next
      return { topic, partition: slot.partition, offset: String(slot.position.next) }
    })
    try {
      await consumer.commitOffsets(offsets)
    } catch (error) {
      for (const slot of behind) slot.committed = null
      log.debug({ topic, groupId, problem: rootReason(error) }, 'kafka.commit_failed')
    }
  }

  const { tick } = options
  const ticks =
    tick &&
    setInterval(() => [...slots.values()].forEach((slot) => void runTick(slot, tick.run)), tick.everyMs)

  async function runTick(slot: Slot, run: (partition: number) => Promise<void>): Promise<void> {
    const { partition } = slot
    // The one before may still wait for a chunk.
    if (slot.isTicking) return
    slot.isTicking = true
    try {
      await exclusively(partition, async () => {
        if (isCurrent(slot) && slot.phase === 'reading' && !ended())
          await limited('A tick', partition, run(partition))
      })
      slot.tickFails = false
    } catch (error) {
      if (!slot.tickFails) log.warn({ topic, partition, err: error }, 'kafka.tick_failed')
      slot.tickFails = true
    } finally {
      slot.isTicking = false
    }
  }

  // Membership

  const silence = setInterval(() => {
    const silentMs = performance.now() - lastSignAt
    if (silentMs > silenceLimitMs) {
      fail(new Error(`Consumer group ${groupId} has neither fetched nor sent a heartbeat for ${silentMs} ms`))
    }
  }, silenceTickMs)

  function sign(): void {
    lastSignAt = performance.now()
  }

  function follow({ events }: Consumer): void {
    consumer.on(events.HEARTBEAT, sign)
    consumer.on(events.FETCH, sign)
    consumer.on(events.END_BATCH_PROCESS, sign)
    consumer.on(events.GROUP_JOIN, ({ payload }) => {
      sign()
      dropAssignment()
      if (ended()) return
      joined = true
      positions = undefined
      const partitions = payload.memberAssignment[topic] ?? []
      log.info({ topic, groupId, partitions }, 'kafka.partitions_assigned')
      attachAll(partitions)
    })
    consumer.on(events.STOP, dropAssignment)
    consumer.on(events.CRASH, ({ payload: { error, restart } }) => {
      dropAssignment()
      if (!restart) fail(new Error(crashed(groupId, error), { cause: error }))
    })
  }

  function close(): Promise<void> {
    closing ??= leave()
    return closing
  }

  async function leave(): Promise<void> {
    clearInterval(silence)
    clearInterval(ticks)
    clearInterval(commits)
    const left = Promise.all([leaveGroup(), ...work.values()])
    try {
      await within(closeDeadlineMs, `leaving consumer group ${groupId}`, left)
    } catch (error) {
      log.warn({ topic, groupId, problem: rootReason(error) }, 'kafka.consumer_left_late')
    }
    client.end()
    dropAssignment()
  }

  async function leaveGroup(): Promise<void> {
    if (commitEveryMs > 0) {
      await Promise.all(work.values())
      await commitAll()
    }
    await consumer.disconnect()
  }

  follow(consumer)
  try {
    await checkTopic(config, options)
    await connect(config, client, consumer)
    // Without fromBeginning an offset out of range would silently become the latest one.
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: config.partitions,
      eachBatch,
    })
    if (failure !== undefined) throw failure
  } catch (error) {
    await close()
    throw error
  }

  return {
    failed,
    reattach(why) {
      log.info({ topic, groupId, why }, 'kafka.reattach')
      if (slots.size > 0) attachAll([...slots.keys()])
    },
    state: () => describeState({ joined, failure, slots: [...slots.values()] }),
    [Symbol.asyncDispose]: close,
  }
}

/** Sends heartbeats while a task runs; one that was missed is for the caller to throw. */
async function keepingMembership<T>(payload: EachBatchPayload, task: () => T) {
  let missedBeat: Error | undefined
  const beats = setInterval(() => {
    payload.heartbeat().catch((error: unknown) => {
      missedBeat = error instanceof Error ? error : new Error(String(error))
    })
  }, heartbeatTickMs)
  try {
    return { result: await task(), missedBeat }
  } finally {
    clearInterval(beats)
  }
}

/** First of all, because the consumer itself would try for a minute to reach Kafka. */
async function checkTopic(
  config: KafkaConfig,
  { clientId, topic, log }: PartitionConsumerOptions,
): Promise<void> {
  await withAdmin(config, { clientId, log }, async (admin) => {
    const topics = await admin.listTopics()
    if (!topics.includes(topic)) {
      throw new Error(`Kafka has no topic ${topic} that this client may read: create it, or grant the right.`)
    }
  })
}

/** Over a connection of its own, because kafkajs' consumer can tell none of it. */
async function readPositions(
  config: KafkaConfig,
  { clientId, groupId, topic, log }: PartitionConsumerOptions,
): Promise<Map<number, PartitionPosition>> {
  return withAdmin(config, { clientId, log }, async (admin) => {
    const [groupOffsets] = await admin.fetchOffsets({ groupId, topics: [topic] })
    const committed = new Map(
      groupOffsets?.partitions.map(({ partition, offset }) => [partition, BigInt(offset)]) ?? [],
    )
    const logs = await admin.fetchTopicOffsets(topic)
    return new Map(
      logs.map(({ partition, low, high }) => {
        const offset = committed.get(partition) ?? -1n
        const position = {
          partition,
          // Kafka says -1 for none.
          committed: offset < 0n ? null : offset,
          logStart: BigInt(low),
          logEnd: BigInt(high),
        }
        return [partition, position]
      }),
    )
  })
}

function crashed(groupId: string, error: Error): string {
  const hint =
    error.name === 'KafkaJSGroupCoordinatorNotFound'
      ? ': check that this client may read with this group'
      : ''
  return `Consumer group ${groupId} has crashed: ${rootReason(error)}${hint}`
}

function asText({ partition, committed, logStart, logEnd }: PartitionPosition) {
  return { partition, committed: String(committed), logStart: String(logStart), logEnd: String(logEnd) }
}

function describeState(known: { joined: boolean; failure: Error | undefined; slots: readonly Slot[] }) {
  if (known.failure !== undefined) return { ok: false, detail: known.failure.message }
  if (!known.joined) return { ok: false, detail: 'joins its consumer group' }
  const total = known.slots.length
  const troubled = known.slots.find(({ trouble }) => trouble !== null)
  if (troubled !== undefined) {
    return { ok: false, detail: `partition ${troubled.partition} waits: ${troubled.trouble}` }
  }
  const attaching = known.slots.filter(({ phase }) => phase === 'attaching').length
  if (attaching > 0) return { ok: false, detail: `${attaching} of ${total} partitions attach` }
  return { ok: true, detail: `reads ${total} partitions` }
}
