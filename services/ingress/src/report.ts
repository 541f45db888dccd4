import { type ResultCode, resultStatus } from '@signalbox/alipay/result'
import type { Logger } from '@signalbox/runtime/log'
import type { Metrics } from '@signalbox/runtime/metrics'
import type { NotificationLog } from './notification/keep-notification.ts'

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
}

export type Report = ReturnType<typeof createReport>

/** One wide log line and a few figures per answered request. */
export function createReport({ log, metrics }: { log: Logger; metrics: Metrics }) {
  const answered = metrics.counter({
    name: 'notifications_answered_total',
    help: 'Requests answered, by result code.',
    labels: ['code'],
  })
  const seconds = metrics.histogram({
    name: 'notification_answer_seconds',
    help: 'From the head of a request to its answer, by result status.',
    labels: ['status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10],
  })
  const waiting = metrics.gauge({
    name: 'notifications_waiting',
    help: 'Notifications that wait for Kafka to confirm them.',
  })

  return {
    answered({ code, durationMs, ...fields }: Answered): void {
      answered.inc({ code })
      seconds.observe({ status: resultStatus(code) }, durationMs / 1000)
      const line = { ...fields, resultCode: code, durationMs: Math.round(durationMs * 1000) / 1000 }
      if (isWorthALook(code, fields)) log.warn(line, 'notification.answered')
      else log.info(line, 'notification.answered')
    },
    failed(error: Error): void {
      log.error({ err: error }, 'notification.failed')
    },
    /** Counts what waits in a log. */
    watch(notifications: NotificationLog): NotificationLog {
      return {
        async append(record, options) {
          waiting.inc()
          try {
            return await notifications.append(record, options)
          } finally {
            waiting.dec()
          }
        },
      }
    },
  }
}

/** Trouble with a known client is somebody's task; what strangers send is weather. */
function isWorthALook(
  code: ResultCode,
  { clientId, reason }: Pick<Answered, 'clientId' | 'reason'>,
): boolean {
  return code !== 'SUCCESS' && (clientId !== undefined || reason === 'encrypted')
}
