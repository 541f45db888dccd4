import { z } from 'zod'

/** How far the view of a partition's endpoints has come, and in which log. */
export type EndpointsSeen = {
  clusterId: string
  topic: string
  partition: number
  /** The first offset that the view does not hold. */
  next: bigint
  /** Whether the view has once held all that the topic held; before, what it lacks may be still to come. */
  isWhole: boolean
}

const seenText = z.object({
  clusterId: z.string(),
  topic: z.string(),
  partition: z.int(),
  next: z
    .string()
    .regex(/^[0-9]+$/)
    .transform(BigInt),
  isWhole: z.boolean(),
})

/** The text is compared as a whole, so equal ones give equal texts. */
export function formatSeen({ clusterId, topic, partition, next, isWhole: whole }: EndpointsSeen): string {
  return JSON.stringify({ clusterId, topic, partition, next: String(next), isWhole: whole })
}

/** null: not a text of `formatSeen`. */
export function parseSeen(text: string): EndpointsSeen | null {
  try {
    return seenText.safeParse(JSON.parse(text)).data ?? null
  } catch {
    return null
  }
}

export function isWhole(text: string): boolean {
  return parseSeen(text)?.isWhole ?? false
}
