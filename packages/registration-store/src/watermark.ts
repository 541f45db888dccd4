import assert from 'node:assert/strict'
import { z } from 'zod'

/** How far a partition's view has come, and in which log. */
export type Watermark = {
  clusterId: string
  topic: string
  partition: number
  /** The last raw offset that the view contains; -1: none. */
  offset: bigint
  /** Of the record at that offset; null where it has none, or is not known. */
  notificationId: string | null
  /** The first offset of the partition's state topic that the auditor has not looked at; null: not known. */
  stateOffset: bigint | null
  /** Of the build that wrote the view; 0: it did not say. A lower one must not go on from it. */
  foldVersion: number
}

const offset = z
  .string()
  .regex(/^(-1|[0-9]+)$/)
  .transform(BigInt)

const watermarkText = z.object({
  clusterId: z.string(),
  topic: z.string(),
  partition: z.int(),
  offset,
  notificationId: z.string().nullable(),
  stateOffset: offset.nullish().transform((known) => known ?? null),
  foldVersion: z.int().default(0),
})

/** The text is compared as a whole, so equal watermarks give equal texts. */
export function formatWatermark(watermark: Watermark): string {
  const { clusterId, topic, partition, notificationId, stateOffset, foldVersion } = watermark
  return JSON.stringify({
    clusterId,
    topic,
    partition,
    offset: String(watermark.offset),
    notificationId,
    stateOffset: stateOffset === null ? null : String(stateOffset),
    foldVersion,
  })
}

/** null: not a text of `formatWatermark`; a partition that is being rebuilt has none. */
export function parseWatermark(text: string): Watermark | null {
  return watermarkText.safeParse(parse(text)).data ?? null
}

const foldClaim = z.object({ foldVersion: z.int() })

/** Which fold wrote a watermark, also one whose other members only a later build can read; 0: it does not say. */
export function claimedFoldVersion(text: string): number {
  return foldClaim.safeParse(parse(text)).data?.foldVersion ?? 0
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return null
  }
}

const markerStart = 'rebuilding:'
const fromStart = `${markerStart}from-start:`

/**
 * Stands in the place of a watermark while a partition is rebuilt, and counts the steps. `id` is new for every rebuild;
 * `foldsFromStart`: what the group has committed is of another log, also for whoever has to begin anew.
 */
export function rebuildMarker(id: string, { foldsFromStart = false } = {}): string {
  return `${foldsFromStart ? fromStart : markerStart}${id}:0`
}

/** The marker after the next step. Were it to stay the same, a step that Redis has lost would not be missed. */
export function nextMarker(marker: string): string {
  const [, start, step] = /^(.*:)([0-9]+)$/s.exec(marker) ?? []
  assert(start !== undefined && step !== undefined, 'a marker counts its steps')
  return `${start}${Number(step) + 1}`
}

/** Whether a partition that has this instead of a watermark is being rebuilt, or was when its worker ended. */
export function isRebuildMarker(text: string): boolean {
  return text.startsWith(markerStart)
}

/** Whether the log has to be folded from its start behind the rebuild that this marks. */
export function isFromStart(marker: string): boolean {
  return marker.startsWith(fromStart)
}
