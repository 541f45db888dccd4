import { parseRegistrationKey, type RegistrationRef } from '@signalbox/contracts/keys'
import type { ConsumedRecord, PartitionPosition } from '@signalbox/kafka/consumer'
import type { PartitionReader } from '@signalbox/kafka/partition-reader'
import type { Producer } from '@signalbox/kafka/producer'
import type {
  AttentionMove,
  RegistrationStore,
  WrittenRegistration,
} from '@signalbox/registration-store/registration-store'
import { foldVersion } from '@signalbox/registration/fold'
import {
  formatWatermark,
  isFromStart,
  nextMarker,
  rebuildMarker,
  type Watermark,
} from '@signalbox/registration-store/watermark'
import { attentionMoves } from './attention-moves.ts'
import { createNewestStates, type NewestStates, type Unreadable } from './newest-states.ts'
import type { ProcessorTopics } from './output-records.ts'
import {
  type KeptState,
  readKeptState,
  readStanding,
  type StateRecord,
  type UnreadableState,
} from './read-state.ts'
import { createRepublish } from './republish.ts'

type Ports = {
  store: Pick<RegistrationStore, 'load' | 'beginRebuild' | 'clear' | 'restore' | 'finishRebuild'>
  producer: Pick<Producer, 'publish'>
  reader: PartitionReads
  report: {
    /** How far a rebuild has come in the state topic: `read` of `total` offsets. */
    rebuilding: (event: { partition: number; registrations: number; read: number; total: number }) => void
    /** State records that cannot be read. */
    unreadable: (event: { partition: number } & Unreadable) => void
  }
  /** An id that no other rebuild has. */
  newMarker: () => string
}

type PartitionReads = Pick<PartitionReader, 'read' | 'bounds' | 'offsetAt'>

export type Rebuilt =
  /** `registrations`: so many were restored, one that was restored again counted again. */
  | { kind: 'rebuilt'; watermark: Watermark; registrations: number }
  /** Another worker has written the view meanwhile, or Redis has lost some of the rebuild. */
  | Fenced
  | Lost

type Fenced = { kind: 'fenced' }

/** States cannot be read and are nowhere else. Beginning anew is in vain before something comes behind `stateEnd`. */
export type Lost = { kind: 'lost'; problem: string; marker: string; stateEnd: bigint }

/** So much is folded again: a state record that a zombie has overwritten is made anew from it. */
const secondFoldMs = 48 * 3_600_000
const mostRecords = 500
const mostBytes = 1024 * 1024
/** Batches on their way to Redis: while it writes one it has the next one already. */
const mostWriting = 2

/**
 * Creates the rebuild of a partition's view from its state topic. Whatever ends it half way leaves the marker in the
 * place of the watermark, and whoever attaches next begins anew.
 */
export function createRebuild(ports: Ports, settings: { clusterId: string; topics: ProcessorTopics }) {
  const { store, reader, report, newMarker } = ports
  const { clusterId, topics } = settings
  const republish = createRepublish(ports, settings)

  /**
   * Puts the view into the state from which the log can be folded on, in the place of the watermark expected.
   *
   * @param isOtherLog the group has committed offsets of a log that is not there any more
   * @throws an Error when Kafka or Redis is away; AssertionError when a later build has written to the state topic
   */
  return async function rebuild({
    position,
    expected,
    isOtherLog,
  }: {
    position: PartitionPosition
    expected: string | null
    isOtherLog: boolean
  }): Promise<Rebuilt> {
    const { partition } = position
    const foldsFromStart = isOtherLog || (expected !== null && isFromStart(expected))
    const marker = rebuildMarker(newMarker(), { foldsFromStart })
    const begun = await store.beginRebuild({ partition, expected, marker })
    if (begun.kind === 'fenced') return { kind: 'fenced' }

    const cleared = await clear({ partition, marker })
    if (cleared.kind === 'fenced') return cleared
    const loaded = await load({ partition, marker: cleared.marker })
    if (loaded.kind !== 'loaded') return loaded
    const offset = (await secondFoldFrom(position, { foldsFromStart })) - 1n
    const watermark: Watermark = {
      clusterId,
      topic: topics.raw.name,
      partition,
      offset,
      notificationId: null,
      stateOffset: loaded.stateEnd,
      foldVersion,
    }
    const next = formatWatermark(watermark)
    const finished = await store.finishRebuild({ partition, marker: loaded.marker, next })
    if (finished.kind === 'fenced') return { kind: 'fenced' }
    return { kind: 'rebuilt', watermark, registrations: loaded.registrations }
  }

  async function clear({ partition, marker }: Marked): Promise<{ kind: 'cleared'; marker: string } | Fenced> {
    let next = marker
    let cursor: string | null = null
    do {
      const cleared: Awaited<ReturnType<typeof store.clear>> = await store.clear({
        partition,
        marker: next,
        cursor,
      })
      if (cleared.kind === 'fenced') return { kind: 'fenced' }
      next = cleared.marker
      cursor = cleared.next
    } while (cursor !== null)
    return { kind: 'cleared', marker: next }
  }

  /** Reads the state topic into the view, and publishes again what an older record stands behind. */
  async function load({ partition, marker: first }: Marked): Promise<Loaded | Fenced | Lost> {
    const topic = topics.state.name
    const { start, end } = await reader.bounds({ topic, partition })
    const newest = createNewestStates()
    let registrations = 0
    /** What is on its way to Redis, in its order; false: it was fenced. */
    const writing: Promise<boolean>[] = []
    let marker = first
    try {
      for await (const records of reader.read({ topic, partition, from: start, to: end })) {
        for (const batch of batchesOf(records)) {
          const restored = restoredIn(batch, newest)
          registrations += restored.registrations.length
          if (writing.length >= mostWriting && !(await writing.shift())) return { kind: 'fenced' }
          const written = store
            .restore({ partition, marker, ...restored })
            .then(({ kind }) => kind === 'saved')
          // Whoever awaits it hears of its failure; until then nobody does, and that must not end the process.
          written.catch(() => undefined)
          writing.push(written)
          marker = nextMarker(marker)
        }
        const read = Number((records.at(-1)?.offset ?? start) - start) + 1
        report.rebuilding({ partition, registrations, read, total: Number(end - start) })
      }
      while (writing.length > 0) if (!(await writing.shift())) return { kind: 'fenced' }
    } finally {
      // When one fails, or reading does, nobody else looks at what became of the others.
      await Promise.allSettled(writing)
    }

    const unreadable = newest.unreadable()
    if (unreadable !== null) report.unreadable({ partition, ...unreadable })
    const lost = newest.lost().filter(({ key }) => parseRegistrationKey(key ?? '') !== null)
    const [example] = lost
    if (example !== undefined) {
      const problem = lostProblem(example, { count: lost.length, where: `${topic}[${partition}]` })
      return { kind: 'lost', problem, marker, stateEnd: end }
    }

    const buried = newest.buried().flatMap(({ key, forgottenRev }) => {
      const registration = parseRegistrationKey(key)
      return registration === null ? [] : [{ registration, forgottenRev }]
    })
    const published = await republish({ partition, expected: marker, buried })
    return published.kind === 'published'
      ? { kind: 'loaded', marker, registrations, stateEnd: end }
      : published
  }

  /** The raw offset from which to fold again: what was appended in the 48 h before the last record committed. */
  async function secondFoldFrom(
    { partition, committed, logEnd, logStart: startBefore }: PartitionPosition,
    { foldsFromStart }: { foldsFromStart: boolean },
  ): Promise<bigint> {
    const raw = { topic: topics.raw.name, partition }
    // Retention goes on while a rebuild takes its time, or waits for another one.
    const { start } = await reader.bounds(raw)
    const logStart = start > startBefore ? start : startBefore
    if (foldsFromStart || committed === null || committed > logEnd || committed <= logStart) return logStart
    for await (const [last] of reader.read({ ...raw, from: committed - 1n, to: committed })) {
      if (last === undefined) continue
      const offset = await reader.offsetAt({ ...raw, timeMs: last.timestampMs - secondFoldMs })
      return [logStart, offset, committed].toSorted(compareOffsets)[1] ?? logStart
    }
    return logStart
  }
}

