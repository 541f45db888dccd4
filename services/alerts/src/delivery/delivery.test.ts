import type { Answer } from '@signalbox/webhook-sender/send-webhook'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { standardSettings } from '@signalbox/alert-endpoints/endpoint'
import { alertLifeMs } from '../owed-alert.ts'
import {
  alertOf,
  body,
  createDeliveryScene,
  settlingMs,
  startMs,
  status,
  url,
} from './delivery-scene.fixture.ts'

/** Longer than any pause of the schedule. */
const pauseMs = 10_000

beforeEach(() => {
  vi.useFakeTimers({ now: startMs })
})
afterEach(() => {
  vi.useRealTimers()
})

/** One alert for a verified endpoint that gives these answers, the last one again and again. */
function createScene(answers: readonly Answer[] = [status(204)]) {
  const scene = createDeliveryScene({
    answer: (n) => answers[Math.min(n, answers.length) - 1] ?? status(204),
  })
  scene.change({ kind: 'verify', address: url })
  const alert = alertOf(3)
  return {
    ...scene,
    alert,
    run: (options: Parameters<typeof scene.run>[1] = {}) => scene.run(alert, options),
    /** Runs the job, and waits until Redis has heard of a settlement. */
    runOut: async (options: Parameters<typeof scene.run>[1] = {}) => {
      const end = await scene.run(alert, options)
      await vi.advanceTimersByTimeAsync(settlingMs)
      return end
    },
  }
}

test('a delivered alert has a receipt and a marker and is owed no longer', async () => {
  const { runOut, alert, sent, receipts, known, attempts, left } = createScene()
  expect(await runOut()).toEqual({ kind: 'settled', outcome: { kind: 'delivered', at: startMs } })
  expect(sent).toMatchObject([{ id: alert.id, body, headers: { 'x-own': 'yes' } }])
  expect(receipts).toEqual([
    {
      alertId: alert.id,
      subject: 'client/merchant/',
      registration: { clientId: 'client', referenceMerchantId: 'merchant', referenceStoreId: null },
      version: 3,
      endpointId: 'one',
      partition: 0,
      eventTypes: [],
      outcome: 'delivered',
      reason: null,
      attempts: 1,
      lastStatus: 204,
      lastError: null,
      firstAttemptAt: '2026-01-01T00:00:00.000Z',
      lastAttemptAt: '2026-01-01T00:00:00.000Z',
      settledAt: '2026-01-01T00:00:00.000Z',
    },
  ])
  expect(known(alert.id)).toMatchObject({ isSettled: true, isOwed: false, progress: null })
  expect(attempts).toMatchObject([
    { alertId: alert.id, attempt: 1, status: 204, error: null, nextInMs: null },
  ])
  expect(left).toEqual(['fine'])
})

test('a settled alert is never sent again, and its place in the lane is given back', async () => {
  const { runOut, sent, receipts, left } = createScene()
  await runOut()
  expect(await runOut()).toEqual({ kind: 'known_settled' })
  expect([sent.length, receipts.length, left]).toEqual([1, 1, ['fine', 'neutral']])
})

test('after a 2xx a run whose receipt is not confirmed sends nothing again', async () => {
  const { run, runOut, alert, sent, receipts, breaking, known } = createScene()
  breaking.push('receipt', 'receipt')
  await expect(run()).rejects.toThrow('receipt is broken')
  expect(known(alert.id).progress).toMatchObject({ attempts: 1, outcome: { kind: 'delivered' } })
  await expect(run()).rejects.toThrow('receipt is broken')
  await runOut()
  expect(sent).toHaveLength(1)
  expect(receipts).toMatchObject([{ outcome: 'delivered', attempts: 1 }])
  expect(known(alert.id)).toMatchObject({ isSettled: true, isOwed: false })
})

test('a receipt that takes its time leaves the outcome in Redis meanwhile', async () => {
  const { run, alert, state, known } = createScene()
  const receipt = Promise.withResolvers<void>()
  state.receipt = receipt.promise
  const running = run()
  await vi.advanceTimersByTimeAsync(99)
  expect(known(alert.id).progress).toBeNull()
  await vi.advanceTimersByTimeAsync(1)
  expect(known(alert.id).progress).toMatchObject({ outcome: { kind: 'delivered' } })
  receipt.resolve()
  expect(await running).toMatchObject({ kind: 'settled' })
})

