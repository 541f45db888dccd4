import { z } from 'zod'

const at = z.number()

/** What became of an alert, and when (epoch milliseconds). */
const outcome = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('delivered'), at }),
  z.object({
    kind: z.literal('given_up'),
    reason: z.enum([
      'refused',
      'attempts_used_up',
      'expired',
      'endpoint_gone',
      'endpoint_disabled',
      'superseded',
    ]),
    at,
  }),
])

export type Outcome = z.infer<typeof outcome>

/** How far the delivery of an alert has come. With an outcome, nothing is sent any more. Times are epoch milliseconds. */
export const progress = z.object({
  /** Calls that were made. */
  attempts: z.number().int().nonnegative(),
  firstAttemptAt: z.number().nullable(),
  lastAttemptAt: z.number().nullable(),
  lastStatus: z.number().int().nullable(),
  lastError: z.string().nullable(),
  /** When the next call may be made; null for at once. */
  dueAtMs: z.number().nullable(),
  outcome: outcome.nullable(),
})

export type Progress = z.infer<typeof progress>

export const nothingTried: Progress = {
  attempts: 0,
  firstAttemptAt: null,
  lastAttemptAt: null,
  lastStatus: null,
  lastError: null,
  dueAtMs: null,
  outcome: null,
}
