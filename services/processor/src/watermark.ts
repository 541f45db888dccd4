import { z } from 'zod'

/** How far a partition's view has come, and in which log. */
export type Watermark = {
  clusterId: string
  topic: string
  partition: number
  /** The last raw offset that the view contains. */
  offset: bigint
  /** Of the notification at that offset; null where its headers could not be read. */
  notificationId: string | null
}

const watermarkText = z.object({
  clusterId: z.string(),
  topic: z.string(),
  partition: z.int(),
  offset: z
    .string()
    .regex(/^[0-9]+$/)
    .transform(BigInt),
  notificationId: z.string().nullable(),
})

/** The text is compared as a whole, so equal watermarks give equal texts. */
export function formatWatermark({ clusterId, topic, partition, offset, notificationId }: Watermark): string {
  return JSON.stringify({ clusterId, topic, partition, offset: String(offset), notificationId })
}

/** null: not a text of `formatWatermark`. */
export function parseWatermark(text: string): Watermark | null {
  try {
    return watermarkText.parse(JSON.parse(text))
  } catch {
    return null
  }
}
