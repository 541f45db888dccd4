import kafkajs, { type LogEntry } from 'kafkajs'

/** Where this package reports to: fields, then the event's name. A pino logger is one. */
export type KafkaLog = {
  debug(fields: object, event: string): void
  info(fields: object, event: string): void
  warn(fields: object, event: string): void
  error(fields: object, event: string): void
}

/** For tools that report their outcome in another way. */
export const silentLog: KafkaLog = { debug() {}, info() {}, warn() {}, error() {} }

// What kafkajs reports as trouble although it belongs to normal life: coordinators and leaders that move or are
// just being made, rebalances, answers that come after the request was given up, topics that are already there.
const harmless = [
  /group coordinator is not available/i,
  /not the (correct )?coordinator/i,
  /group is rebalancing/i,
  /member needs a valid member id/i,
  /coordinator is loading/i,
  /not the leader for that/i,
  /leadership election/i,
  /response without match/i,
  /topic creation errors/i,
]

const allowedFields = [
  'broker',
  'clientId',
  'groupId',
  'memberId',
  'topic',
  'partition',
  'retryCount',
  'retryTime',
  'memberAssignment',
] as const

const repeatsQuietMs = 10_000
const maxRemembered = 200

const reporters = new WeakMap<KafkaLog, (entry: LogEntry) => void>()

/** One reporter per log, so that what several clients repeat passes once. */
export function reportTo(log: KafkaLog): (entry: LogEntry) => void {
  const report = reporters.get(log) ?? createReporter(log)
  reporters.set(log, report)
  return report
}

/**
 * Takes what kafkajs logs. It reports trouble as `error` that it then survives by itself, so its errors become
 * warnings (what cannot be survived is reported by the caller), its infos become debug lines, and what an
 * unreachable broker repeats several times a second passes once in ten seconds.
 */
function createReporter(log: KafkaLog): (entry: LogEntry) => void {
  const lastReported = new Map<string, number>()
  const repeated = (line: string) => {
    const now = Date.now()
    if (now - (lastReported.get(line) ?? 0) < repeatsQuietMs) return true
    if (lastReported.size >= maxRemembered) lastReported.clear()
    lastReported.set(line, now)
    return false
  }
  return (entry) => {
    const { message, error, ...extra } = entry.log
    const problem = error === undefined ? undefined : String(error)
    const fields = {
      part: entry.namespace,
      text: message,
      ...(problem === undefined ? {} : { problem }),
      ...Object.fromEntries(allowedFields.filter((name) => name in extra).map((name) => [name, extra[name]])),
    }
    const isHarmless = harmless.some((line) => line.test(message) || line.test(problem ?? ''))
    if (isHarmless || entry.level > kafkajs.logLevel.WARN) log.debug(fields, 'kafka.client')
    else if (!repeated(`${fields.part} ${message} ${problem}`)) log.warn(fields, 'kafka.client')
  }
}
