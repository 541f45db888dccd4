import { z } from 'zod'

/** The file that API_TOKENS_FILE names: who may ask the console, and about whom. */
export const apiTokensFile = z.strictObject({
  tokens: z.array(
    z.strictObject({
      /** Lower-case hex SHA-256 of the token; the token itself is in no file of ours. */
      sha256: z.string().regex(/^[0-9a-f]{64}$/, 'the lower-case hex SHA-256 of the token'),
      /** Who holds it, for the log and the commands that it gives; not given: the first digits of the SHA-256. */
      name: z.string().min(1).max(64).optional(),
      role: z.enum(['viewer', 'operator', 'admin']),
      /** Client ids that the bearer may see, or `*` for all. */
      clients: z.union([z.literal('*'), z.array(z.string().min(1))]),
    }),
  ),
})

export type ApiTokensFile = z.infer<typeof apiTokensFile>
