import { expect, test } from 'vitest'
import type { JobState } from '../adapters/alert-queue.ts'
import { type OwedAlert, owedAlert } from '../owed-alert.ts'
import { createSweep, type Swept } from './sweeper.ts'

const partitions = 2
const hourAgo = Date.now() - 3_600_000

const alertOf = (version: number, differs: Partial<OwedAlert> = {}) =>
  owedAlert({
    subject: 'client/merchant/',
    variant: '',
    version,
    endpointId: 'one',
    partition: 0,
    owedSinceMs: hourAgo + version,
    ...differs,
  })

/** Owed alerts with the state of their jobs, and a sweep over them. */
function createScene(
  known: readonly (readonly [OwedAlert, JobState | 'settled'])[],
  batches: ReadonlyMap<string, { alerts: readonly OwedAlert[]; state: JobState }> = new Map(),
  held: ReadonlySet<string> = new Set(),
) {
  const states = new Map(known.map(([alert, state]) => [alert.id, state]))
  const owed = known.map(([alert]) => alert)
  const cleared: string[] = []
  const reports: Swept[] = []
  const outstanding = new Map<string, number>()
  const ranks: number[] = []
  const sweep = createSweep(
    {
      book: {
        async owed({ partition, from, limit }) {
          return owed.filter((alert) => alert.partition === partition).slice(from, from + limit)
        },
        owedCount: async (partition) => owed.filter((alert) => alert.partition === partition).length,
        batchesOf: async (_, alerts) =>
          alerts.map((alert) => [...batches].find(([, of]) => of.alerts.includes(alert))?.[0] ?? null),
        settledAmong: async (_, ids) => new Set(ids.filter((id) => states.get(id) === 'settled')),
        async setOutstanding(endpointId, count) {
          outstanding.set(endpointId, count)
        },
        async clear({ id }) {
          cleared.push(id)
          owed.splice(
            owed.findIndex((alert) => alert.id === id),
            1,
          )
        },
      },
      queue: {
        async add(alerts, { priorityOf, isRepair }) {
          expect(isRepair).toBe(true)
          ranks.push(...alerts.map(priorityOf))
          // One that is there stays as it is.
          for (const { id } of alerts) states.set(id, states.get(id) === 'torn' ? 'torn' : 'live')
        },
        async stateOf(id) {
          const state = batches.get(id)?.state ?? states.get(id) ?? 'absent'
          return state === 'settled' ? 'completed' : state
        },
        async revive(id) {
          states.set(id, 'live')
        },
        async discard(id) {
          return !held.has(id) && states.delete(id)
        },
      },
      report: { owed() {}, swept: (swept) => reports.push(swept) },
      now: Date.now,
    },
    { partitions, olderThanMs: 60_000, maxPerSweep: 100 },
  )
  return { sweep, states, cleared, reports, outstanding, ranks }
}

test('each kind of owed alert is repaired in its way', async () => {
  const kinds = ['live', 'absent', 'failed', 'completed', 'settled', 'torn'] as const
  const alerts = kinds.map((state, index) => [alertOf(index + 1), state] as const)
  const { sweep, states, cleared, reports } = createScene(alerts)
  await sweep()
  const idOf = (index: number) => alerts[index]?.[0].id ?? ''
  expect(reports).toEqual([{ looked: 6, added: 2, revived: 1, cleared: 2 }])
  expect([0, 1, 2, 5].map((index) => states.get(idOf(index)))).toEqual(['live', 'live', 'live', 'live'])
  expect(cleared.toSorted()).toEqual([idOf(3), idOf(4)].toSorted())
})

test.each<[JobState, JobState]>([
  ['live', 'absent'],
  ['completed', 'live'],
  ['failed', 'live'],
  ['absent', 'live'],
  ['torn', 'live'],
])('an alert whose batch is %s has its own job %s after a sweep', async (state, own) => {
  const [first, second] = [alertOf(1), alertOf(2)]
  const batches = new Map([['b-1', { alerts: [first, second], state }]])
  const { sweep, states } = createScene(
    [
      [first, 'absent'],
      [second, 'failed'],
    ],
    batches,
  )
  await sweep()
  expect([states.get(first.id), states.get(second.id)]).toEqual([own, 'live'])
})

test('a torn job that a worker still has is left to it, and is not told as repaired', async () => {
  const alert = alertOf(1)
  const { sweep, states, reports } = createScene([[alert, 'torn']], new Map(), new Set([alert.id]))
  await sweep()
  expect(states.get(alert.id)).toBe('torn')
  expect(reports).toEqual([{ looked: 1, added: 0, revived: 0, cleared: 0 }])
})

test('an alert that is still on its way from the fan-out is left alone', async () => {
  const young = alertOf(1, { owedSinceMs: Date.now() })
  const { sweep, states } = createScene([[young, 'absent']])
  await sweep()
  expect(states.get(young.id)).toBe('absent')
})

test('a sweep is bounded, and the next one goes on where it ended, over all partitions', async () => {
  const waiting = Array.from({ length: 250 }, (_, index) => [alertOf(index + 1), 'live'] as const)
  const last = alertOf(999, { owedSinceMs: hourAgo + 999 })
  const elsewhere = alertOf(1, { partition: 1, subject: 'client/other/' })
  const { sweep, states, reports } = createScene([...waiting, [last, 'absent'], [elsewhere, 'absent']])
  await sweep()
  await sweep()
  await sweep()
  expect(reports.map(({ looked }) => looked)).toEqual([100, 100, 52])
  expect([states.get(last.id), states.get(elsewhere.id)]).toEqual(['live', 'live'])
})

test('what is outstanding for each endpoint is counted anew when all of it was looked at', async () => {
  const two = alertOf(3, { endpointId: 'two', partition: 1 })
  const { sweep, outstanding, ranks } = createScene([
    [alertOf(1), 'live'],
    [alertOf(2), 'settled'],
    [alertOf(4), 'absent'],
    [alertOf(5), 'absent'],
    [two, 'live'],
  ])
  await sweep()
  expect([...outstanding]).toEqual([
    ['one', 3],
    ['two', 1],
  ])
  expect(ranks).toEqual([2, 3])
})

test('while alerts are on their way nothing is counted anew, or a flood would be ranked as a few', async () => {
  const { sweep, outstanding } = createScene([
    [alertOf(1), 'live'],
    [alertOf(2, { owedSinceMs: Date.now() }), 'live'],
  ])
  await sweep()
  expect(outstanding.size).toBe(0)
})