test.each([
  [5_000, 1],
  [5_001, 0],
])('a process that stood still for %i ms after it entered the lane makes %i calls', async (ms, calls) => {
  const { run, sent, state, left } = createScene()
  state.standsStillMs = ms
  const enteredMs = Date.now()
  expect(await run()).toMatchObject({ kind: calls === 1 ? 'settled' : 'crowded' })
  expect(sent).toHaveLength(calls)
  // Not later than its lease, however late this process comes to send.
  for (const { endsByMs } of sent) expect(endsByMs).toBe(enteredMs + 20_000)
  expect(left).toEqual([calls === 1 ? 'fine' : 'neutral'])
  state.standsStillMs = 0
  await vi.advanceTimersByTimeAsync(settlingMs)
  await run()
  expect(sent).toHaveLength(1)
})

test.each([
  [20_000 + 5_000, 1],
  [20_000 + 5_001, 0],
])(
  'a run that waits for the receipts has time for that: after %i ms it makes %i calls',
  async (ms, calls) => {
    const { run, sent, state } = createScene()
    state.isDoubtful = true
    state.standsStillMs = ms
    await run()
    expect(sent).toHaveLength(calls)
  },
)

test.each([
  [19_999, 1],
  [20_000, null],
])(
  'a failure that is known %i ms after the lane was entered leaves %j attempts in its progress',
  async (ms, attempts) => {
    const { run, change, known } = createDeliveryScene({
      answer() {
        vi.setSystemTime(Date.now() + ms)
        return status(500)
      },
    })
    change({ kind: 'verify', address: url })
    const alert = alertOf(3)
    expect(await run(alert)).toMatchObject({ kind: 'again' })
    expect(known(alert.id).progress?.attempts ?? null).toBe(attempts)
  },
)

test('while Redis has not heard of a settlement another run of the alert makes no call', async () => {
  const { run, sent, alert, breaking, known, state } = createScene()
  state.settlesByItself = false
  breaking.push('settle')
  expect(await run()).toMatchObject({ kind: 'settled' })
  expect(await run()).toMatchObject({ kind: 'crowded' })
  await vi.advanceTimersByTimeAsync(settlingMs)
  expect(await run()).toMatchObject({ kind: 'crowded' })
  await vi.advanceTimersByTimeAsync(500)
  expect(known(alert.id)).toMatchObject({ isSettled: true, isOwed: false })
  expect(await run()).toEqual({ kind: 'known_settled' })
  expect(sent).toHaveLength(1)
})

test('an outcome stays with the process for as long as Kafka and Redis are away, also when the job is taken from it', async () => {
  const { run, runOut, alert, sent, breaking, known } = createScene()
  breaking.push('receipt', ...Array.from({ length: 300 }, () => 'keep'))
  const lock = new AbortController()
  const running = run({ signal: lock.signal }).catch((error: unknown) => String(error))
  await vi.advanceTimersByTimeAsync(60_000)
  lock.abort()
  expect(await run()).toMatchObject({ kind: 'crowded' })
  await vi.advanceTimersByTimeAsync(100_000)
  expect(await running).toContain('receipt is broken')
  expect(await runOut()).toMatchObject({ kind: 'settled' })
  expect(sent).toHaveLength(1)
  expect(known(alert.id).isSettled).toBe(true)
  expect(await run()).toEqual({ kind: 'known_settled' })
})

test('a call of which the lane has not heard is held by the process until it has', async () => {
  const { run, runOut, sent, left, breaking } = createScene()
  breaking.push(...Array.from({ length: 20 }, () => 'leave'))
  const running = run()
  await vi.advanceTimersByTimeAsync(9_000)
  expect([await run(), left]).toMatchObject([{ kind: 'crowded' }, []])
  await vi.advanceTimersByTimeAsync(2_000)
  expect(await running).toMatchObject({ kind: 'settled' })
  expect(left).toEqual(['fine'])
  expect(await runOut()).toEqual({ kind: 'known_settled' })
  expect(sent).toHaveLength(1)
})

