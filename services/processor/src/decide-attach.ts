import type { PartitionPosition } from '@signalbox/kafka/consumer'
import { parseWatermark } from './watermark.ts'

export type AttachDecision =
  | {
      kind: 'from'
      offset: bigint
      /**
       * `behind`: Redis has lost a tail, so we go back. `ahead`: a worker died between view and commit. `view_lost`:
       * everything is folded again, and as the fold is a function of the log, the same versions come out.
       */
      because: 'equal' | 'behind' | 'ahead' | 'first_run' | 'view_lost'
    }
  /** No offset is right; `problem` says why and what to do. */
  | { kind: 'stop'; problem: string }

/** The position may be older than the watermark, so it has to be read again. */
export type AttachDoubt = { kind: 'doubt'; problem: string }

/**
 * Where to go on: behind the watermark of the view, whatever the group has committed.
 *
 * @param doubted the watermark with which the last attempt ended in doubt
 */
export function decideAttach({
  watermark: text,
  doubted,
  clusterId,
  topic,
  position: { partition, committed, logStart, logEnd },
}: {
  watermark: string | null
  doubted: string | null
  clusterId: string
  topic: string
  position: PartitionPosition
}): AttachDecision | AttachDoubt {
  const here = `${topic}[${partition}]`
  if (text === null) {
    if (logStart > 0n) {
      return stop(
        `The view of ${here} is empty, but the log before offset ${logStart} has been deleted, so folding it again would ` +
          'forget what stood there. The view has to be made from registration.state.v1: signalbox rebuild.',
      )
    }
    const isFirstRun = committed === null || committed === 0n
    return { kind: 'from', offset: logStart, because: isFirstRun ? 'first_run' : 'view_lost' }
  }

  const watermark = parseWatermark(text)
  if (watermark === null) {
    return stop(
      `The watermark of ${here} is not one of this build: ${text.slice(0, 100)}. Is a later build at work?`,
    )
  }
  const where = `${watermark.topic}[${watermark.partition}] of cluster ${watermark.clusterId}`
  if (watermark.clusterId !== clusterId || watermark.topic !== topic || watermark.partition !== partition) {
    return stop(
      `The view was built from ${where}, and this is ${here} of cluster ${clusterId}. Correct KAFKA_BROKERS, REDIS_URL ` +
        'or REDIS_KEY_PREFIX; if the cluster was replaced, the view has to be made anew: signalbox rebuild.',
    )
  }
  const next = watermark.offset + 1n
  if (next > logEnd) {
    const problem =
      `The view of ${here} has come to offset ${watermark.offset}, but the log ends before ${logEnd}: the topic was made ` +
      'anew or has lost its end. The view has to be made anew: signalbox rebuild.'
    // The end was read first: another worker may have saved records that were appended between the two readings.
    return text === doubted ? stop(problem) : { kind: 'doubt', problem }
  }
  if (next < logStart) {
    return stop(
      `The view of ${here} has come to offset ${watermark.offset}, but the log before ${logStart} has been deleted: ` +
        `${logStart - next} notifications were never read. Restore them, or accept the loss: signalbox rebuild.`,
    )
  }
  if (committed === next) return { kind: 'from', offset: next, because: 'equal' }
  return { kind: 'from', offset: next, because: committed !== null && next < committed ? 'behind' : 'ahead' }
}

function stop(problem: string): AttachDecision {
  return { kind: 'stop', problem }
}
