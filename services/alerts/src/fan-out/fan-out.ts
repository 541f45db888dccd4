import type { AlertsOwed } from '@signalbox/alert-endpoints/alerts-of-change'
import { headerText } from '@signalbox/contracts/header-texts'
import type {
  Attached,
  Chunk,
  ChunkOutcome,
  ConsumedRecord,
  PartitionPosition,
} from '@signalbox/kafka/consumer'
import type { PartitionReader } from '@signalbox/kafka/partition-reader'
import type { AlertBook } from '../adapters/alert-book.ts'
import type { AlertQueue } from '../adapters/alert-queue.ts'
import { liveBatches } from '../live-batches.ts'
import { batchIdOf, obligationOf, type OwedAlert, type OwedInBatch } from '../owed-alert.ts'
import type { ReceiptsSeen } from '../receipts/receipts-seen.ts'
import { fanOutStart, horizonMs, type ReadLog, watermarkAt, watermarkOwing } from './fan-out-start.ts'

export type FanOutPorts = {
  book: Pick<AlertBook, 'watermark' | 'owe' | 'advance' | 'raiseOutstanding'>
  queue: Pick<AlertQueue, 'add' | 'addFirst' | 'stateOf'>
  /** Who is to be told what about the records of a chunk. */
  alertsOf(records: readonly ConsumedRecord[]): Promise<AlertsOwed>
  endpoints: {
    /** Resolves when the view of the endpoints holds what their topic holds now. */
    caughtUpAll(): Promise<void>
  }
  receiptsSeen: Pick<ReceiptsSeen, 'reached'>
  reader: Pick<PartitionReader, 'offsetAt'>
  /** Records were taken by retention before the fan-out had seen them. */
  skipped: (gap: { partition: number; records: number }) => void
  now: () => number
}

/** Alerts that one job delivers, as many at a time as their endpoint takes: so many that the job costs little beside them. */
const mostPerBatch = 32
/** Written down by one script, which holds up all others meanwhile. */
const mostOwedAtOnce = 100

/** What a partition stands at. */
type Standing = {
  watermark: string
  /** Receipts before this offset were in the log when the partition was attached. */
  receiptsTo: bigint
}

/**
 * Creates what turns the records of a topic into obligations and jobs, for a partition consumer. Order: obligations,
 * jobs, watermark, the group's offset. Cut anywhere, the same alerts come again under the same ids. With the
 * obligations the watermark says that jobs are on their way, so a Redis that forgets the one forgets the other; and
 * nothing is owed before the markers reflect the receipts, so that what Redis has forgotten is not sent again.
 */