test('the lane is left when receipt or progress say that nothing is to be sent again, and not before', async () => {
  const { run, alert, state, known, left } = createScene()
  const receipt = Promise.withResolvers<void>()
  state.receipt = receipt.promise
  const running = run()
  await vi.advanceTimersByTimeAsync(99)
  expect(left).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  expect([left, known(alert.id).progress?.outcome?.kind]).toEqual([['fine'], 'delivered'])
  receipt.resolve()
  await running
})

test('what is given up says so in Redis before its receipt, and is settled when its run ends', async () => {
  const { run, alert, state, known } = createScene([status(404)])
  const receipt = Promise.withResolvers<void>()
  state.receipt = receipt.promise
  const running = run()
  await vi.advanceTimersByTimeAsync(0)
  expect(known(alert.id).progress).toMatchObject({ outcome: { kind: 'given_up' } })
  receipt.resolve()
  await vi.advanceTimersByTimeAsync(settlingMs)
  expect(await running).toMatchObject({ kind: 'settled', outcome: { kind: 'given_up' } })
  expect(known(alert.id).isSettled).toBe(true)
})

/** As many calls under way as there may be, to another endpoint that hangs. */
async function createBusyScene() {
  const gate = Promise.withResolvers<Answer>()
  const scene = createDeliveryScene({ concurrency: 2, answer: (n) => (n <= 2 ? gate.promise : status(204)) })
  scene.change({ kind: 'verify', address: url })
  const hanging = [1, 2].map((version) => scene.run(alertOf(version)))
  await vi.advanceTimersByTimeAsync(0)
  return { ...scene, hanging, answer: () => gate.resolve(status(204)) }
}

test('who waits for a place asks no lane, and goes when a call has ended', async () => {
  const { run, sent, caps, answer, hanging } = await createBusyScene()
  const waiting = run(alertOf(3))
  await vi.advanceTimersByTimeAsync(1_000)
  expect([sent.length, caps.length]).toEqual([2, 2])
  answer()
  expect(await waiting).toMatchObject({ kind: 'settled' })
  expect(sent).toHaveLength(3)
  await Promise.all(hanging)
})

test('a second run of an alert whose first one waits for a place makes no call', async () => {
  const { run, sent, answer } = await createBusyScene()
  const waiting = run(alertOf(3))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(await run(alertOf(3), { isDoubtful: true })).toMatchObject({ kind: 'crowded' })
  answer()
  await waiting
  expect(sent).toHaveLength(3)
})

test('a run whose job is no longer its own makes no call, and asks no lane', async () => {
  const { run, sent, left } = createScene()
  expect(await run({ isOurs: false })).toMatchObject({ kind: 'crowded' })
  expect([sent, left]).toEqual([[], []])
})

test('who gets a place after the stop makes no call', async () => {
  const { run, sent, stop, answer } = await createBusyScene()
  const waiting = run(alertOf(3))
  stop.abort()
  answer()
  expect(await waiting).toMatchObject({ kind: 'crowded' })
  expect(sent).toHaveLength(2)
})

test('an endpoint that was deleted while a run waited for a place is not called', async () => {
  const { run, sent, change, answer } = await createBusyScene()
  const waiting = run(alertOf(3))
  await vi.advanceTimersByTimeAsync(2_000)
  change({ kind: 'delete' })
  answer()
  await vi.advanceTimersByTimeAsync(settlingMs)
  expect(await waiting).toMatchObject({ outcome: { kind: 'given_up', reason: 'endpoint_gone' } })
  expect(sent).toHaveLength(2)
})

test('while a call is under way no other run of its alert makes one, whatever Redis has lost', async () => {
  const gate = Promise.withResolvers<Answer>()
  const scene = createDeliveryScene({ answer: () => gate.promise })
  scene.change({ kind: 'verify', address: url })
  const first = scene.run(alertOf(3))
  await vi.advanceTimersByTimeAsync(5_000)
  expect(await scene.run(alertOf(3))).toMatchObject({ kind: 'crowded' })
  gate.resolve(status(204))
  expect(await first).toMatchObject({ kind: 'settled' })
  expect(scene.sent).toHaveLength(1)
})

