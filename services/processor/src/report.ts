import type { ChunkReport } from '@signalbox/kafka/consumer'
import type { Books } from '@signalbox/registration-store/registration-store'
import type { Watermark } from '@signalbox/registration-store/watermark'
import type { Logger } from '@signalbox/runtime/log'
import type { Metrics } from '@signalbox/runtime/metrics'
import type { FoldedApart, PartitionWorkerPorts } from './partition-worker.ts'

const rebuildLogEveryMs = 5_000

/** Says in metrics and log what the processor does. Both hold ids and positions, never what a message says. */
export function createReport({ log, metrics }: { log: Logger; metrics: Metrics }) {
  const processed = metrics.counter({
    name: 'notifications_processed_total',
    help:
      'Raw records by what became of them, as seen by this process: those of a chunk that was saved without an answer ' +
      'are missing. The books beside the watermark are exact. Redelivered ones were counted before',
    labels: ['outcome'],
  })
  const quarantined = metrics.counter({
    name: 'quarantined_total',
    help: 'Raw records that were set aside, by reason',
    labels: ['reason'],
  })
  const marked = metrics.counter({
    name: 'notifications_marked_total',
    help: 'Raw records with something odd that changes nothing about what they say, by what it is',
    labels: ['mark'],
  })
  const chunkDuration = metrics.histogram({
    name: 'chunk_duration_seconds',
    help: 'From loading the registrations that a chunk touches to having saved them',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  })
  const age = metrics.histogram({
    name: 'processed_record_age_seconds',
    help: 'Age of the oldest record of a chunk when the chunk was done',
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200],
  })
  const ofPartition = (name: string, help: string, label?: string) =>
    metrics.gauge({ name, help, labels: label === undefined ? ['partition'] : ['partition', label] })
  const lag = ofPartition(
    'partition_lag_records',
    'Records behind the last chunk of a partition that this process works on',
  )
  const position = ofPartition('partition_position', 'Last raw offset that the view of a partition contains')
  const counted = ofPartition(
    'partition_counted_records',
    'Raw records that the books of a partition span: as many as all its outcomes together',
  )
  const outcomes = ofPartition(
    'partition_outcomes',
    'Raw records in the books of a partition, by outcome',
    'outcome',
  )
  const auditedThrough = ofPartition(
    'partition_audited_through',
    'First offset of the state topic that was not looked at for records of others',
  )
  const auditedAt = ofPartition(
    'partition_audited_timestamp_seconds',
    'When the state topic of a partition was last looked at, as seconds since 1970',
  )
  const republished = metrics.counter({
    name: 'states_republished_total',
    help: 'State records that were published again because somebody else had put an older one behind them',
  })
  const rebuilds = metrics.counter({
    name: 'rebuilds_total',
    help: 'Partitions whose view was made anew, by why',
    labels: ['because'],
  })
  const rebuiltShare = ofPartition(
    'partition_rebuilt_ratio',
    'How much of its state topic a partition that is being rebuilt has read; absent when none is',
  )
  const unreadable = metrics.counter({
    name: 'state_records_unreadable_total',
    help: 'Records of the state topic that this build cannot read, as met in rebuilds and audits',
    labels: ['partition'],
  })
  const held = ofPartition(
    'partition_held',
    '1 for a partition of this process that is not read before somebody has done what the log says; else absent',
  )
  const alarms = metrics.counter({
    name: 'partition_alarms_total',
    help: 'Partitions found in a state that somebody has to look at: their log is another, or misses records',
    labels: ['kind'],
  })

  /** What is wrong with the partitions that are held. */
  const problems = new Map<number, string>()
  /** Rebuilds under way: how far they are, and when that was last logged. */
  const rebuilding = new Map<number, { share: number; startedMs: number; loggedMs: number }>()

  /** Asked again and again, and counted once. The consumer logs it. */
  function hold(partition: number, problem: string): void {
    rebuilding.delete(partition)
    rebuiltShare.reset()
    held.set({ partition: String(partition) }, 1)
    if (problems.get(partition) === problem) return
    problems.set(partition, problem)
    alarms.inc({ kind: 'held' })
  }

  return {
    attached({ partition, decision }) {
      if (decision.kind === 'hold') {
        hold(partition, decision.problem)
        return
      }
      // Partitions that went elsewhere would keep their last value; those that stay report again.
      for (const gauge of [lag, position, counted, outcomes, auditedThrough, auditedAt, held]) gauge.reset()
      problems.delete(partition)
      switch (decision.kind) {
        case 'stop':
          alarms.inc({ kind: 'stopped' })
          log.error({ partition, problem: decision.problem }, 'partition.stopped')
          return
        case 'rebuild': {
          const { because, alarm } = decision
          rebuilds.inc({ because })
          const now = performance.now()
          rebuilding.set(partition, { share: 0, startedMs: now, loggedMs: now })
          if (alarm !== null) {
            alarms.inc({ kind: because })
            log.error({ partition, because, problem: alarm }, 'partition.rebuild')
          } else if (because === 'first_run') log.info({ partition, because }, 'partition.rebuild')
          else log.warn({ partition, because }, 'partition.rebuild')
          return
        }
        case 'from': {
          const { because, watermark } = decision
          rebuilding.delete(partition)
          const fields = { partition, offset: String(watermark.offset + 1n), because }
          if (because === 'behind') log.warn(fields, 'partition.attached')
          else log.info(fields, 'partition.attached')
          return
        }
      }
    },

    rebuilding({ partition, registrations, read, total }) {
      const known = rebuilding.get(partition)
      if (known === undefined) return
      known.share = total === 0 ? 1 : read / total
      rebuiltShare.set({ partition: String(partition) }, known.share)
      const now = performance.now()
      if (now - known.loggedMs < rebuildLogEveryMs) return
      known.loggedMs = now
      log.info({ partition, registrations, read, total }, 'partition.rebuilding')
    },

    rebuilt({ partition, watermark, registrations }) {
      const { startedMs = performance.now() } = rebuilding.get(partition) ?? {}
      rebuilding.delete(partition)
      rebuiltShare.reset()
      const durationMs = Math.round(performance.now() - startedMs)
      const offset = String(watermark.offset + 1n)
      log.info({ partition, registrations, offset, durationMs }, 'partition.rebuilt')
    },

    unreadable({ partition, records, first }) {
      unreadable.inc({ partition: String(partition) }, records)
      const { key, offset } = first
      log.error({ partition, records, key, offset: String(offset) }, 'state.unreadable')
    },

    /** What the process is doing instead of reading, for its readiness; null: nothing. */
    underRebuild(): string | null {
      const [first] = rebuilding
      if (first === undefined) return null
      const [partition, { share }] = first
      const others = rebuilding.size === 1 ? '' : ` and ${rebuilding.size - 1} more wait`
      return `the view of partition ${partition} is made anew (${Math.floor(share * 100)} %)${others}`
    },

    left({ partition, lagRecords, ageMs }: ChunkReport): void {
      lag.set({ partition: String(partition) }, lagRecords)
      age.observe(ageMs / 1_000)
    },

    redelivered({ count }) {
      if (count > 0) processed.inc({ outcome: 'redelivered' }, count)
    },

    settled({ partition, folded, durationMs }) {
      for (const outcome of folded.outcomes) processed.inc({ outcome })
      for (const mark of folded.marks) marked.inc({ mark })
      for (const { offset, reason, where } of folded.problems) {
        quarantined.inc({ reason })
        log.warn({ partition, offset: String(offset), reason, where }, 'record.quarantined')
      }
      chunkDuration.observe(durationMs / 1_000)
      log.debug(settledFields({ partition, folded, durationMs }), 'chunk.processed')
    },

    audited({ partition, looked, published, through }) {
      if (looked === 0) return
      republished.inc({}, published)
      const fields = { partition, looked, published, through: String(through) }
      if (published > 0) log.warn(fields, 'state.republished')
      else log.debug(fields, 'state.audited')
    },

    /** The balance of a partition, as it stands beside its watermark. */
    balance({
      partition,
      watermark,
      books,
    }: {
      partition: number
      watermark: Watermark
      books: Books | null
    }): void {
      const at = { partition: String(partition) }
      position.set(at, Number(watermark.offset))
      auditedThrough.set(at, Number(watermark.stateOffset ?? 0n))
      auditedAt.set(at, Date.now() / 1_000)
      if (books === null) return
      counted.set(at, Number(BigInt(books.countedThrough) - BigInt(books.countedFrom)) + 1)
      for (const [outcome, count] of Object.entries(books.counts)) outcomes.set({ ...at, outcome }, count)
    },
  } satisfies PartitionWorkerPorts['report'] & Record<string, unknown>
}

function settledFields(of: { partition: number; folded: FoldedApart; durationMs: number }) {
  const { partition, folded, durationMs } = of
  return {
    partition,
    through: String(folded.watermark.offset),
    records: folded.outcomes.length,
    counts: folded.counted?.counts,
    ...folded.made,
    quarantined: folded.problems.length,
    registrations: folded.registrations.length,
    removed: folded.removed.length,
    durationMs: Math.round(durationMs),
  }
}
