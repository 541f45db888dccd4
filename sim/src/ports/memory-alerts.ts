import assert from 'node:assert/strict'
import type { AlertBook } from '@signalbox/alerts/alert-book'
import type { AlertQueue, JobState } from '@signalbox/alerts/alert-queue'
import {
  byFirstJob,
  obligationOf,
  type OwedAlert,
  type OwedInBatch,
  owedAlert,
} from '@signalbox/alerts/owed-alert'
import type { Ask } from '../scheduler.ts'
import { createHistory } from './history.ts'

/** Of one alert, or of a batch. */
export type Job = {
  id: string
  alerts: readonly OwedAlert[]
  state: Exclude<JobState, 'absent'>
  /** Nobody else takes it before. */
  lockedUntilMs: number
  runs: number
}

type QueueState = {
  watermarks: ReadonlyMap<number, string>
  receipts: ReadonlyMap<number, string>
  /** By partition and obligation. */
  owed: ReadonlyMap<string, OwedInBatch>
  bodies: ReadonlyMap<string, { body: string; needed: number }>
  /** By partition and id. */
  settled: ReadonlySet<string>
  /** By id. */
  jobs: ReadonlyMap<string, Job>
  /** By endpoint. */
  outstanding: ReadonlyMap<string, number>
}

const emptyState: QueueState = {
  watermarks: new Map(),
  receipts: new Map(),
  owed: new Map(),
  bodies: new Map(),
  settled: new Set(),
  jobs: new Map(),
  outstanding: new Map(),
}

/** What the queue Redis holds: watermarks, what is owed, what is settled, and the jobs. */
export const createQueueRedis = () => createHistory<QueueState>(emptyState)

export type QueueRedis = ReturnType<typeof createQueueRedis>

/** Whether something is owed that nothing will ever send, or is settled and still owed. */
export function needsSweep({ owed, jobs }: QueueState): boolean {
  const isLive = (id: string | null) => id !== null && jobs.get(id)?.state === 'live'
  return [...owed.values()].some(({ alert, batchId }) => !isLive(alert.id) && !isLive(batchId))
}

export type Book = Pick<
  AlertBook,
  | 'watermark'
  | 'owe'
  | 'advance'
  | 'begin'
  | 'settle'
  | 'clear'
  | 'settledAmong'
  | 'batchesOf'
  | 'markSettled'
  | 'receiptsWatermark'
  | 'owed'
  | 'owedCount'
  | 'raiseOutstanding'
  | 'setOutstanding'
>

type Queue = Pick<AlertQueue, 'add' | 'addFirst' | 'stateOf' | 'revive' | 'discard'>

const placeOf = (partition: number, of: string) => `${partition} ${of}`
const bodyOf = ({
  partition,
  subject,
  version,
  variant,
}: Omit<OwedAlert, 'id' | 'endpointId' | 'owedSinceMs'>) => `${partition} ${version} ${variant} ${subject}`

