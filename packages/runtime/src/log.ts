import { type DestinationStream, type Logger, pino } from 'pino'

export type { Logger } from 'pino'

/**
 * A JSON-lines logger: the message is the event's name, everything else is a field. Lines go out
 * asynchronously, so that a slow terminal or pipe does not hold up a request, and are flushed at exit.
 */
export function createLogger(
  service: string,
  options: { level: string; destination?: DestinationStream },
): Logger {
  return pino(
    { base: { service }, level: options.level, timestamp: pino.stdTimeFunctions.isoTime },
    options.destination ?? pino.destination({ dest: 1, sync: false }),
  )
}
