import assert from 'node:assert/strict'
import type { RegistrationRef } from '@signalbox/contracts/keys'
import { readRecord } from '@signalbox/contracts/read-record'
import type { Chunk, ChunkOutcome, PartitionPosition } from '@signalbox/kafka/consumer'
import type { PartitionReader } from '@signalbox/kafka/partition-reader'
import type { EncodedRun, Producer } from '@signalbox/kafka/producer'
import type { RegistrationStore, StoredRegistration } from '@signalbox/registration-store/registration-store'
import { DamagedView } from '@signalbox/registration-store/stored-registration'
import { formatWatermark, parseWatermark, type Watermark } from '@signalbox/registration-store/watermark'
import { createAudit } from './audit.ts'
import { type Audited, auditedThrough, withOurs } from './audited-range.ts'
import { type AttachDecision, decideAttach } from './decide-attach.ts'
import { type FoldedChunk, type FoldSettings, foldChunk, type ReadRecord } from './fold-chunk.ts'
import type { Unreadable } from './newest-states.ts'
import { createRebuild } from './rebuild.ts'
import { createViewTroubles } from './view-troubles.ts'

/** All that a worker has to do with the world: with others in their place it runs in a simulation. */
export type PartitionWorkerPorts = {
  store: Pick<
    RegistrationStore,
    'load' | 'save' | 'beginRebuild' | 'clear' | 'restore' | 'finishRebuild' | 'readWatermark'
  >
  producer: Pick<Producer, 'publish' | 'encode'>
  reader: Pick<PartitionReader, 'read' | 'bounds' | 'offsetAt'>
  /** Answers or fails within two seconds: chunks wait for an audit. */
  auditReader: Pick<PartitionReader, 'read' | 'bounds'>
  report: {
    attached: (event: { partition: number; decision: AttachDecision }) => void
    /** How far a rebuild has come in the state topic, in offsets. */
    rebuilding: (event: { partition: number; registrations: number; read: number; total: number }) => void
    /** Its partition is folded on behind this watermark. */
    rebuilt: (event: { partition: number; watermark: Watermark; registrations: number }) => void
    /** Records that were folded, published and saved. */
    settled: (event: { partition: number; folded: FoldedApart; durationMs: number }) => void
    /** Records that the view contained already. */
    redelivered: (event: { partition: number; count: number }) => void
    /** State records of others that were looked at, and what had to be published again because of them. */
    audited: (event: { partition: number; looked: number; published: number; through: bigint }) => void
    /** State records that cannot be read, met in a rebuild or an audit. */
    unreadable: (event: { partition: number } & Unreadable) => void
  }
  /** An id that no other rebuild has. */
  newMarker: () => string
  /** A clock that never goes back. */
  nowMs: () => number
}

/** Where to read a partition from, and why there; or why it must not be read. */
export type Attached =
  | { kind: 'from'; offset: bigint; because: 'equal' | 'behind' | 'ahead' | 'rebuilt' }
  | { kind: 'hold'; problem: string }
  | { kind: 'stop'; problem: string }

/** `reattach`: the view is not the one that this worker has written. */
export type AuditOutcome = { kind: 'audited' } | { kind: 'reattach'; why: string }

/** A folded chunk without its outputs, but with how many they were; of those set aside `problems` tells. */
export type FoldedApart = Omit<FoldedChunk, 'changes' | 'quarantined' | 'states'> & {
  made: { changes: number; states: number }
}

/** A partition's view as this worker last saw or wrote it. */
type View = { watermark: string; offset: bigint; audited: Audited }

/** Both publications and the two calls to Redis together stay below what the consumer lets a chunk take. */
const publishDeadlineMs = 5_000
/** A chunk with outputs so large that it takes several turns gives way after this time, at a border between turns. */
const turnsLimitMs = 5_000

/**
 * Works on the partitions of the raw topic, whichever are assigned. The consumer sees to it that nothing of a partition
 * overlaps and that its records come without gaps from where `attach` said.
 */
