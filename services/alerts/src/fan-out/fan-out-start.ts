import type { PartitionPosition } from '@signalbox/kafka/consumer'

/** The log that a fan-out, or the tail of the receipts, reads. */
export type ReadLog = { clusterId: string; topic: string }

export type FanOutStart =
  /** `skipped` records were taken by retention before they had been seen. */
  | { kind: 'from'; offset: bigint; skipped: bigint }
  | { kind: 'stop'; problem: string }
  /** The position may be older than the watermark, so it has to be read again. */
  | { kind: 'doubt'; problem: string }

const hourMs = 60 * 60 * 1000

/**
 * How far back a fan-out goes that has no watermark: what was changed before is too old to be sent. Alerts live for
 * 26 h, the rest is for a fan-out that lags.
 */
export const horizonMs = 72 * hourMs

/** The receipts of all that a fan-out may owe again, also when its clock is a day behind. */
export const receiptsHorizonMs = horizonMs + 28 * hourMs

/** The watermark of a partition: which log it is about and the offset that comes next. */
export function watermarkAt({ clusterId, topic, next }: ReadLog & { next: bigint }): string {
  return `${clusterId} ${topic} ${next}`
}

/**
 * The same while alerts of the records before `until` are owed and their jobs are not all there. They are owed in slices,
 * each with a watermark of its own: a Redis that forgets the last slice does not have its watermark.
 */
export function watermarkOwing({
  until,
  slice,
  ...at
}: ReadLog & { next: bigint; until: bigint; slice: number }): string {
  return `${watermarkAt(at)} owing ${until} ${slice}`
}

/**
 * Where a partition goes on: at its own watermark, never at the group's offset, which may be ahead of what Redis
 * still holds.
 *
 * @param doubted the watermark with which the last attempt ended in doubt
 */
export function fanOutStart(
  watermark: string,
  { position, log, doubted }: { position: PartitionPosition; log: ReadLog; doubted: string | null },
): FanOutStart {
  const { partition, logStart, logEnd } = position
  const next = nextOf(watermark, log)
  if (next === null) {
    return {
      kind: 'stop',
      problem:
        `its watermark in the queue Redis is about another log (${watermark}) than ${log.clusterId} ${log.topic}. ` +
        'Correct KAFKA_BROKERS, QUEUE_REDIS_URL or REDIS_KEY_PREFIX; after a new start of Kafka give another prefix.',
    }
  }
  if (next > logEnd) {
    const problem =
      `its watermark in the queue Redis has come to offset ${next}, but partition ${partition} of ${log.topic} ends ` +
      `at ${logEnd}: the topic was made anew or has lost its end. Start with another REDIS_KEY_PREFIX to alert what ` +
      'the log holds now.'
    // The end was read first: another process may have gone on meanwhile.
    return { kind: watermark === doubted ? 'stop' : 'doubt', problem }
  }
  // What retention has taken was too old to be sent.
  if (next < logStart) return { kind: 'from', offset: logStart, skipped: logStart - next }
  return { kind: 'from', offset: next, skipped: 0n }
}

/** The offset that comes next; null when the watermark is about another log. */
export function nextOf(watermark: string, { clusterId, topic }: ReadLog): bigint | null {
  const [cluster, name, next = ''] = watermark.split(' ')
  return cluster === clusterId && name === topic && /^\d+$/.test(next) ? BigInt(next) : null
}
