import type { ChunkReport } from '@signalbox/kafka/consumer'
import type { Logger } from '@signalbox/runtime/log'
import type { Metrics } from '@signalbox/runtime/metrics'
import type { AttachDecision } from './decide-attach.ts'
import type { FoldedChunk } from './fold-chunk.ts'

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
  const lag = metrics.gauge({
    name: 'partition_lag_records',
    help: 'Records behind the last chunk of a partition that this process works on',
    labels: ['partition'],
  })

  return {
    attached({ partition, decision }: { partition: number; decision: AttachDecision }): void {
      // Partitions that went elsewhere would keep their last value; those that stay report again.
      lag.reset()
      if (decision.kind === 'stop') {
        log.error({ partition, problem: decision.problem }, 'partition.stopped')
        return
      }
      const fields = { partition, offset: String(decision.offset), because: decision.because }
      const isRewound = decision.because === 'behind' || decision.because === 'view_lost'
      if (isRewound) log.warn(fields, 'partition.attached')
      else log.info(fields, 'partition.attached')
    },

    left({ partition, lagRecords, ageMs }: ChunkReport): void {
      lag.set({ partition: String(partition) }, lagRecords)
      age.observe(ageMs / 1_000)
    },

    redelivered({ count }: { count: number }): void {
      if (count > 0) processed.inc({ outcome: 'redelivered' }, count)
    },

    settled(chunk: { partition: number; folded: FoldedChunk; durationMs: number }): void {
      const { partition, folded, durationMs } = chunk
      for (const outcome of folded.outcomes) processed.inc({ outcome })
      for (const mark of folded.marks) marked.inc({ mark })
      for (const { offset, reason, where } of folded.problems) {
        quarantined.inc({ reason })
        log.warn({ partition, offset: String(offset), reason, where }, 'record.quarantined')
      }
      chunkDuration.observe(durationMs / 1_000)
      log.debug(
        {
          partition,
          through: String(folded.watermark.offset),
          records: folded.outcomes.length,
          counts: folded.counted?.counts,
          changes: folded.changes.length,
          states: folded.states.length,
          quarantined: folded.quarantined.length,
          registrations: folded.registrations.length,
          durationMs: Math.round(durationMs),
        },
        'chunk.processed',
      )
    },
  }
}
