import { z } from 'zod'

/** What one generator process is to do. */
export const loadPlan = z.object({
  port: z.number(),
  requestsFile: z.string(),
  /** The first request to send; they are taken in turn from there, and from the start again after the last. */
  firstRequest: z.number().default(0),
  pace: z.discriminatedUnion('kind', [
    /** Every connection sends its next request when it has its answer. */
    z.object({ kind: z.literal('closed'), connections: z.number() }),
    /**
     * Requests fall due at a rate, whatever the answers do; latency counts from then. `connections` is the most that
     * are opened; what finds none free waits for one.
     */
    z.object({
      kind: z.literal('open'),
      /** One rate, or the rates that follow each other, each with the time it begins at, the first at 0. */
      perSecond: z.union([
        z.number(),
        z.array(z.object({ fromMs: z.number(), perSecond: z.number() })).nonempty(),
      ]),
      connections: z.number(),
    }),
  ]),
  durationMs: z.number(),
  /** How long answers are waited for after that. */
  patienceMs: z.number().default(6_000),
  /** The public PEM under which every answer must verify; null: answers are not verified. */
  answerKey: z.string().nullable().default(null),
  /** The uri under the answers' signatures. */
  uri: z.string().default('/'),
  /** Answers that need not be the envelope, as those of a bare echo server. */
  plainAnswers: z.boolean().default(false),
})

export type LoadPlan = z.input<typeof loadPlan>

/**
 * What became of one request. `unsent`: no connection was free for it before the rate changed to the next one, so
 * that one step of a load does not run into the next.
 */
export const outcomes = [
  'unanswered',
  'S',
  'F',
  'U',
  'malformed',
  'badly signed',
  'broken off',
  'unsent',
] as const
export type Outcome = (typeof outcomes)[number]

const typed = z.custom<Float64Array>((value) => value instanceof Float64Array)

/** What the generator saw, one element per request that fell due, in that order. */
export const loadRecord = z.object({
  startedAt: z.number(),
  durationMs: z.number(),
  cpuMs: z.number(),
  connectionsOpened: z.number(),
  /** Index into {@link outcomes}. */
  outcome: z.custom<Uint8Array>((value) => value instanceof Uint8Array),
  /** When it fell due (open) or was sent (closed), and when its answer was complete; ms after the start. */
  dueMs: typed,
  answeredMs: typed,
  /** When it was handed to a connection, which may have had to be opened first; NaN: never. */
  sentMs: typed,
})

export type LoadRecord = z.infer<typeof loadRecord>