export function createFanOut(ports: FanOutPorts, log: ReadLog) {
  const { book, queue } = ports
  const standing = new Map<number, Standing>()
  /** Watermarks that lay beyond the end of the log as it was known when a partition was to be attached. */
  const doubted = new Map<number, string>()

  /** Decides where a partition goes on. @throws when Redis or Kafka does not answer, or the position is to be read again */
  async function attach(position: PartitionPosition): Promise<Attached> {
    const { partition } = position
    const watermark = (await book.watermark(partition)) ?? (await beginAnew(partition))
    const start = fanOutStart(watermark, { position, log, doubted: doubted.get(partition) ?? null })
    if (start.kind === 'stop') return start
    if (start.kind === 'doubt') {
      doubted.set(partition, watermark)
      throw new Error(start.problem)
    }
    doubted.delete(partition)
    const receiptsTo = await ports.receiptsSeen.reached(partition)
    await ports.endpoints.caughtUpAll()
    standing.set(partition, { watermark, receiptsTo })
    if (start.skipped > 0n) ports.skipped({ partition, records: Number(start.skipped) })
    return start
  }

  /** Where nothing is known, what is too old to be sent is left out. */
  async function beginAnew(partition: number): Promise<string> {
    const { topic } = log
    const next = await ports.reader.offsetAt({ topic, partition, timeMs: ports.now() - horizonMs })
    const watermark = watermarkAt({ ...log, next })
    if (await book.advance({ partition, from: null, to: watermark })) return watermark
    throw new Error('another process has just begun with this partition')
  }

  async function process({ partition, records }: Chunk): Promise<ChunkOutcome> {
    const at = standing.get(partition)
    const last = records.at(-1)
    if (at === undefined || last === undefined) return { kind: 'reattach', why: 'no watermark is known' }

    const until = last.offset + 1n
    const { bodies, alerts } = onceEach(await ports.alertsOf(records))
    let { watermark } = at
    if (alerts.length > 0) {
      const from = records[0]?.offset ?? last.offset
      const nowMs = ports.now()
      const { receiptsTo } = at
      const changedSinceMs = Math.min(...records.map(causedAtMs))
      const owed: OwedInBatch[] = []
      for (const [place, slice] of slices(inBatches(alerts), mostOwedAtOnce).entries()) {
        const owing = watermarkOwing({ ...log, next: from, until, slice: place })
        const names = new Set(slice.map(bodyName))
        const its = { bodies: bodies.filter((body) => names.has(bodyName(body))), alerts: slice }
        const said = await book.owe({
          partition,
          watermark,
          owing,
          receiptsTo,
          nowMs,
          changedSinceMs,
          ...its,
        })
        if (said === null) return fenced
        owed.push(...said)
        watermark = owing
        standing.set(partition, { ...at, watermark })
      }
      if (owed.length > 0) await addJobs(owed, { nowMs })
    }
    const next = watermarkAt({ ...log, next: until })
    if (!(await book.advance({ partition, from: watermark, to: next }))) return fenced
    standing.set(partition, { ...at, watermark: next })
    return { kind: 'done' }
  }

  /**
   * A batch is made by who has owed all of it. Of one that was owed before, and has no live job, each alert gets a job of its
   * own, like one that was lost.
   */
  async function addJobs(owed: readonly OwedInBatch[], { nowMs }: { nowMs: number }): Promise<void> {
    const isOld = ({ alert, batchId }: OwedInBatch) => batchId !== null && alert.owedSinceMs !== nowMs
    const old = owed.filter(isOld)
    const live = await liveBatches(
      old.map(({ batchId }) => batchId),
      queue,
    )
    const alerts = owed.map(({ alert }) => alert)
    const priorityOf = await rank(alerts, { nowMs })
    const fresh = owed.filter((of) => !isOld(of))
    await queue.addFirst(fresh, { priorityOf })
    const lost = old.filter(({ batchId }) => !live.has(batchId)).map(({ alert }) => alert)
    await queue.add(lost, { priorityOf, isRepair: true })
  }

  /**
   * An alert has as its priority how many were outstanding for its endpoint with it, so a long backlog of one endpoint
   * comes behind the short ones of others.
   */
  async function rank(owed: readonly OwedAlert[], { nowMs }: { nowMs: number }) {
    const fresh = owed.filter(({ owedSinceMs }) => owedSinceMs === nowMs)
    const added = Map.groupBy(fresh, ({ endpointId }) => endpointId)
    const raised = await book.raiseOutstanding(
      new Map([...added].map(([endpointId, its]) => [endpointId, its.length])),
    )
    const places = new Map(
      [...added].flatMap(([endpointId, its]) => {
        const before = (raised.get(endpointId) ?? its.length) - its.length
        return its.map(({ id }, index) => [id, before + index + 1] as const)
      }),
    )
    return ({ id }: OwedAlert) => places.get(id) ?? 1
  }

  /** Whether Redis is not as this process has left it. */
  async function isOvertaken(partition: number): Promise<boolean> {
    const at = standing.get(partition)
    return at !== undefined && (await book.watermark(partition)) !== at.watermark
  }

  return { attach, process, isOvertaken }
}

/** When what a record tells was caused, the same each time that it is told; 0 where it does not say. */
function causedAtMs({ headers }: ConsumedRecord): number {
  const atMs = Date.parse(headerText(headers, 'ce_time') ?? '')
  return Number.isNaN(atMs) ? 0 : atMs
}

const nameOf = (of: { subject: string; version: number }) => `${of.version}|${of.subject}`

const bodyName = (of: { variant: string; subject: string; version: number }) => `${of.variant}|${nameOf(of)}`

/** A record may stand in a chunk twice. */
function onceEach({ bodies, alerts }: AlertsOwed): AlertsOwed {
  return {
    bodies: [...new Map(bodies.map((body) => [bodyName(body), body])).values()],
    alerts: [...new Map(alerts.map((alert) => [`${alert.endpointId}|${nameOf(alert)}`, alert])).values()],
  }
}

/**
 * Names a batch for the alerts of a chunk that one endpoint gets. What is alone there has none. They stay in the order of
 * the changes, so that those that share a body are owed together and it is written once.
 */
function inBatches(alerts: AlertsOwed['alerts']): Parameters<AlertBook['owe']>[0]['alerts'] {
  const batchIds = new Map<AlertsOwed['alerts'][number], string>()
  for (const its of Map.groupBy(alerts, ({ endpointId }) => endpointId).values()) {
    for (const batch of slices(its, mostPerBatch)) {
      if (batch.length === 1) continue
      const batchId = batchIdOf(batch.map(obligationOf))
      for (const alert of batch) batchIds.set(alert, batchId)
    }
  }
  return alerts.map((alert) => ({ ...alert, batchId: batchIds.get(alert) ?? null }))
}

function slices<Item>(items: readonly Item[], size: number): (readonly Item[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  )
}

const fenced: ChunkOutcome = {
  kind: 'reattach',
  why: 'the watermark in the queue Redis has changed, or its markers are behind the receipts',
}