test('a Redis that is full keeps no alert from ending, which makes room', async () => {
  const { runOut, alert, breaking, state, known } = createScene()
  state.isFull = true
  breaking.push('leave')
  expect(await runOut()).toMatchObject({ kind: 'settled' })
  expect(known(alert.id)).toMatchObject({ isSettled: true, isOwed: false })
})

test('a failed attempt that cannot be written down keeps its count and its pause', async () => {
  const { run, alert, breaking, known } = createScene([status(429, '3600'), status(200)])
  breaking.push(...Array.from({ length: 100 }, () => 'keep'))
  const running = run()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(await running).toMatchObject({ kind: 'again' })
  expect(known(alert.id).progress?.attempts).toBe(1)
  expect(known(alert.id).progress?.dueAtMs).toBeGreaterThanOrEqual(startMs + 3_600_000)
})

test('a stop whose time is over ends the wait for Redis', async () => {
  const { run, breaking, stop } = createScene()
  breaking.push('receipt', ...Array.from({ length: 300 }, () => 'keep'))
  const cancelled = new AbortController()
  const failure = run({ signal: cancelled.signal }).catch((error: unknown) => String(error))
  await vi.advanceTimersByTimeAsync(0)
  stop.abort()
  await vi.advanceTimersByTimeAsync(10_000)
  cancelled.abort()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(await failure).toContain('keep is broken')
})

test('attempts are counted over runs, also those that a lost job began', async () => {
  const { run, receipts } = createScene([status(500), status(503), status(200)])
  expect(await run()).toMatchObject({ kind: 'again', why: 'server_error' })
  vi.advanceTimersByTime(pauseMs)
  expect(await run()).toMatchObject({ kind: 'again', why: 'server_error' })
  vi.advanceTimersByTime(pauseMs)
  expect(await run()).toMatchObject({ kind: 'settled' })
  expect(receipts).toMatchObject([
    {
      outcome: 'delivered',
      attempts: 3,
      lastStatus: 200,
      firstAttemptAt: '2026-01-01T00:00:00.000Z',
      lastAttemptAt: '2026-01-01T00:00:20.000Z',
    },
  ])
})

test('a job that was made anew too early makes no call and waits for the rest of the pause', async () => {
  const { run, sent, left } = createScene([status(503, '60'), status(200)])
  await run()
  vi.setSystemTime(startMs + 20_000)
  const early = await run()
  expect(early.kind === 'held' ? early.delayMs : 0).toBeGreaterThanOrEqual(40_000)
  expect(sent).toHaveLength(1)
  expect(left).toEqual(['trouble', 'neutral'])
})

test.each([
  ['the endpoint is gone', [status(410)], 'refused', 1, 'gone'],
  ['the endpoint refuses it', [status(404)], 'refused', 1, 'rejected'],
  ['the schedule is used up', [status(500)], 'attempts_used_up', 3, 'server_error'],
  ['nobody answers', [{ kind: 'none', error: 'dns' } as const], 'attempts_used_up', 3, 'dns'],
])('an alert is given up with a receipt when %s', async (_, answers, reason, attempts, lastError) => {
  const { run, runOut, alert, receipts, known } = createScene(answers)
  for (let i = 1; i < attempts; i++) {
    await run()
    vi.advanceTimersByTime(pauseMs)
  }
  expect(await runOut()).toMatchObject({ kind: 'settled', outcome: { kind: 'given_up', reason } })
  expect(receipts).toMatchObject([{ outcome: 'given_up', reason, attempts, lastError }])
  expect(known(alert.id).isSettled).toBe(true)
})

test('an alert whose time is over is given up without another call', async () => {
  const { run, sent, receipts } = createScene([status(500)])
  await run()
  vi.setSystemTime(startMs + alertLifeMs)
  expect(await run()).toMatchObject({ outcome: { kind: 'given_up', reason: 'expired' } })
  expect(sent).toHaveLength(1)
  expect(receipts).toMatchObject([
    { reason: 'expired', attempts: 1, lastStatus: 500, lastError: 'server_error' },
  ])
})

