import { z } from 'zod'

/** What the obvious implementation is told, as its one argument, in JSON. */
export const obviousSettings = z.object({
  brokers: z.array(z.string()),
  topic: z.string(),
  clientId: z.string(),
  uri: z.string(),
  keyVersion: z.string(),
  /** PEM. */
  alipayPublicKey: z.string(),
  ownPrivateKeyFile: z.string(),
})

export type ObviousSettings = z.infer<typeof obviousSettings>
