import { z } from 'zod'

const common = {
  /** Where webhooks go: `<url>/<endpoint>`. */
  url: z.string(),
  /** Base64. */
  secret: z.string(),
  concurrency: z.number(),
}

/** What each of the other implementations is told, as its one argument, in JSON. */
export const bareSettings = z.object({
  ...common,
  alerts: z.number(),
  merchants: z.array(z.string()),
  body: z.string(),
})

export const bullmqSettings = bareSettings.extend({ redisUrl: z.string(), queue: z.string() })

export const obviousSettings = z.object({
  ...common,
  redisUrl: z.string(),
  queue: z.string(),
  brokers: z.array(z.string()),
  groupId: z.string(),
  topic: z.string(),
  /** Each has one endpoint, named like it. */
  merchants: z.array(z.string()),
})

export type BareSettings = z.infer<typeof bareSettings>
export type BullmqSettings = z.infer<typeof bullmqSettings>
export type ObviousSettings = z.infer<typeof obviousSettings>

/** A job that holds all that is to be sent. */
export type WebhookJob = { id: string; endpoint: string; body: string }

const hourSeconds = 60 * 60

/** Settings of a worker that both queues share with the product: completed jobs go by age. */
export const workerSettings = {
  lockDuration: 30_000,
  stalledInterval: 15_000,
  drainDelay: 2,
  removeOnComplete: { age: 2 * hourSeconds },
  removeOnFail: { age: 7 * 24 * hourSeconds },
}