test('an alert whose endpoint nobody knows is given up, but only after an hour', async () => {
  const { run, sent, forgetEndpoint } = createScene()
  forgetEndpoint()
  expect(await run()).toMatchObject({ kind: 'held' })
  vi.setSystemTime(startMs + 60 * 60_000)
  expect(await run()).toMatchObject({ outcome: { kind: 'given_up', reason: 'endpoint_gone' } })
  expect(sent).toEqual([])
})

test.each([
  ['an operator has disabled', { kind: 'disable', reason: 'by_operator' }, 'endpoint_disabled'],
  ['that is gone', { kind: 'disable', reason: 'gone' }, 'endpoint_disabled'],
  ['whose owner has enough', { kind: 'disable', reason: 'unsubscribed' }, 'endpoint_disabled'],
  ['that was deleted', { kind: 'delete' }, 'endpoint_gone'],
] as const)('what is pending for an endpoint %s is given up', async (_, change, reason) => {
  const scene = createScene()
  scene.change(change)
  expect(await scene.run()).toMatchObject({ outcome: { kind: 'given_up', reason } })
  expect(scene.sent).toEqual([])
  expect(scene.receipts).toMatchObject([{ reason, attempts: 0, firstAttemptAt: null }])
})

test('what is pending for an endpoint that has to be verified again waits', async () => {
  const scene = createScene()
  const target = { type: 'webhook', url: 'https://other.example/', headers: {} } as const
  scene.change({ kind: 'update', settings: { target } })
  expect(await scene.run()).toMatchObject({ kind: 'held' })
  scene.change({ kind: 'verify', address: target.url })
  expect(await scene.run()).toMatchObject({ kind: 'settled' })
})

test('a superseded alert is skipped only where the endpoint wants it so', async () => {
  const scene = createScene()
  scene.keep(scene.alert.id, { isSuperseded: true })
  scene.change({ kind: 'update', settings: { skipsSuperseded: true } })
  expect(await scene.run()).toMatchObject({ outcome: { kind: 'given_up', reason: 'superseded' } })
  expect(scene.sent).toEqual([])

  const other = createScene()
  other.keep(other.alert.id, { isSuperseded: true })
  expect(await other.run()).toMatchObject({ outcome: { kind: 'delivered' } })
})

test('410 disables the endpoint before anything is settled, also when that takes a second run', async () => {
  const { run, state, endpoint, receipts, sent } = createScene([status(410)])
  state.isBusy = true
  await expect(run()).rejects.toThrow('is being changed')
  expect(receipts).toEqual([])
  state.isBusy = false
  expect(await run()).toMatchObject({ outcome: { reason: 'refused' } })
  expect(endpoint()).toMatchObject({ state: 'disabled', reason: 'gone' })
  expect(sent).toHaveLength(1)
})

test('without its body an alert waits until its time is over, and then still gets a receipt', async () => {
  const { run, alert, sent, receipts, keep } = createScene()
  keep(alert.id, { body: null })
  expect(await run()).toEqual({ kind: 'held', delayMs: 60_000 })
  vi.setSystemTime(startMs + alertLifeMs)
  await run()
  expect(sent).toEqual([])
  expect(receipts).toMatchObject([{ outcome: 'given_up', reason: 'expired', eventTypes: [] }])
})

test('a call that is cancelled counts as no attempt and says nothing against the endpoint', async () => {
  const { run, alert, known, receipts, left, health } = createScene()
  await expect(run({ signal: AbortSignal.abort(new Error('stopping')) })).rejects.toThrow('stopping')
  expect(known(alert.id).progress).toBeNull()
  expect([left, health().failures]).toEqual([['neutral'], 0])
  await run()
  expect(receipts).toMatchObject([{ attempts: 1 }])
})

test('a job that the lane does not let through makes no call', async () => {
  const { run, state, sent } = createScene()
  state.lane = { kind: 'wait', why: 'open', waitMs: 7_000, serviceMs: 0, outstanding: 0 }
  expect(await run()).toEqual({ kind: 'crowded', delayMs: 7_000 })
  expect(sent).toEqual([])
})

