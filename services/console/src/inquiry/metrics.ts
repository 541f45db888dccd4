import type { Metrics } from '@signalbox/runtime/metrics'
import type { Reply } from './ask.ts'
import { type Trigger, triggers } from './due.ts'

/**
 * What became of an inquiry: its reply, or a genuine answer that could not be appended. `broken`: it broke off on our
 * side, as where the registration cannot be read. `erased`: it was not made, because the registration is erased.
 */
export type Outcome = Reply['kind'] | 'not_appended' | 'broken' | 'erased'

export type InquiryMetrics = {
  asked(inquiry: { trigger: Trigger; outcome: Outcome; seconds: number }): void
  leads(isLeader: boolean): void
}

/** Seconds. Alipay+ answers in tenths; the last bucket is the deadline. */
const buckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15]

export function createInquiryMetrics(metrics: Metrics): InquiryMetrics {
  const inquiries = metrics.counter({
    name: 'inquiries_total',
    help: 'Inquiries made, by why and by what became of them; only answered ones reach the raw topic.',
    labels: ['trigger', 'outcome'],
  })
  for (const trigger of triggers) inquiries.inc({ trigger, outcome: 'answered' }, 0)
  const duration = metrics.histogram({
    name: 'inquiry_duration_seconds',
    help: 'Time from an inquiry to the answer in the raw topic, or to what else became of it.',
    buckets,
  })
  const leader = metrics.gauge({
    name: 'inquiry_leader',
    help: 'Whether this console is the one that asks: 1 or 0. Over all consoles the sum is 1.',
  })
  leader.set(0)
  return {
    asked({ trigger, outcome, seconds }) {
      inquiries.inc({ trigger, outcome })
      duration.observe(seconds)
    },
    leads: (isLeader) => leader.set(isLeader ? 1 : 0),
  }
}
