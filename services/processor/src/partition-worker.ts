import assert from 'node:assert/strict'
import { registrationKey } from '@signalbox/contracts/keys'
import type { Chunk, ChunkOutcome, ConsumedRecord, PartitionPosition } from '@signalbox/kafka/consumer'
import type { Producer } from '@signalbox/kafka/producer'
import type { RegistrationStore, StoredRegistration } from '@signalbox/registration-store/registration-store'
import { type AttachDecision, decideAttach } from './decide-attach.ts'
import { type FoldedChunk, type FoldSettings, foldChunk } from './fold-chunk.ts'
import { type ReadRecord, readRecord } from './read-record.ts'
import { formatWatermark } from './watermark.ts'

type Ports = {
  store: Pick<RegistrationStore, 'load' | 'save'>
  producer: Pick<Producer, 'publish'>
  report: {
    attached: (event: { partition: number; decision: AttachDecision }) => void
    /** Records that were folded, published and saved. */
    settled: (event: { partition: number; folded: FoldedChunk; durationMs: number }) => void
    /** Records that the view contained already. */
    redelivered: (event: { count: number }) => void
  }
}

/** A partition's view as this worker last saw or wrote it. */
type View = { watermark: string | null; nextOffset: bigint }

/** Both publications and the two calls to Redis together stay below what the consumer lets a chunk take. */
const publishDeadlineMs = 5_000
/** A chunk with outputs so large that it takes several turns gives way after this time, at a border between turns. */
const turnsLimitMs = 5_000

/**
 * Works on the partitions of the raw topic, whichever are assigned. The consumer sees to it that nothing of a partition
 * overlaps and that its records come without gaps from where `attach` said.
 */
export function createPartitionWorker({ store, producer, report }: Ports, settings: FoldSettings) {
  const views = new Map<number, View>()
  /** Watermarks that lay beyond the end of the log as it was known when a partition was to be attached. */
  const doubted = new Map<number, string | null>()

  /** Decides where a partition goes on. @throws when Redis does not answer, or the position has to be read again */
  async function attach(position: PartitionPosition): Promise<AttachDecision> {
    const { partition } = position
    const { watermark } = await store.load({ partition, registrations: [] })
    const { clusterId, topics } = settings
    const decision = decideAttach({
      watermark,
      doubted: doubted.get(partition) ?? null,
      clusterId,
      topic: topics.raw.name,
      position,
    })
    if (decision.kind === 'doubt') {
      doubted.set(partition, watermark)
      throw new Error(decision.problem)
    }
    doubted.delete(partition)
    if (decision.kind === 'from') views.set(partition, { watermark, nextOffset: decision.offset })
    report.attached({ partition, decision })
    return decision
  }

  /** Folds a chunk, publishes what comes of it and saves the view. @throws when something is broken for good */
  async function process({ partition, records }: Chunk): Promise<ChunkOutcome> {
    const view = views.get(partition)
    assert(view !== undefined, 'a partition is attached before its records come')
    // A chunk that comes again may be half done.
    const fresh = records.filter(({ offset }) => offset >= view.nextOffset)
    report.redelivered({ count: records.length - fresh.length })
    assert(isContiguous(fresh, view.nextOffset), 'the watermark stands for everything before it')

    const started = performance.now()
    let rest = fresh.map(readRecord)
    while (rest.length > 0) {
      if (performance.now() - started > turnsLimitMs) return { kind: 'reattach', why: 'the chunk takes long' }
      const turn = await settle(partition, rest)
      if (turn.kind !== 'settled') return turn
      rest = rest.slice(turn.records)
    }
    return { kind: 'done' }
  }

  /**
   * Load, fold, publish, save, in this order: a crash anywhere leaves nothing that folding the same records again would
   * not repeat. Takes all of the records, or as many as give outputs of a bounded size.
   */
  async function settle(partition: number, records: readonly ReadRecord[]): Promise<Turn> {
    const started = performance.now()
    const expected = views.get(partition)?.watermark ?? null
    try {
      const { watermark, loaded, countedThrough } = await loadTouched(partition, records)
      if (watermark !== expected) {
        return { kind: 'reattach', why: 'the watermark is not the one this worker wrote' }
      }
      const folded = foldChunk(records, { loaded, countedThrough, settings })

      await producer.publish([...folded.changes, ...folded.quarantined], { deadlineMs: publishDeadlineMs })
      // Not before the changes: were only the state to land and Redis to be lost, its change would never be made.
      await producer.publish(folded.states, { deadlineMs: publishDeadlineMs })

      const next = formatWatermark(folded.watermark)
      const { registrations, counted } = folded
      const saved = await store.save({ partition, expected, next, registrations, counted })
      if (saved.kind === 'fenced') return { kind: 'reattach', why: 'another worker has written the view' }

      views.set(partition, { watermark: next, nextOffset: folded.watermark.offset + 1n })
      report.settled({ partition, folded, durationMs: performance.now() - started })
      return { kind: 'settled', records: folded.outcomes.length }
    } catch (error) {
      return { kind: 'away', what: troubleOf(error) }
    }
  }

  async function loadTouched(partition: number, records: readonly ReadRecord[]) {
    const touched = new Map(
      records
        .filter((read) => read.kind === 'observation')
        .map(({ observation: { registration } }) => [registrationKey(registration), registration]),
    )
    const { watermark, countedThrough, registrations } = await store.load({
      partition,
      registrations: [...touched.values()],
    })
    const loaded = new Map<string, StoredRegistration>()
    for (const [index, key] of [...touched.keys()].entries()) {
      const stored = registrations[index] ?? null
      if (stored !== null) loaded.set(key, stored)
    }
    return { watermark, loaded, countedThrough: countedThrough === null ? null : BigInt(countedThrough) }
  }

  return { attach, process }
}

/** One round over records of a chunk: how many are done, or why not. */
type Turn = { kind: 'settled'; records: number } | Exclude<ChunkOutcome, { kind: 'done' }>

function isContiguous(records: readonly ConsumedRecord[], nextOffset: bigint): boolean {
  return records.every(({ offset }, index) => offset === nextOffset + BigInt(index))
}

/** Kafka or Redis being away passes. A mistake of ours does not, and coming again would only hide it. */
function troubleOf(error: unknown): string {
  if (error instanceof Error && error.name === 'Error') return error.message
  throw error
}
