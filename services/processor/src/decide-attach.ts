import type { PartitionPosition } from '@signalbox/kafka/consumer'
import { isRebuildMarker, parseWatermark, type Watermark } from '@signalbox/registration-store/watermark'

export type AttachDecision =
  | {
      kind: 'from'
      watermark: Watermark
      /** `behind`: Redis has lost a tail, so we go back. `ahead`: a worker died between view and commit. */
      because: 'equal' | 'behind' | 'ahead'
    }
  | {
      kind: 'rebuild'
      /** `interrupted`: whoever was at it has left. `log_replaced`: the view is of a log that is not there any more. */
      because: 'first_run' | 'view_lost' | 'interrupted' | 'log_replaced'
      /** What somebody has to look at, if anything. */
      alarm: string | null
    }
  /** No offset is right; `problem` says why and what to do. */
  | { kind: 'stop'; problem: string }

/** The position may be older than the watermark, so it has to be read again. */
export type AttachDoubt = { kind: 'doubt'; problem: string }

/**
 * Where to go on: behind the watermark of the view, whatever the group has committed.
 *
 * @param found the record at the watermark's offset; null when the log holds none there
 * @param doubted the watermark with which the last attempt ended in doubt
 */
export function decideAttach({
  watermark: text,
  found,
  doubted,
  clusterId,
  topic,
  position: { partition, committed, logStart, logEnd },
}: {
  watermark: string | null
  found: { notificationId: string | null } | null
  doubted: string | null
  clusterId: string
  topic: string
  position: PartitionPosition
}): AttachDecision | AttachDoubt {
  const here = `${topic}[${partition}]`
  if (text === null) {
    const isFirstRun = committed === null || committed === 0n
    return { kind: 'rebuild', because: isFirstRun ? 'first_run' : 'view_lost', alarm: null }
  }
  if (isRebuildMarker(text)) return { kind: 'rebuild', because: 'interrupted', alarm: null }

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
      `The view of ${here} has come to offset ${watermark.offset}, but the log ends before ${logEnd}: the topic was ` +
      'made anew or has lost its end. What was in it is gone; the view is made anew from what is left.'
    // The end was read first: another worker may have saved records that were appended between the two readings.
    if (text !== doubted) return { kind: 'doubt', problem }
    return { kind: 'rebuild', because: 'log_replaced', alarm: problem }
  }
  if (next < logStart) {
    return stop(
      `The view of ${here} has come to offset ${watermark.offset}, but the log before ${logStart} has been deleted: ` +
        `${logStart - next} records were never read. Restore them, or accept the loss: signalbox rebuild.`,
    )
  }
  if (isOther(found, watermark)) {
    return {
      kind: 'rebuild',
      because: 'log_replaced',
      alarm:
        `The view of ${here} has come to ${watermark.notificationId} at offset ${watermark.offset}, but the log holds ` +
        `${found?.notificationId} there: the topic was made anew or has lost its end. The view is made anew.`,
    }
  }
  if (committed === next) return { kind: 'from', watermark, because: 'equal' }
  return { kind: 'from', watermark, because: committed !== null && next < committed ? 'behind' : 'ahead' }
}

function isOther(found: { notificationId: string | null } | null, { notificationId }: Watermark): boolean {
  return found !== null && notificationId !== null && found.notificationId !== notificationId
}

function stop(problem: string): AttachDecision {
  return { kind: 'stop', problem }
}
