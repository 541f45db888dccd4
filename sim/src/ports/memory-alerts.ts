import type { AlertBook } from '@signalbox/alerts/alert-book'
import type { AlertQueue, JobState } from '@signalbox/alerts/alert-queue'
import { obligationOf, type OwedAlert, owedAlert } from '@signalbox/alerts/owed-alert'
import type { Ask } from '../scheduler.ts'
import { createHistory } from './history.ts'

type QueueState = {
  watermarks: ReadonlyMap<number, string>
  /** By id. */
  owed: ReadonlyMap<string, OwedAlert>
  bodies: ReadonlyMap<string, string>
  settled: ReadonlySet<string>
  /** By id. */
  jobs: ReadonlyMap<string, Exclude<JobState, 'absent'>>
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

/** Whether something is owed that nothing will ever send. */
export function lacksJobs({ owed, jobs }: QueueState): boolean {
  return [...owed.keys()].some((id) => !jobs.has(id))
}

export type Book = Pick<
  AlertBook,
  'watermark' | 'settledAmong' | 'owe' | 'advance' | 'markSettled' | 'clear' | 'owed' | 'owedCount'
>

/** Book and queue of the alerts in memory, as far as fan-out and sweep use them. Each call is one script. */
export function createMemoryAlerts(options: {
  redis: QueueRedis
  ask: Ask
  queued?: (alertId: string) => void
}) {
  const { redis, ask, queued } = options

  function owedIn(partition: number): OwedAlert[] {
    return [...redis.now().owed.values()]
      .filter((alert) => alert.partition === partition)
      .map((alert) => ({ alert, obligation: obligationOf(alert) }))
      .toSorted(
        (left, right) =>
          left.alert.owedSinceMs - right.alert.owedSinceMs || (left.obligation < right.obligation ? -1 : 1),
      )
      .map(({ alert }) => alert)
  }

  const book: Book = {
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
        const fresh = alerts.map((of) => {
          const alert = owedAlert({ ...of, partition, owedSinceMs: nowMs })
          const known = owed.get(alert.id) ?? alert
          owed.set(alert.id, known)
          return known
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

    markSettled: ({ id }) =>
      ask({ system: 'queue redis', what: 'mark as settled', writes: true }, () => {
        const state = redis.now()
        redis.set({ ...state, settled: new Set(state.settled).add(id) })
      }),

    clear: ({ id }) =>
      ask({ system: 'queue redis', what: 'end an obligation', writes: true }, () => {
        const state = redis.now()
        const owed = new Map(state.owed)
        if (owed.delete(id)) redis.set({ ...state, owed })
      }),

    owedCount: (partition) =>
      ask({ system: 'queue redis', what: 'count what is owed' }, () => owedIn(partition).length),

    owed: ({ partition, from, limit }) =>
      ask({ system: 'queue redis', what: 'look at what is owed' }, () =>
        owedIn(partition).slice(from, from + limit),
      ),
  }

  const queue: Pick<AlertQueue, 'add' | 'stateOf' | 'revive'> = {
    async add(alerts) {
      if (alerts.length === 0) return
      await ask({ system: 'queue redis', what: 'add jobs', writes: true }, () => {
        const state = redis.now()
        const jobs = new Map(state.jobs)
        for (const alert of alerts) {
          jobs.set(alert.id, jobs.get(alert.id) ?? 'live')
          queued?.(alert.id)
        }
        redis.set({ ...state, jobs })
      })
    },

    stateOf: (id) =>
      ask(
        { system: 'queue redis', what: 'look at a job' },
        (): JobState => redis.now().jobs.get(id) ?? 'absent',
      ),

    revive: (id) =>
      ask({ system: 'queue redis', what: 'let a job run again', writes: true }, () => {
        const state = redis.now()
        if (state.jobs.get(id) === 'failed')
          redis.set({ ...state, jobs: new Map(state.jobs).set(id, 'live') })
      }),
  }

  return { book, queue }
}
