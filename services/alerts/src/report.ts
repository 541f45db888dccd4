import type { Logger } from '@signalbox/runtime/log'
import { createLogSampler } from '@signalbox/runtime/log-sampler'
import type { Metrics } from '@signalbox/runtime/metrics'
import type { OpenDeliveryReport } from './delivery/open-delivery.ts'
import type { ReadReport } from './fan-out/alerts-of-changes.ts'
import type { FanOutPorts } from './fan-out/fan-out.ts'

export type AlertsReport = OpenDeliveryReport & ReadReport & Pick<FanOutPorts, 'skipped'>

/** Deliveries that are written each second, and of those beyond one in so many; what failed always is. */
const deliveredLines = { fullPerSecond: 100, thenOneIn: 100 }

/** Says in metrics and log what becomes of changes and alerts: ids, codes and times, never URLs or bodies. */
export function createReport({ log, metrics }: { log: Logger; metrics: Metrics }): AlertsReport {
  const changes = metrics.counter({
    name: 'alerts_changes_total',
    help: 'Records of the changes topic, by what the fan-out made of them',
    labels: ['outcome'],
  })
  const attempts = metrics.counter({
    name: 'alert_attempts_total',
    help: 'HTTP calls to endpoints, by how they ended',
    labels: ['class'],
  })
  const settled = metrics.counter({
    name: 'alerts_settled_total',
    help: 'Alerts that got their receipt, by outcome',
    labels: ['outcome'],
  })
  const age = metrics.histogram({
    name: 'alert_delivery_age_seconds',
    help: 'From the first fan-out of an alert to its delivery',
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200, 28_800, 93_600],
  })
  const owed = metrics.gauge({
    name: 'alerts_owed',
    help: 'Alerts that are owed and not settled, in all partitions, as of the last sweep',
  })
  const repaired = metrics.counter({
    name: 'alerts_repaired_total',
    help: 'Owed alerts that the sweeper found without a live job, by what it did',
    labels: ['repair'],
  })

  const delivered = createLogSampler({ ...deliveredLines, now: Date.now })

  return {
    looked: (outcome) => changes.inc({ outcome }),
    unreadable: (at) => log.error(at, 'change.unreadable'),
    skipped: (gap) => log.error(gap, 'fan_out.gap'),
    attempted({ alert, verdict, attempt, durationMs, nextInMs }) {
      const error = verdict.kind === 'delivered' ? null : verdict.error
      attempts.inc({ class: error ?? 'delivered' })
      const oneIn = error === null ? delivered.next() : 1
      if (oneIn === null) return
      log.info(
        {
          ...(oneIn === 1 ? {} : { oneIn }),
          alertId: alert.id,
          endpointId: alert.endpointId,
          version: alert.version,
          outcome: verdict.kind,
          status: verdict.status,
          error,
          attempt,
          durationMs: Math.round(durationMs),
          nextInMs,
        },
        'alert.attempted',
      )
    },
    settled(alert, outcome) {
      settled.inc({ outcome: outcome.kind })
      if (outcome.kind === 'delivered') {
        age.observe(Math.max(0, outcome.at - alert.owedSinceMs) / 1_000)
        return
      }
      const { id: alertId, endpointId, version } = alert
      log.warn({ alertId, endpointId, version, reason: outcome.reason }, 'alert.given_up')
    },
    bodyLost: ({ id: alertId, endpointId, version }) =>
      log.error({ alertId, endpointId, version }, 'alert.body_lost'),
    fateUnknown: (endpointId, err) => log.warn({ endpointId, err }, 'endpoint.fate_unknown'),
    leftToSweep: (count, err) => log.warn({ count, err }, 'alerts.settled_unmarked'),
    sealed: (of) => log.error(of, 'endpoint.secret_sealed'),
    owed: (count) => owed.set(count),
    swept({ looked, added, revived, cleared }) {
      repaired.inc({ repair: 'added' }, added)
      repaired.inc({ repair: 'revived' }, revived)
      repaired.inc({ repair: 'cleared' }, cleared)
      if (added + revived + cleared > 0) log.warn({ looked, added, revived, cleared }, 'alerts.repaired')
    },
  }
}