export function createPartitionWorker(ports: PartitionWorkerPorts, settings: FoldSettings) {
  const { store, producer, reader, report, nowMs } = ports
  const { clusterId, topics } = settings
  const views = new Map<number, View>()
  /** Watermarks that lay beyond the end of the log as it was known when a partition was to be attached. */
  const doubted = new Map<number, string | null>()
  const troubles = createViewTroubles(ports, { stateTopic: topics.state.name })
  const rebuild = oneAtATime(createRebuild(ports, settings))
  const auditRanges = createAudit({ ...ports, reader: ports.auditReader }, settings)

  /**
   * Decides where a partition goes on, and makes its view anew where that is needed.
   *
   * @throws an Error when Kafka or Redis is away, or the position has to be read again
   */
  async function attach(position: PartitionPosition): Promise<Attached> {
    try {
      return await attachAt(position)
    } catch (error) {
      if (error instanceof DamagedView) return decided(position.partition, holdFor(error.message))
      return { kind: 'stop', problem: problemOf(error) }
    }
  }

  async function attachAt(position: PartitionPosition): Promise<Attached> {
    const { partition } = position
    const watermark = await store.readWatermark({ partition })
    const decision = decideAttach({
      watermark,
      found: await recordAt(watermark, position),
      doubted: doubted.get(partition) ?? null,
      damage: troubles.damageOf(partition, watermark),
      clusterId,
      topic: topics.raw.name,
      position,
    })
    if (decision.kind === 'doubt') {
      doubted.set(partition, watermark)
      throw new Error(decision.problem)
    }
    doubted.delete(partition)
    const inVain = await troubles.inVain(partition, watermark)
    if (inVain !== null) return decided(partition, holdFor(inVain))
    report.attached({ partition, decision })
    if (decision.kind === 'stop' || decision.kind === 'hold') return decision
    if (decision.kind === 'from') {
      assert(watermark !== null, 'a partition goes on behind the watermark that it has')
      return { kind: 'from', offset: await goOn(decision.watermark, watermark), because: decision.because }
    }
    const isOtherLog = decision.because === 'log_replaced'
    const rebuilt = await rebuild({ position, expected: watermark, isOtherLog })
    if (rebuilt.kind === 'fenced') {
      throw new Error('another worker has written the view meanwhile, or Redis has lost a part of it')
    }
    if (rebuilt.kind === 'lost') {
      troubles.lost(partition, rebuilt)
      return decided(partition, holdFor(rebuilt.problem))
    }
    troubles.rebuilt(partition)
    report.rebuilt({ partition, ...rebuilt })
    const offset = await goOn(rebuilt.watermark, formatWatermark(rebuilt.watermark))
    return { kind: 'from', offset, because: 'rebuilt' }
  }

  function decided(partition: number, decision: Extract<AttachDecision, Attached>): Attached {
    report.attached({ partition, decision })
    return decision
  }

  function foundDamage(partition: number, watermark: string, { message }: DamagedView) {
    troubles.damaged(partition, { watermark, problem: message })
    return { kind: 'reattach', why: message } as const
  }

  /** Of the record at the watermark's offset, to tell whether the log is still the one that the view was built from. */
  async function recordAt(text: string | null, { partition, logStart, logEnd }: PartitionPosition) {
    const offset = (text === null ? null : parseWatermark(text))?.offset ?? null
    if (offset === null || offset < logStart || offset >= logEnd) return null
    const range = { topic: topics.raw.name, partition, from: offset, to: offset + 1n }
    for await (const [record] of reader.read(range)) {
      if (record?.offset === offset)
        return { notificationId: readRecord(record).cause?.notificationId ?? null }
    }
    return null
  }

  /** Takes up a partition behind its watermark, which stands in Redis as `text`. Gives the next raw offset. */
  async function goOn({ partition, offset, stateOffset }: Watermark, text: string): Promise<bigint> {
    const through = stateOffset ?? (await reader.bounds({ topic: topics.state.name, partition })).end
    views.set(partition, { watermark: text, offset, audited: { foreign: [], through } })
    return offset + 1n
  }

  /** Folds a chunk, publishes what comes of it and saves the view. @throws when something is broken for good */
  async function process(chunk: Chunk): Promise<ChunkOutcome> {
    const { partition } = chunk
    const started = nowMs()
    const rest = takeNew(chunk)
    while (rest.length > 0) {
      if (nowMs() - started > turnsLimitMs) return { kind: 'reattach', why: 'the chunk takes long' }
      const outcome = await settle(partition, rest)
      if (outcome.kind !== 'done') return outcome
    }
    return { kind: 'done' }
  }

  /** Empties the chunk and reads what the view lacks of it. Whoever waits for Kafka needs none of its records any more. */
  function takeNew({ partition, records }: Chunk): ReadRecord[] {
    const { offset } = viewOf(partition)
    const taken = records.splice(0)
    const rest: ReadRecord[] = []
    let next = offset + 1n
    for (const record of taken) {
      // A chunk that comes again may be half done.
      if (record.offset <= offset) continue
      assert(record.offset === next, 'the watermark stands for everything before it')
      rest.push(readRecord(record))
      next += 1n
    }
    report.redelivered({ partition, count: taken.length - rest.length })
    return rest
  }

  /**
   * Load, fold, publish, save, in this order: a crash anywhere leaves nothing that folding the same records again would
   * not repeat. Takes from `rest` all of the records, or as many as need inputs and give outputs of a bounded size:
   * `done` is about these.
   */
  async function settle(partition: number, rest: ReadRecord[]): Promise<ChunkOutcome> {
    const started = nowMs()
    const view = viewOf(partition)
    const expected = view.watermark
    try {
      const first = await foldFirst(partition, { rest, expected })
      if (first === null) return overtaken

      const { folded, changes, states } = first
      await changes.publish({ deadlineMs: publishDeadlineMs })
      // Not before the changes: were only the state to land and Redis to be lost, its change would never be made.
      const offsets = await states.publish({ deadlineMs: publishDeadlineMs })

      const audited = withOurs(view.audited, offsets)
      const next = formatWatermark({ ...folded.watermark, stateOffset: auditedThrough(audited) })
      const { registrations, removed, attention, counted } = folded
      const saved = await store.save({
        partition,
        expected,
        next,
        registrations,
        removed,
        attention,
        counted,
      })
      if (saved.kind === 'fenced') return { kind: 'reattach', why: 'another worker has written the view' }

      views.set(partition, { watermark: next, offset: folded.watermark.offset, audited })
      report.settled({ partition, folded, durationMs: nowMs() - started })
      return { kind: 'done' }
    } catch (error) {
      if (error instanceof DamagedView) return foundDamage(partition, expected, error)
      return { kind: 'away', what: troubleOf(error) }
    }
  }

  /**
   * Folds the first of the records, takes them out and encodes the outputs: while these are on their way, only their bytes
   * are held of them, which the collector of garbage need not copy. null: the view is not the one that was expected.
   */
  async function foldFirst(
    partition: number,
    { rest, expected }: { rest: ReadRecord[]; expected: string },
  ): Promise<{ folded: FoldedApart; changes: EncodedRun; states: EncodedRun } | null> {
    const { watermark, loaded, countedThrough, records } = await loadTouched(partition, rest)
    if (watermark !== expected) return null
    const { changes, quarantined, states, ...folded } = foldChunk(records, {
      loaded,
      countedThrough,
      settings,
    })
    rest.splice(0, folded.outcomes.length)
    return {
      folded: { ...folded, made: { changes: changes.length, states: states.length } },
      changes: producer.encode([...changes, ...quarantined]),
      states: producer.encode(states),
    }
  }

  /** Loads what the records touch, or as much of it as may come at once, and says which records that is enough for. */
  async function loadTouched(partition: number, records: readonly ReadRecord[]) {
    const touched = new Map<string, RegistrationRef>()
    for (const read of records)
      if (read.kind === 'statement') touched.set(read.key, read.statement.registration)
    const { watermark, countedThrough, registrations } = await store.load({
      partition,
      registrations: [...touched.values()],
    })
    const loaded = new Map<string, StoredRegistration>()
    const missing = new Set<string>()
    for (const [index, key] of [...touched.keys()].entries()) {
      const stored = registrations[index]
      if (stored === undefined) missing.add(key)
      else if (stored !== null) loaded.set(key, stored)
    }
    const end =
      missing.size === 0
        ? -1
        : records.findIndex((read) => read.kind === 'statement' && missing.has(read.key))
    return {
      watermark,
      loaded,
      countedThrough: countedThrough === null ? null : BigInt(countedThrough),
      records: end === -1 ? records : records.slice(0, end),
    }
  }

  /**
   * Looks at what others have written to the partition's state topic, and puts it right.
   *
   * @throws an Error when Kafka or Redis is away; any other when something is broken for good
   */
  async function audit(partition: number): Promise<AuditOutcome> {
    const view = views.get(partition)
    if (view === undefined) return { kind: 'audited' }
    // Where nothing comes, nobody else would notice that the view is gone.
    if ((await store.readWatermark({ partition })) !== view.watermark) return overtaken
    try {
      const outcome = await auditRanges({ partition, view, audited: view.audited })
      if (outcome.kind === 'fenced') return overtaken
      views.set(partition, { ...view, audited: outcome.audited })
      return { kind: 'audited' }
    } catch (error) {
      if (error instanceof DamagedView) return foundDamage(partition, view.watermark, error)
      throw error
    }
  }

  function viewOf(partition: number): View {
    const view = views.get(partition)
    assert(view !== undefined, 'a partition is attached before its records come')
    return view
  }

  return { attach, process, audit }
}

const holdFor = (problem: string) => ({ kind: 'hold', problem }) as const

const overtaken = { kind: 'reattach', why: 'the watermark is not the one this worker wrote' } as const

/** Rebuilds hold what they have read of a partition in memory, and together they would not be faster. */
function oneAtATime<Given, Result>(run: (given: Given) => Promise<Result>): typeof run {
  let last: Promise<unknown> = Promise.resolve()
  return (given) => {
    const result = last.then(() => run(given))
    last = result.catch(() => undefined)
    return result
  }
}

/** Kafka or Redis being away passes. A mistake of ours does not, and coming again would only hide it. */
function troubleOf(error: unknown): string {
  if (error instanceof Error && error.name === 'Error') return error.message
  throw error
}

/** The other way round: what passes is thrown on, so that it is tried again. */
function problemOf(error: unknown): string {
  if (error instanceof Error && error.name !== 'Error') return error.message
  throw error
}
