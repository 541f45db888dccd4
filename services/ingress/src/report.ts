import { type ResultCode, resultStatus } from '@signalbox/alipay/result'
import type { Logger } from '@signalbox/runtime/log'
import type { Metrics } from '@signalbox/runtime/metrics'
import type { UnparsableCause } from './http/unparsable.ts'
import { createLogSampler, type LogSampler } from '@signalbox/runtime/log-sampler'
import type { Gate } from './overload/gate.ts'

/** What is told about one answered request: ids and figures, nothing that the sender wrote. */
export type Answered = {
  code: ResultCode
  reason?: string
  /** Only of a known client on a path of its own. */
  clientId?: string | undefined
  notificationId?: string
  partition?: number
  bytes: number
  durationMs: number
  /** Where it came from, as far as the proxies in front can be believed; asked for refusals alone. */
  remoteAddress: () => string
}

export type Report = ReturnType<typeof createReport>

/** Lines of successes in a second that are all written; beyond, one in so many. */
const successLines = { fullPerSecond: 100, thenOneIn: 100 }
/**
 * Refusals before the signature was checked are written up to this rate, of strangers and of each client by itself;
 * beyond it a count stands for them. What is known to be signed is always written.
 */
const uncheckedLines = { fullPerSecond: 100, thenOneIn: Number.POSITIVE_INFINITY }

/** One wide log line and a few figures per answered request. */
export function createReport({
  log,
  metrics,
  gate,
  now,
}: {
  log: Logger
  metrics: Metrics
  gate: Pick<Gate, 'figures'>
  now: () => number
}) {
  const answered = metrics.counter({
    name: 'notifications_answered_total',
    help: 'Requests answered, by result code.',
    labels: ['code'],
  })
  const refused = metrics.counter({
    name: 'notifications_refused_total',
    help: 'Requests not answered S, by the reason for us alone.',
    labels: ['reason'],
  })
  const seconds = metrics.histogram({
    name: 'notification_answer_seconds',
    help: 'From the head of a request to its answer, by result status.',
    labels: ['status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10],
  })
  const unparsable = metrics.counter({
    name: 'unparsable_requests_total',
    help: 'Connections that sent what is no request, or none in time.',
    labels: ['cause'],
  })
  const dropped = metrics.counter({
    name: 'connections_dropped_total',
    help: 'Connections closed at once because there were MAX_CONNECTIONS.',
  })
  metrics.gauge({
    name: 'event_loop_late_seconds',
    help: 'How late the event loop is, by the median of the last quarter of a second.',
    value: () => gate.figures().loopDelayMs / 1000,
  })
  metrics.gauge({
    name: 'notifications_waiting',
    help: 'Notifications that wait for Kafka to confirm them.',
    value: () => gate.figures().waiting,
  })
  metrics.gauge({
    name: 'notifications_waiting_limit',
    help: 'How many may wait at present.',
    value: () => gate.figures().waitingLimit,
  })
  metrics.gauge({
    name: 'notification_bytes_held',
    help: 'Bytes of large bodies held in memory.',
    value: () => gate.figures().heldBytes,
  })
  const successes = createLogSampler({ ...successLines, now })
  /** Of strangers under the empty id. */
  const unchecked = new Map<string, LogSampler>()
  const uncheckedOf = (clientId: string) => {
    const known = unchecked.get(clientId) ?? createLogSampler({ ...uncheckedLines, now })
    unchecked.set(clientId, known)
    return known
  }

  return {
    answered(about: Answered): void {
      const { code } = about
      answered.inc({ code })
      seconds.observe({ status: resultStatus(code) }, about.durationMs / 1000)
      if (code === 'SUCCESS') {
        const oneIn = successes.next()
        if (oneIn !== null) log.info(lineOf(about, oneIn > 1 ? { oneIn } : {}), 'notification.answered')
        return
      }
      refused.inc({ reason: about.reason ?? 'none' })
      if (about.notificationId === undefined && uncheckedOf(about.clientId ?? '').next() === null) return
      const line = lineOf(about, { remoteAddress: about.remoteAddress() })
      if (isWorthALook(about)) log.warn(line, 'notification.answered')
      else log.info(line, 'notification.answered')
    },
    failed(error: unknown): void {
      log.error({ err: error }, 'notification.failed')
    },
    unparsable: (cause: UnparsableCause): void => unparsable.inc({ cause }),
    /** Tells how many refusals were not written; to be called now and then. */
    tellUnwritten(): void {
      for (const [clientId, sampler] of unchecked) {
        const count = sampler.takeSkipped()
        if (count > 0) log.warn({ clientId, count }, 'notification.refusals_unwritten')
      }
    },
    cutOff: (): void => unparsable.inc({ cause: 'cut_off' }),
    dropped: (): void => dropped.inc(),
  }
}

function lineOf(about: Answered, more: object): object {
  const { code, reason, clientId, notificationId, partition, bytes, durationMs } = about
  return {
    clientId,
    notificationId,
    partition,
    bytes,
    reason,
    resultCode: code,
    durationMs: Math.round(durationMs * 1000) / 1000,
    ...more,
  }
}

/** Trouble with a known client is somebody's task; what strangers send is weather. */
function isWorthALook({ clientId, reason }: Answered): boolean {
  return clientId !== undefined || reason === 'encrypted'
}