type Marked = { partition: number; marker: string }

type Loaded = { kind: 'loaded'; marker: string; registrations: number; stateEnd: bigint }

function lostProblem(
  { key, offset, rev }: UnreadableState,
  { count, where }: { count: number; where: string },
): string {
  return (
    `The newest states of ${count} registrations in ${where} cannot be read, so their versions would begin again; the ` +
    `first is ${key} at offset ${offset}. Append a copy of that record that can be read, or give the registration up: a ` +
    `record with this key, no value and the header rev=${(rev ?? 0n) + 1n}. Then the view is made anew by itself.`
  )
}

function* batchesOf(records: readonly ConsumedRecord[]): Generator<readonly ConsumedRecord[]> {
  let batch: ConsumedRecord[] = []
  let bytes = 0
  for (const record of records) {
    batch.push(record)
    bytes += record.bytes
    if (batch.length < mostRecords && bytes < mostBytes) continue
    yield batch
    batch = []
    bytes = 0
  }
  if (batch.length > 0) yield batch
}

function compareOffsets(left: bigint, right: bigint): number {
  return left < right ? -1 : Number(left > right)
}

/** What to write of some state records: of each registration the newest, if it is newer than all before. Only that is read. */
function restoredIn(records: readonly ConsumedRecord[], newest: NewestStates) {
  const registrations: WrittenRegistration[] = []
  const removed: RegistrationRef[] = []
  const attention: AttentionMove[] = []
  for (const [key, said] of Map.groupBy(records.map(readClaim), keyOf)) {
    const isAgain = key !== null && newest.has(key)
    const winner = newestOf(said, newest)
    for (const { standing } of said) newest.take(standing)
    if (winner === null) continue
    if (winner.kept !== null) {
      const { written } = winner.kept
      const before = isAgain ? null : {}
      registrations.push(written)
      attention.push(
        ...attentionMoves({ registration: written.registration, before, after: winner.kept.attention }),
      )
      continue
    }
    const registration = parseRegistrationKey(key ?? '')
    if (registration === null || !isAgain) continue
    removed.push(registration)
    attention.push(...attentionMoves({ registration, before: null, after: {} }))
  }
  return { registrations, removed, attention }
}

type Claim = { standing: StateRecord; record: ConsumedRecord }

const keyOf = ({ standing }: Claim) => standing.key

function readClaim(record: ConsumedRecord): Claim {
  return { standing: readStanding(record), record }
}

/**
 * The newest of some records of one registration, in the order of the log; null: what was known is. `kept` is null for a
 * forgetting. What claims to be the newest and cannot be read is noted as unreadable in `said`.
 */
function newestOf(said: Claim[], newest: NewestStates): { kept: KeptState | null } | null {
  for (;;) {
    const claim = said[newest.newestAmong(said.map(({ standing }) => standing))]
    if (claim === undefined) return null
    if (claim.standing.kind === 'forgotten') return { kept: null }
    const kept = readKeptState(claim.record)
    if (kept !== null) return { kept }
    const { key, rev } = claim.standing
    claim.standing = { kind: 'unreadable', key, offset: claim.record.offset, rev }
  }
}
