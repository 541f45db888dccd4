import { type RegistrationRef, registrationKey } from '@signalbox/contracts/keys'
import type {
  Attached,
  Chunk,
  ChunkOutcome,
  ConsumedRecord,
  PartitionPosition,
} from '@signalbox/kafka/consumer'
import type { AlertBook } from '../adapters/alert-book.ts'
import type { AlertQueue } from '../adapters/alert-queue.ts'
import { alertBodyOf } from './alert-body.ts'
import { fanOutStart, type ReadLog, watermarkAt, watermarkOwing } from './fan-out-start.ts'
import { owedAlert } from '../owed-alert.ts'
import { readChange } from './read-change.ts'

export type FanOutPorts = {
  book: Pick<AlertBook, 'watermark' | 'settledAmong' | 'owe' | 'advance'>
  queue: Pick<AlertQueue, 'add'>
  endpoints: {
    of(merchant: Pick<RegistrationRef, 'clientId' | 'referenceMerchantId'>): readonly { id: string }[]
  }
  report: FanOutReport
}

export type FanOutReport = {
  /** A record was looked at. `nobody`: it has something to tell, but no endpoint listens. */
  looked(outcome: 'alerted' | 'nothing' | 'nobody' | 'unreadable'): void
  unreadable(at: { partition: number; offset: string; problem: string }): void
  skipped(gap: { partition: number; records: number }): void
}

type TellingChange = {
  registrationKey: string
  version: number
  body: string
  endpointIds: readonly string[]
}

/**
 * Creates what turns changes into obligations and jobs, for a partition consumer. Order: obligations, jobs, watermark,
 * the group's offset. Cut anywhere, the same alerts come again under the same ids. With the obligations the watermark
 * says that jobs are on their way, so a Redis that forgets the one forgets the other.
 */
export function createFanOut(ports: FanOutPorts, log: ReadLog) {
  const { book, queue } = ports
  /** What each partition's watermark was left at, null for none. */
  const watermarks = new Map<number, string | null>()
  /** Watermarks that lay beyond the end of the log as it was known when a partition was to be attached. */
  const doubted = new Map<number, string | null>()

  /** Decides where a partition goes on. @throws when Redis does not answer, or the position has to be read again */
  async function attach(position: PartitionPosition): Promise<Attached> {
    const { partition } = position
    const watermark = await book.watermark(partition)
    const start = fanOutStart(watermark, { position, log, doubted: doubted.get(partition) ?? null })
    if (start.kind === 'doubt') {
      doubted.set(partition, watermark)
      throw new Error(start.problem)
    }
    doubted.delete(partition)
    watermarks.set(partition, watermark)
    if (start.kind === 'from' && start.skipped > 0n) {
      ports.report.skipped({ partition, records: Number(start.skipped) })
    }
    return start
  }

  async function process({ partition, records }: Chunk): Promise<ChunkOutcome> {
    const watermark = watermarks.get(partition)
    const last = records.at(-1)
    if (watermark === undefined || last === undefined)
      return { kind: 'reattach', why: 'no watermark is known' }

    const next = watermarkAt({ ...log, next: last.offset + 1n })
    const open = await openAlerts(partition, records)
    let standing = watermark
    if (open.alerts.length > 0) {
      const owing = watermarkOwing({
        ...log,
        next: records[0]?.offset ?? last.offset,
        until: last.offset + 1n,
      })
      const owed = await book.owe({ partition, watermark, owing, nowMs: Date.now(), ...open })
      if (owed === null) return fenced
      watermarks.set(partition, owing)
      await queue.add(owed)
      standing = owing
    }
    if (!(await book.advance({ partition, from: standing, to: next }))) return fenced
    watermarks.set(partition, next)
    return { kind: 'done' }
  }

  /** What the records owe and is not settled yet. */
  async function openAlerts(partition: number, records: readonly ConsumedRecord[]) {
    const changes = records.flatMap(tellingChange)
    const alerts = new Map(
      changes.flatMap(({ registrationKey, version, endpointIds }) =>
        endpointIds.map((endpointId) => {
          const alert = { registrationKey, version, endpointId }
          return [owedAlert({ ...alert, partition, owedSinceMs: 0 }).id, alert]
        }),
      ),
    )
    const settled = await book.settledAmong([...alerts.keys()])
    return {
      bodies: changes,
      alerts: [...alerts].filter(([id]) => !settled.has(id)).map(([, alert]) => alert),
    }
  }

  /** What a record has to tell, if anybody is to be told. */
  function tellingChange(record: ConsumedRecord): TellingChange[] {
    const read = readChange(record)
    if (read.kind === 'unreadable') {
      // The topic is ours and typed, so this is a bug to be told of; others' alerts do not wait for it.
      const { partition, offset } = record
      ports.report.looked('unreadable')
      ports.report.unreadable({ partition, offset: String(offset), problem: read.problem })
      return []
    }
    const { change, causedAt } = read
    const body = alertBodyOf(change, { causedAt })
    const endpointIds = ports.endpoints.of(change.registration).map(({ id }) => id)
    ports.report.looked(body === null ? 'nothing' : endpointIds.length === 0 ? 'nobody' : 'alerted')
    if (body === null || endpointIds.length === 0) return []
    return [
      { registrationKey: registrationKey(change.registration), version: change.version, body, endpointIds },
    ]
  }

  return { attach, process }
}

const fenced: ChunkOutcome = { kind: 'reattach', why: 'the watermark in the queue Redis has changed' }
