import { z } from 'zod'

/** What the obvious implementation is told, as its one argument, in JSON. */
export const obviousSettings = z.object({
  brokers: z.array(z.string()),
  groupId: z.string(),
  topics: z.object({ raw: z.string(), changes: z.string(), state: z.string() }),
  redisUrl: z.string(),
  /** The hash that holds all registrations. */
  registrations: z.string(),
  /** Start of the keys that say what was seen. */
  seen: z.string(),
})

export type ObviousSettings = z.infer<typeof obviousSettings>
