import { z } from 'zod'

/** The one argument of the sink, as JSON. */
export const sinkSettings = z.object({
  seed: z.number(),
  endpoints: z.array(
    z.object({ id: z.string(), manner: z.enum(['quick', 'slow', 'fails first', 'resets first']) }),
  ),
  /** Of all endpoints, base64. */
  secret: z.string(),
  /** Where calls are written down. */
  file: z.string(),
})

/** A call as the sink has it, times in epoch milliseconds. */
export const call = z.object({
  alertId: z.string(),
  endpointId: z.string(),
  arrivedMs: z.number(),
  answeredMs: z.number(),
  /** Null: the connection was reset. */
  status: z.number().nullable(),
  /** The sender had closed the connection before the answer. */
  isHungUp: z.boolean(),
  isVerified: z.boolean(),
  bodySha256: z.string(),
})

export type Call = z.infer<typeof call>
