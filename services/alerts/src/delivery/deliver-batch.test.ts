import { beforeEach, expect, test, vi } from 'vitest'
import type { LeaveOptions } from '../adapters/alert-queue.ts'
import { type OwedAlert, owedAlert } from '../owed-alert.ts'
import { type BatchPorts, createDeliverBatch } from './deliver-batch.ts'
import type { AlertRun, Run } from './delivery.ts'

const settled: Run = { kind: 'settled', outcome: { kind: 'delivered', at: 1 } }
const atOnce = 2
const { signal } = new AbortController()
const isOurs = async () => true

const alertOf = (version: number, endpointId = 'one') =>
  owedAlert({ subject: 'client/merchant/', variant: '', version, endpointId, partition: 0, owedSinceMs: 1 })

const alertsOf = (count: number, endpointId = 'one') =>
  Array.from({ length: count }, (_, index) => alertOf(index + 1, endpointId))

/** Batches whose alerts end as `ends` says, by their versions. */
function createScene(ends: (version: number) => Run | Promise<Run> = () => settled) {
  const runs: AlertRun[] = []
  const alone: ({ version: number } & LeaveOptions)[] = []
  const failed: string[] = []
  const state = { isAway: false }
  let underWay = 0
  let most = 0
  const ports: BatchPorts = {
    async deliver(run) {
      runs.push(run)
      most = Math.max(most, ++underWay)
      try {
        return await ends(run.alert.version)
      } finally {
        underWay -= 1
      }
    },
    calls: { mostAtOnce: () => atOnce },
    endpoints: { find: async () => null },
    queue: {
      async addAlone({ version }, options) {
        if (state.isAway) throw new Error('Redis is away')
        alone.push({ version, ...options })
      },
    },
    report: { runFailed: (alertId) => failed.push(alertId) },
    random: () => 0,
  }
  const deliverBatch = createDeliverBatch(ports)
  return {
    runs,
    alone,
    failed,
    state,
    most: () => most,
    run: (alerts: readonly OwedAlert[], { isDoubtful = false, hold = isOurs } = {}) =>
      deliverBatch({ alerts, isDoubtful, priority: 7 }, { signal, isOurs: hold }),
  }
}

const versions = (runs: readonly AlertRun[]) => runs.map(({ alert }) => alert.version)

beforeEach(() => {
  vi.useFakeTimers()
  return () => void vi.useRealTimers()
})

test('all of a batch are delivered, as many at a time as the endpoint takes', async () => {
  const { run, runs, alone, most } = createScene()
  expect(await run(alertsOf(5), { isDoubtful: true })).toEqual({ kind: 'ended' })
  expect(versions(runs)).toEqual([1, 2, 3, 4, 5])
  expect(runs.every(({ isDoubtful, isRetry }) => isDoubtful && !isRetry)).toBe(true)
  expect([most(), alone]).toEqual([atOnce, []])
})

test('where there is no room the rest stays away, and nobody is asked for it', async () => {
  const { run, runs, alone } = createScene((version) =>
    version === 3 ? { kind: 'crowded', delayMs: 900 } : settled,
  )
  const alerts = alertsOf(6)
  const [, , third, , fifth, sixth] = alerts
  expect(await run(alerts)).toEqual({ kind: 'crowded', delayMs: 900, left: [third, fifth, sixth] })
  expect([versions(runs), alone]).toEqual([[1, 2, 3, 4], []])
})

test('who has to come again, or is too early, goes on alone and holds up nobody', async () => {
  const ends = new Map<number, Run>([
    [1, { kind: 'again', delayMs: 5_000, why: 'timeout' }],
    [2, { kind: 'held', delayMs: 60_000 }],
    [3, { kind: 'settled', outcome: { kind: 'given_up', reason: 'refused', at: 1 } }],
    [4, { kind: 'known_settled' }],
  ])
  const { run, runs, alone } = createScene((version) => ends.get(version) ?? settled)
  expect(await run(alertsOf(5))).toEqual({ kind: 'ended' })
  expect(versions(runs)).toEqual([1, 2, 3, 4, 5])
  expect(alone).toEqual([
    { version: 1, isRetry: true, isRepair: false, delayMs: 5_000, priority: 7 },
    { version: 2, isRetry: false, isRepair: false, delayMs: 60_000, priority: 7 },
  ])
})

test('of a job that is ours no more nobody goes on alone', async () => {
  const { run, alone } = createScene(() => ({ kind: 'held', delayMs: 60_000 }))
  await run(alertsOf(2), { hold: async () => false })
  expect(alone).toEqual([])
})

test('who is in trouble goes on alone, as one of whom not all is known, and holds up nobody', async () => {
  const alerts = alertsOf(4)
  const { run, runs, alone, failed } = createScene((version) => {
    if (version === 1) throw new Error('its progress is not to be read')
    return settled
  })
  expect(await run(alerts)).toEqual({ kind: 'ended' })
  expect(versions(runs)).toEqual([1, 2, 3, 4])
  expect(alone).toEqual([{ version: 1, isRetry: false, isRepair: true, delayMs: 2_000, priority: 7 }])
  expect(failed).toEqual([alerts[0]?.id])
})

test('a run ends when an alert can go on neither here nor alone, after those that were under way', async () => {
  const slow = Promise.withResolvers<Run>()
  const { run, runs, state } = createScene((version) =>
    version === 1 ? { kind: 'held', delayMs: 1 } : slow.promise,
  )
  state.isAway = true
  let problem: unknown
  const ended = run(alertsOf(4)).catch((error: unknown) => {
    problem = error
  })
  await vi.advanceTimersByTimeAsync(1_000)
  expect(problem).toBeUndefined()
  slow.resolve(settled)
  await ended
  expect(problem).toEqual(new Error('Redis is away'))
  expect(versions(runs)).toEqual([1, 2])
})

test('a batch of a slow endpoint gives its place to others, and its rest comes again', async () => {
  const alerts = alertsOf(7)
  const { run, runs } = createScene(() => new Promise((resolve) => setTimeout(() => resolve(settled), 1_500)))
  const ended = run(alerts)
  await vi.advanceTimersByTimeAsync(3_000)
  expect(await ended).toEqual({ kind: 'crowded', delayMs: 0, left: alerts.slice(4) })
  expect(versions(runs)).toEqual([1, 2, 3, 4])
})

test('a batch waits for those before it of its endpoint, a little, and for no other endpoint', async () => {
  const first = Promise.withResolvers<Run>()
  const { run, runs } = createScene((version) => (version === 1 ? first.promise : settled))
  const underWay = run([alertOf(1)])
  const next = run([alertOf(2)])
  const elsewhere = run([alertOf(3, 'two')])
  await elsewhere
  expect(versions(runs)).toEqual([1, 3])
  first.resolve(settled)
  await Promise.all([underWay, next])
  expect(versions(runs)).toEqual([1, 3, 2])
})

test('a batch before it that takes long is not waited for to its end, and few wait', async () => {
  const first = Promise.withResolvers<Run>()
  const { run, runs } = createScene((version) => (version === 1 ? first.promise : settled))
  const underWay = run([alertOf(1)])
  const waiting = [run([alertOf(2)]), run([alertOf(3)])]
  await run([alertOf(4)])
  expect(versions(runs)).toEqual([1, 4])
  await vi.advanceTimersByTimeAsync(249)
  expect(versions(runs)).toEqual([1, 4])
  await vi.advanceTimersByTimeAsync(1)
  await Promise.all(waiting)
  expect(versions(runs)).toEqual([1, 4, 2, 3])
  first.resolve(settled)
  await underWay
})
