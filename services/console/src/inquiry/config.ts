import { flag, milliseconds } from '@signalbox/runtime/config'
import { StartProblem } from '@signalbox/runtime/start-problem'
import { z } from 'zod'
import { type InquiryLimits, standardLimits } from './due.ts'

const dayMs = 24 * 3_600_000

/** The environment variables of inquiries, to be spread into the console's schema. */
export const inquiryEnv = {
  INQUIRY: flag().describe(
    'true asks Alipay+ for states that are in doubt, for clients whose entry in CLIENTS_FILE has an inquiryUrl',
  ),
  CLIENTS_FILE: z
    .string()
    .optional()
    .describe(
      'JSON file with the clients, their keys and where to ask for their states; needed when INQUIRY is true',
    ),
  INQUIRIES_PER_MINUTE: z.coerce
    .number()
    .int()
    .min(1)
    .max(6_000)
    .default(60)
    .describe('most inquiries a minute about the registrations of one client'),
  UNANSWERED_AFTER_MS: milliseconds({ standard: dayMs, min: 60_000, max: 30 * dayMs }).describe(
    'how long a registration that a command opened may stay without any notification before it is asked for',
  ),
}

export type InquiryConfig = { clientsFile: string; perMinute: number; limits: InquiryLimits }

/** @returns null when inquiries are off @throws StartProblem when the clients file is not named */
export function inquiryConfig(given: z.output<z.ZodObject<typeof inquiryEnv>>): InquiryConfig | null {
  if (!given.INQUIRY) return null
  if (given.CLIENTS_FILE === undefined) {
    throw new StartProblem(
      'INQUIRY is true, but CLIENTS_FILE is missing: set it to the file with the clients and keys that the ingress reads.',
    )
  }
  return {
    clientsFile: given.CLIENTS_FILE,
    perMinute: given.INQUIRIES_PER_MINUTE,
    limits: { ...standardLimits, unansweredAfterMs: given.UNANSWERED_AFTER_MS },
  }
}