/** Book and queue of the alerts in memory. Each call is one script. */
export function createMemoryAlerts({ redis, ask }: { redis: QueueRedis; ask: Ask }) {
  const system = 'queue redis'

  function owedIn(partition: number): OwedAlert[] {
    return [...redis.now().owed.values()]
      .map(({ alert }) => alert)
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
        { system, what: 'read the fan-out watermark' },
        () => redis.now().watermarks.get(partition) ?? null,
      ),

    receiptsWatermark: (partition) =>
      ask(
        { system, what: "read the receipts' watermark" },
        () => redis.now().receipts.get(partition) ?? null,
      ),

    settledAmong: (partition, ids) =>
      ask(
        { system, what: 'look for settled alerts' },
        () => new Set(ids.filter((id) => redis.now().settled.has(placeOf(partition, id)))),
      ),

    owe: ({ partition, watermark, owing, receiptsTo = 0n, nowMs, bodies, alerts }) =>
      ask({ system, what: 'owe', writes: true }, () => {
        const state = redis.now()
        if ((state.watermarks.get(partition) ?? null) !== watermark) return null
        if (BigInt(state.receipts.get(partition)?.split(' ').at(-1) ?? 0) < receiptsTo) return null
        const owed = new Map(state.owed)
        const kept = new Map(state.bodies)
        const texts = new Map(bodies.map((body) => [bodyOf({ ...body, partition }), body.body]))
        const now = alerts.flatMap(({ subject, version, endpointId, variant, batchId = null }) => {
          const alert = owedAlert({ subject, version, endpointId, variant, partition, owedSinceMs: nowMs })
          if (state.settled.has(placeOf(partition, alert.id))) return []
          const place = placeOf(partition, obligationOf(alert))
          const known = owed.get(place)
          const body = kept.get(bodyOf(alert)) ?? { body: texts.get(bodyOf(alert)) ?? '', needed: 0 }
          kept.set(bodyOf(alert), known === undefined ? { ...body, needed: body.needed + 1 } : body)
          owed.set(place, known ?? { alert, batchId })
          return [known ?? { alert, batchId }]
        })
        const watermarks = new Map(state.watermarks).set(partition, owing)
        redis.set({ ...state, owed, bodies: kept, watermarks })
        return now
      }),

    batchesOf: (partition, alerts) =>
      ask({ system, what: 'look for batches' }, () =>
        alerts.map((alert) => redis.now().owed.get(placeOf(partition, obligationOf(alert)))?.batchId ?? null),
      ),

    advance: ({ partition, from, to }) =>
      ask({ system, what: 'advance the fan-out watermark', writes: true }, () => {
        const state = redis.now()
        if ((state.watermarks.get(partition) ?? null) !== from) return false
        redis.set({ ...state, watermarks: new Map(state.watermarks).set(partition, to) })
        return true
      }),

    begin: (alert) =>
      ask({ system, what: 'begin' }, () => {
        const { settled, bodies } = redis.now()
        return {
          isSettled: settled.has(placeOf(alert.partition, alert.id)),
          isSuperseded: false,
          progress: null,
          body: bodies.get(bodyOf(alert))?.body ?? null,
        }
      }),

    settle: (partition, settlements) =>
      ask({ system, what: 'settle', writes: true }, () => {
        const alerts = settlements.map(({ alert }) => alert)
        const state = alerts.reduce((left, alert) => end(alert, left), redis.now())
        const settled = new Set([...state.settled, ...alerts.map(({ id }) => placeOf(partition, id))])
        redis.set({ ...state, settled })
      }),

    clear: (alert) =>
      ask({ system, what: 'end an obligation', writes: true }, () => {
        const state = redis.now()
        if (state.owed.has(placeOf(alert.partition, obligationOf(alert)))) redis.set(end(alert, state))
      }),

    markSettled: ({ partition, watermark, next, ids }) =>
      ask({ system, what: 'mark as settled', writes: true }, () => {
        const state = redis.now()
        if ((state.receipts.get(partition) ?? null) !== watermark) return false
        const settled = new Set([...state.settled, ...ids.map((id) => placeOf(partition, id))])
        redis.set({ ...state, settled, receipts: new Map(state.receipts).set(partition, next) })
        return true
      }),

    raiseOutstanding: (added) =>
      ask({ system, what: 'count outstanding alerts', writes: true }, () => {
        const state = redis.now()
        const raised = new Map(
          [...added].map(([endpointId, count]) => [
            endpointId,
            (state.outstanding.get(endpointId) ?? 0) + count,
          ]),
        )
        if (raised.size > 0) redis.set({ ...state, outstanding: new Map([...state.outstanding, ...raised]) })
        return raised
      }),

    setOutstanding: (endpointId, count) =>
      ask({ system, what: 'put a count right', writes: true }, () => {
        const state = redis.now()
        if ((state.outstanding.get(endpointId) ?? 0) === count) return
        const outstanding = new Map(state.outstanding)
        if (count === 0) outstanding.delete(endpointId)
        else outstanding.set(endpointId, count)
        redis.set({ ...state, outstanding })
      }),

    owedCount: (partition) => ask({ system, what: 'count what is owed' }, () => owedIn(partition).length),

    owed: ({ partition, from, limit }) =>
      ask({ system, what: 'look at what is owed' }, () => owedIn(partition).slice(from, from + limit)),
  }

  async function addJobs(wanted: ReadonlyMap<string, readonly OwedAlert[]>): Promise<void> {
    if (wanted.size === 0) return
    await ask({ system, what: 'add jobs', writes: true }, () => {
      const state = redis.now()
      const jobs = new Map(state.jobs)
      for (const [id, alerts] of wanted) {
        jobs.set(id, jobs.get(id) ?? { id, alerts, state: 'live', lockedUntilMs: 0, runs: 0 })
      }
      redis.set({ ...state, jobs })
    })
  }

  const queue: Queue = {
    add: (alerts) => addJobs(new Map(alerts.map((alert) => [alert.id, [alert]]))),

    addFirst: (owed) =>
      addJobs(new Map([...byFirstJob(owed)].map(([id, its]) => [id, its.map(({ alert }) => alert)]))),

    stateOf: (id) =>
      ask({ system, what: 'look at a job' }, (): JobState => redis.now().jobs.get(id)?.state ?? 'absent'),

    revive: (id) =>
      ask({ system, what: 'let a job run again', writes: true }, () => {
        const state = redis.now()
        const job = state.jobs.get(id)
        if (job?.state === 'failed')
          redis.set({ ...state, jobs: new Map(state.jobs).set(id, { ...job, state: 'live' }) })
      }),

    // What this Redis loses, it loses with all that belongs to it.
    discard: () => assert.fail('no job is torn'),
  }

  return { book, queue }
}

/** Ends an obligation; a body goes with the last one that needs it. */
function end(alert: OwedAlert, state: QueueState): QueueState {
  const owed = new Map(state.owed)
  const wasOwed = owed.delete(placeOf(alert.partition, obligationOf(alert)))
  const bodies = new Map(state.bodies)
  const body = bodies.get(bodyOf(alert))
  if (wasOwed && body !== undefined) {
    if (body.needed > 1) bodies.set(bodyOf(alert), { ...body, needed: body.needed - 1 })
    else bodies.delete(bodyOf(alert))
  }
  const outstanding = new Map(state.outstanding)
  const count = outstanding.get(alert.endpointId) ?? 0
  if (count > 1) outstanding.set(alert.endpointId, count - 1)
  else outstanding.delete(alert.endpointId)
  return { ...state, owed, bodies, outstanding }
}
