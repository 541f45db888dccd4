import { distance } from 'fastest-levenshtein'
import { z } from 'zod'
import { StartProblem } from './start-problem.ts'

/** Environment variables by name, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * Parses the environment of one service with its one schema. Empty variables count as not set.
 *
 * @throws StartProblem naming every variable that is missing, wrong or probably misspelled, and what is wrong
 * with it. Values are never shown: they may be secrets.
 */
export function parseEnvironment<S extends z.ZodObject>(
  service: string,
  schema: S,
  env: Environment,
): z.output<S> {
  const known = Object.keys(schema.shape)
  const given = Object.fromEntries(
    known.flatMap((name) => (env[name] === undefined || env[name] === '' ? [] : [[name, env[name]]])),
  )
  const parsed = schema.safeParse(given)
  const problems = [
    ...misspellings(known, Object.keys(env)),
    ...(parsed.success ? [] : parsed.error.issues.map((issue) => problemOf(schema, given, issue))),
  ]
  if (!parsed.success || problems.length > 0) {
    throw new StartProblem(
      `${service} cannot start, its configuration is wrong:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
    )
  }
  return parsed.data
}

function misspellings(known: readonly string[], present: readonly string[]): string[] {
  return present.flatMap((name) => {
    if (known.includes(name)) return []
    const meant = known.find((candidate) => distance(name, candidate) <= maxEdits(candidate))
    return meant === undefined ? [] : [`${name} is not a variable of this service: did you mean ${meant}?`]
  })
}

/**
 * So many edits away from a variable we read, a name is more likely a slip than another program's variable. Short
 * names have neighbours of their own: APP_PORT is two edits from OPS_PORT.
 */
function maxEdits(variable: string): number {
  return variable.length >= 10 ? 2 : 1
}

function problemOf(schema: z.ZodObject, given: Record<string, unknown>, issue: z.core.$ZodIssue): string {
  const name = String(issue.path[0] ?? '')
  const field: unknown = schema.shape[name]
  const meaning = field instanceof z.ZodType ? field.description : undefined
  const expected = meaning === undefined ? '' : ` It is: ${meaning}.`
  return name in given
    ? `${name} is set to something that does not fit: ${issue.message}.${expected}`
    : `${name} is missing: set it.${expected}`
}

/** The variables that every process reads. `opsPort` is the service's default for OPS_PORT. */
export const runtimeEnv = (defaults: { opsPort: number }) => ({
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'silent'])
    .default('info')
    .describe('least level that is logged: fatal, error, warn, info, debug or silent'),
  LISTEN_HOST: z.string().default('0.0.0.0').describe('address that the servers of this process listen on'),
  OPS_PORT: port(defaults.opsPort).describe('port of /livez, /readyz and /metrics; 0 takes a free one'),
})

/** A TCP port variable; 0 takes a free port, which the log then names. */
export const port = (standard: number) => z.coerce.number().int().min(0).max(65_535).default(standard)

/** A whole number of milliseconds within limits. */
export const milliseconds = (limits: { standard: number; min: number; max: number }) =>
  z.coerce.number().int().min(limits.min).max(limits.max).default(limits.standard)

/** A switch that is off unless it says `true`. */
export const flag = () =>
  z
    .enum(['true', 'false'])
    .default('false')
    .transform((value) => value === 'true')