test('retries take a part of the slots only', async () => {
  const gate = Promise.withResolvers<Answer>()
  const scene = createDeliveryScene({ answer: () => gate.promise })
  scene.change({ kind: 'verify', address: url })
  const retries = [1, 2].map((version) => scene.run(alertOf(version), { isRetry: true }))
  await vi.advanceTimersByTimeAsync(0)
  expect(await scene.run(alertOf(3), { isRetry: true })).toMatchObject({ kind: 'crowded' })
  const first = scene.run(alertOf(4))
  await vi.advanceTimersByTimeAsync(0)
  expect(scene.sent).toHaveLength(3)
  gate.resolve(status(200))
  await Promise.all([...retries, first])
  expect(await scene.run(alertOf(3), { isRetry: true })).toMatchObject({ kind: 'settled' })
})

test.each([
  [100, 100, 25],
  [100, 10, 10],
  [100, null, 4],
  [10, 100, 2],
  [2, null, 1],
])('of %i calls of a process an endpoint that wants %s gets %i at most', async (concurrency, wanted, cap) => {
  const { run, change, caps } = createDeliveryScene({ concurrency })
  change({ kind: 'verify', address: url })
  change({ kind: 'update', settings: { limits: { ratePerSecond: null, concurrency: wanted } } })
  await run(alertOf(3))
  expect(caps).toEqual([cap])
})

/** A confirmed e-mail address, and a webhook named two. */
function createMailScene(mailAnswer: () => Answer | Promise<Answer>) {
  const address = 'alerts@merchant.example'
  const scene = createDeliveryScene({ target: { type: 'email', address }, mailAnswer })
  scene.change({ kind: 'verify', address })
  scene.change(
    {
      kind: 'create',
      endpointId: 'two',
      clientId: 'client',
      merchant: 'merchant',
      settings: { ...standardSettings, target: { type: 'webhook', url, headers: {} } },
      secret: { secretId: 's1', sealed: 'sealed' },
    },
    'two',
  )
  scene.change({ kind: 'verify', address: url }, 'two')
  return scene
}

test('a mail server that hangs holds ten calls, asks no lane beyond, and webhooks go on', async () => {
  const gate = Promise.withResolvers<Answer>()
  const { run, caps, sent } = createMailScene(() => gate.promise)
  const mails = Array.from({ length: 10 }, (_, n) => run(alertOf(n + 1)))
  await vi.advanceTimersByTimeAsync(0)
  expect(await run(alertOf(11))).toMatchObject({ kind: 'crowded', delayMs: 500 })
  expect(caps).toHaveLength(10)
  expect(await run(alertOf(1, { endpointId: 'two' }))).toMatchObject({ kind: 'settled' })
  expect(sent).toHaveLength(1)
  gate.resolve(status(202))
  await Promise.all(mails)
  expect(await run(alertOf(11))).toMatchObject({ kind: 'settled' })
})

test('a mail that fails on our side gives its place back', async () => {
  const { run, breaking } = createMailScene(() => status(202))
  breaking.push(...Array.from({ length: 10 }, () => 'begin'))
  for (let n = 1; n <= 10; n += 1) await expect(run(alertOf(n))).rejects.toThrow('begin is broken')
  expect(await run(alertOf(11))).toMatchObject({ kind: 'settled' })
})

test('that no mail server is there says nothing against an endpoint or its lane', async () => {
  const { run, left, health } = createMailScene(() => ({ kind: 'none', error: 'mail_unavailable' }))
  expect(await run(alertOf(1))).toMatchObject({ kind: 'again', why: 'mail_unavailable' })
  expect([left, health()]).toMatchObject([['neutral'], { failures: 0, failingSinceMs: null }])
})

test.each([
  ['Redis may have lost markers', true, false],
  ['the job has stalled or was made anew', false, true],
])('nothing is sent before the receipts are seen when %s', async (_, isDoubtful, isJobDoubtful) => {
  const { run, state, sent, seen, breaking } = createScene()
  state.isDoubtful = isDoubtful
  breaking.push('seen')
  await expect(run({ isDoubtful: isJobDoubtful })).rejects.toThrow('seen is broken')
  expect(sent).toEqual([])
  await run({ isDoubtful: isJobDoubtful })
  expect([sent.length, seen]).toEqual([1, [0]])
})

test('what an attempt did to the endpoint holds nothing up when it cannot be written down', async () => {
  const { run, breaking } = createScene([status(500)])
  breaking.push('health')
  expect(await run()).toMatchObject({ kind: 'again' })
})
