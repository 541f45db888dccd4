import { type DestinationStream, type Logger, pino } from 'pino'

export type { Logger } from 'pino'

/** Lines beyond are dropped while nobody reads the log: a full pipe must not fill the memory. */
const maxBufferedBytes = 16 * 1024 * 1024

/**
 * A JSON-lines logger: the message is the event's name, everything else is a field. Lines go out
 * asynchronously, so that a slow terminal or pipe does not hold up a request, and are flushed at exit.
 */
export function createLogger(
  service: string,
  options: { level: string; destination?: DestinationStream },
): Logger {
  return pino(
    {
      base: { service },
      level: options.level,
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: (error: unknown) => describeError(error) },
    },
    options.destination ?? pino.destination({ dest: 1, sync: false, maxLength: maxBufferedBytes }),
  )
}

type DescribedError = { type: string; message: string; code?: string; stack?: string; cause?: DescribedError }

/**
 * What may be logged of an error. Libraries hang what they worked on onto their errors (ioredis the command with all
 * its arguments, which here are merchants' data), so only these members go out.
 */
function describeError(error: unknown, depth = 0): DescribedError {
  if (!(error instanceof Error)) return { type: typeof error, message: 'not an Error' }
  return {
    type: error.name,
    message: error.message,
    ...('code' in error && typeof error.code === 'string' ? { code: error.code } : {}),
    ...(error.stack === undefined ? {} : { stack: error.stack }),
    ...(error.cause === undefined || depth >= maxCauses
      ? {}
      : { cause: describeError(error.cause, depth + 1) }),
  }
}

const maxCauses = 5
