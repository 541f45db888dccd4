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
})

/** The text is compared as a whole, so equal watermarks give equal texts. */
export function formatWatermark(watermark: Watermark): string {
  const { clusterId, topic, partition, notificationId, stateOffset } = watermark
  return JSON.stringify({
    clusterId,
    topic,
    partition,
    offset: String(watermark.offset),
    notificationId,
    stateOffset: stateOffset === null ? null : String(stateOffset),
  })
}

/** null: not a text of `formatWatermark`; a partition that is being rebuilt has none. */
export function parseWatermark(text: string): Watermark | null {
  try {
    return watermarkText.parse(JSON.parse(text))
  } catch {
    return null
  }
}

const markerStart = 'rebuilding:'

/** Stands in the place of a watermark while a partition is rebuilt. `id` is new for every rebuild. */
export function rebuildMarker(id: string): string {
  return `${markerStart}${id}`
}

/** Whether a partition that has this instead of a watermark is being rebuilt, or was when its worker ended. */
export function isRebuildMarker(text: string): boolean {
  return text.startsWith(markerStart)
}
