import type { PartitionPosition } from '@signalbox/kafka/consumer'
import { foldVersion } from '@signalbox/registration/fold'
import {
  claimedFoldVersion,
  isRebuildMarker,
  parseWatermark,
  type Watermark,
} from '@signalbox/registration-store/watermark'

export type AttachDecision =
  | {
      kind: 'from'
      watermark: Watermark
      /** `behind`: Redis has lost a tail, so we go back. `ahead`: a worker died between view and commit. */
      because: 'equal' | 'behind' | 'ahead'
    }
  | {
      kind: 'rebuild'
      /**
       * `interrupted`: whoever was at it has left. `log_replaced`: the view is of a log that is not there any more.
       * `older_fold`: an earlier build wrote the view, and with ours in its place that build is fenced before our first
       * publication. `view_damaged`: something in it cannot be read.
       */
      because: 'first_run' | 'view_lost' | 'interrupted' | 'log_replaced' | 'older_fold' | 'view_damaged'
      /** What somebody has to look at, if anything. */
      alarm: string | null
    }
  /** No offset is right, for nobody; `problem` says why and what to do. */
  | { kind: 'hold'; problem: string }
  /** A later build is at work, and this one would contradict it. */
  | { kind: 'stop'; problem: string }

/** What a worker has found in the view that cannot be read, and whether the view was made anew just before. */
export type Damage = { problem: string; isAgain: boolean }

/** The position may be older than the watermark, so it has to be read again. */
export type AttachDoubt = { kind: 'doubt'; problem: string }

/**
 * Where to go on: behind the watermark of the view, whatever the group has committed.
 *
 * @param found the record at the watermark's offset; null when the log holds none there
 * @param doubted the watermark with which the last attempt ended in doubt
 * @param damage what was found under this watermark
 */
export function decideAttach({
  watermark: text,
  found,
  doubted,
  damage,
  clusterId,
  topic,
  position: { partition, committed, logStart, logEnd },
}: {
  watermark: string | null
  found: { notificationId: string | null } | null
  doubted: string | null
  damage: Damage | null
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

  const writtenBy = claimedFoldVersion(text)
  if (writtenBy > foldVersion) {
    const problem = `The view of ${here} is of fold version ${writtenBy}, and this build knows ${foldVersion}: run the later build.`
    return { kind: 'stop', problem }
  }
  const watermark = parseWatermark(text)
  if (watermark === null) {
    return hold(
      `The watermark of ${here} cannot be read: ${text.slice(0, 100)}. Run the build that wrote it, or have the view ` +
        'made anew: signalbox rebuild.',
    )
  }
  const where = `${watermark.topic}[${watermark.partition}] of cluster ${watermark.clusterId}`
  if (watermark.clusterId !== clusterId || watermark.topic !== topic || watermark.partition !== partition) {
    return hold(
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
    return hold(
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
  if (damage !== null) return afterDamage(damage, here)
  if (writtenBy < foldVersion) return { kind: 'rebuild', because: 'older_fold', alarm: null }
  if (committed === next) return { kind: 'from', watermark, because: 'equal' }
  return { kind: 'from', watermark, because: committed !== null && next < committed ? 'behind' : 'ahead' }
}

function isOther(found: { notificationId: string | null } | null, { notificationId }: Watermark): boolean {
  return found !== null && notificationId !== null && found.notificationId !== notificationId
}

function afterDamage({ problem, isAgain }: Damage, here: string): AttachDecision {
  if (!isAgain) return { kind: 'rebuild', because: 'view_damaged', alarm: `${here}: ${problem}` }
  return hold(
    `${here}: ${problem} It was just made anew, and that did not help. Look at its state topic and at the memory of ` +
      'Redis; it is made anew again in some minutes, or at once by signalbox rebuild.',
  )
}

function hold(problem: string): AttachDecision {
  return { kind: 'hold', problem }
}
