import type { AlertBook } from '@signalbox/alerts/alert-book'
import type { AlertQueue } from '@signalbox/alerts/alert-queue'
import { obligationOf, owedAlert } from '@signalbox/alerts/owed-alert'
import type { Ask } from '../scheduler.ts'
import { createHistory } from './history.ts'

type QueueState = {
  watermarks: ReadonlyMap<number, string>
  /** By obligation: since when. */
  owed: ReadonlyMap<string, number>
  bodies: ReadonlyMap<string, string>
  settled: ReadonlySet<string>
  /** By id: what the job is about. */
  jobs: ReadonlyMap<string, string>
}

const emptyState: QueueState = {
  watermarks: new Map(),
  owed: new Map(),
  bodies: new Map(),
  settled: new Set(),
  jobs: new Map(),
}

/** What the queue Redis holds of the fan-out: its watermarks, what is owed, what is settled, and the jobs. */
export const createQueueRedis = () => createHistory<QueueState>(emptyState)

export type QueueRedis = ReturnType<typeof createQueueRedis>

/** Book and queue of the alerts in memory, as far as the fan-out uses them. Each call is one script. */
export function createMemoryAlerts(options: {
  redis: QueueRedis
  ask: Ask
  queued?: (alertId: string) => void
}) {
  const { redis, ask, queued } = options
  const book: Pick<AlertBook, 'watermark' | 'settledAmong' | 'owe' | 'advance'> = {
    watermark: (partition) =>
      ask(
        { system: 'queue redis', what: 'read the fan-out watermark' },
        () => redis.now().watermarks.get(partition) ?? null,
      ),

    settledAmong: (ids) =>
      ask(
        { system: 'queue redis', what: 'look for settled alerts' },
        () => new Set(ids.filter((id) => redis.now().settled.has(id))),
      ),

    owe: ({ partition, watermark, owing, nowMs, bodies, alerts }) =>
      ask({ system: 'queue redis', what: 'owe', writes: true }, () => {
        const state = redis.now()
        if ((state.watermarks.get(partition) ?? null) !== watermark) return null
        const owed = new Map(state.owed)
        const fresh = alerts.map((alert) => {
          const obligation = obligationOf(owedAlert({ ...alert, partition, owedSinceMs: nowMs }))
          const owedSinceMs = owed.get(obligation) ?? nowMs
          owed.set(obligation, owedSinceMs)
          return owedAlert({ ...alert, partition, owedSinceMs })
        })
        const kept = new Map(state.bodies)
        for (const { registrationKey, version, body } of bodies)
          kept.set(`${version}:${registrationKey}`, body)
        redis.set({
          ...state,
          owed,
          bodies: kept,
          watermarks: new Map(state.watermarks).set(partition, owing),
        })
        return fresh
      }),

    advance: ({ partition, from, to }) =>
      ask({ system: 'queue redis', what: 'advance the fan-out watermark', writes: true }, () => {
        const state = redis.now()
        if ((state.watermarks.get(partition) ?? null) !== from) return false
        redis.set({ ...state, watermarks: new Map(state.watermarks).set(partition, to) })
        return true
      }),
  }

  const queue: Pick<AlertQueue, 'add'> = {
    async add(alerts) {
      if (alerts.length === 0) return
      await ask({ system: 'queue redis', what: 'add jobs', writes: true }, () => {
        const state = redis.now()
        const jobs = new Map(state.jobs)
        for (const alert of alerts) {
          jobs.set(alert.id, jobs.get(alert.id) ?? obligationOf(alert))
          queued?.(alert.id)
        }
        redis.set({ ...state, jobs })
      })
    },
  }

  return { book, queue }
}
