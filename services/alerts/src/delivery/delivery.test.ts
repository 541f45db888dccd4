import type { AlertReceipt } from '@signalbox/contracts/alert'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Answer } from '../attempt/answer.ts'
import { createTroubledEndpoints } from '../attempt/troubled-endpoints.ts'
import { alertLifeMs, owedAlert } from '../owed-alert.ts'
import { createDeliver, type DeliveryPorts } from './delivery.ts'
import type { Progress } from './progress.ts'

/** Longer than any pause of the schedule below. */
const pauseMs = 10_000
const startMs = Date.UTC(2026, 0, 1)
const alert = owedAlert({
  registrationKey: 'client/merchant/',
  version: 3,
  endpointId: 'one',
  partition: 0,
  owedSinceMs: startMs,
})

beforeEach(() => {
  vi.useFakeTimers({ now: startMs })
})
afterEach(() => {
  vi.useRealTimers()
})

/** A whole of in-memory ports. `breaking` names the calls that fail next, each as often as it is named. */
function createScene({ answers = [{ kind: 'status', status: 204, retryAfter: null }] as Answer[] } = {}) {
  const state = {
    progress: null as Progress | null,
    isSettled: false,
    isOwed: true,
    body: '{"a":1}' as string | null,
    hasEndpoint: true,
  }
  const sent: { id: string | undefined; body: string }[] = []
  const receipts: AlertReceipt[] = []
  const breaking: string[] = []
  const mayBreak = (call: string) => {
    const index = breaking.indexOf(call)
    if (index === -1) return
    breaking.splice(index, 1)
    throw new Error(`${call} is broken`)
  }
  const ports: DeliveryPorts = {
    book: {
      async read() {
        mayBreak('read')
        return { isSettled: state.isSettled, progress: state.progress, body: state.body }
      },
      async keep(_, made) {
        mayBreak('keep')
        state.progress = made
      },
      async markSettled() {
        mayBreak('markSettled')
        state.isSettled = true
      },
      async clear() {
        mayBreak('clear')
        state.isOwed = false
        state.progress = null
      },
    },
    receipts: {
      async write(receipt) {
        mayBreak('receipt')
        receipts.push(receipt)
      },
    },
    endpoints: {
      find: (id) =>
        state.hasEndpoint ? { id, url: 'https://merchant.example/', secret: Buffer.alloc(32) } : undefined,
    },
    troubled: createTroubledEndpoints(),
    async send({ headers, body, signal }) {
      signal.throwIfAborted()
      sent.push({ id: headers['webhook-id'], body })
      return answers[Math.min(sent.length, answers.length) - 1] ?? { kind: 'none', error: 'connection' }
    },
    report: { attempted() {}, settled() {} },
  }
  const stop = new AbortController()
  const deliver = createDeliver(ports, { backoffMs: [1_000, 2_000], stop: stop.signal })
  const run = (signal = new AbortController().signal) => deliver(alert, { signal })
  return { state, sent, receipts, breaking, ports, run, stop }
}

const status = (code: number, retryAfter: string | null = null): Answer => ({
  kind: 'status',
  status: code,
  retryAfter,
})

test('a delivered alert has a receipt and a marker and is owed no longer', async () => {
  const { run, sent, receipts, state } = createScene()
  expect(await run()).toEqual({ kind: 'settled', outcome: { kind: 'delivered', at: startMs } })
  expect(sent).toEqual([{ id: alert.id, body: '{"a":1}' }])
  expect(receipts).toEqual([
    {
      alertId: alert.id,
      registration: { clientId: 'client', referenceMerchantId: 'merchant', referenceStoreId: null },
      version: 3,
      endpointId: 'one',
      outcome: 'delivered',
      reason: null,
      attempts: 1,
      lastStatus: 204,
      lastError: null,
      settledAt: '2026-01-01T00:00:00.000Z',
    },
  ])
  expect(state).toMatchObject({ isSettled: true, isOwed: false, progress: null })
})

test('a settled alert is never sent again', async () => {
  const { run, sent, receipts } = createScene()
  await run()
  expect(await run()).toEqual({ kind: 'known_settled' })
  expect([sent.length, receipts.length]).toEqual([1, 1])
})

test.each(['receipt', 'markSettled', 'clear'])(
  'after a 2xx a run that breaks at %s sends nothing a second time',
  async (call) => {
    const { run, sent, receipts, breaking, state } = createScene()
    breaking.push(call, call)
    await expect(run()).rejects.toThrow(`${call} is broken`)
    await expect(run()).rejects.toThrow(`${call} is broken`)
    await run()
    expect(sent).toHaveLength(1)
    expect(new Set(receipts.map((receipt) => JSON.stringify(receipt))).size).toBe(1)
    expect(state).toMatchObject({ isSettled: true, isOwed: false })
  },
)

test('an outcome stays with the process for as long as Redis is away, also when the job is taken from it', async () => {
  const { run, sent, breaking, state } = createScene()
  breaking.push(...Array.from({ length: 300 }, () => 'keep'))
  const lock = new AbortController()
  const running = run(lock.signal)
  await vi.advanceTimersByTimeAsync(60_000)
  lock.abort()
  expect(await run()).toMatchObject({ kind: 'held' })
  await vi.advanceTimersByTimeAsync(100_000)
  expect(await running).toMatchObject({ kind: 'settled' })
  expect(sent).toHaveLength(1)
  expect(state.isSettled).toBe(true)
  expect(await run()).toEqual({ kind: 'known_settled' })
})

test('a failed attempt that cannot be written down keeps its count and its pause', async () => {
  const { run, breaking, state } = createScene({ answers: [status(429, '3600'), status(200)] })
  breaking.push(...Array.from({ length: 100 }, () => 'keep'))
  const running = run()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(await running).toMatchObject({ kind: 'again' })
  expect(state.progress?.attempts).toBe(1)
  expect(state.progress?.dueAtMs).toBeGreaterThanOrEqual(startMs + 3_600_000)
})

test('a stop whose time is over ends the wait for Redis', async () => {
  const { run, breaking, stop } = createScene()
  breaking.push(...Array.from({ length: 300 }, () => 'keep'))
  const cancelled = new AbortController()
  const failure = run(cancelled.signal).catch((error: unknown) => String(error))
  stop.abort()
  await vi.advanceTimersByTimeAsync(10_000)
  cancelled.abort()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(await failure).toContain('keep is broken')
})

test('attempts are counted over runs, also those that a lost job began', async () => {
  const { run, receipts } = createScene({ answers: [status(500), status(503), status(200)] })
  expect(await run()).toMatchObject({ kind: 'again', why: 'server_error' })
  vi.advanceTimersByTime(pauseMs)
  expect(await run()).toMatchObject({ kind: 'again', why: 'server_error' })
  vi.advanceTimersByTime(pauseMs)
  expect(await run()).toMatchObject({ kind: 'settled' })
  expect(receipts).toMatchObject([{ outcome: 'delivered', attempts: 3, lastStatus: 200 }])
})

test('a job that was made anew too early makes no call and waits for the rest of the pause', async () => {
  const { run, sent } = createScene({ answers: [status(503, '60'), status(200)] })
  await run()
  vi.setSystemTime(startMs + 20_000)
  const early = await run()
  expect(early.kind === 'held' ? early.delayMs : 0).toBeGreaterThanOrEqual(40_000)
  expect(sent).toHaveLength(1)
})

test.each([
  ['the endpoint refuses it', [status(410)], 'refused', 1, 'gone'],
  ['the schedule is used up', [status(500)], 'attempts_used_up', 3, 'server_error'],
  ['nobody answers', [{ kind: 'none', error: 'dns' } as const], 'attempts_used_up', 3, 'dns'],
])('an alert is given up with a receipt when %s', async (_, answers, reason, attempts, lastError) => {
  const { run, receipts, state } = createScene({ answers })
  for (let i = 1; i < attempts; i++) {
    await run()
    vi.advanceTimersByTime(pauseMs)
  }
  expect(await run()).toMatchObject({ kind: 'settled', outcome: { kind: 'given_up', reason } })
  expect(receipts).toMatchObject([{ outcome: 'given_up', reason, attempts, lastError }])
  expect(state.isSettled).toBe(true)
})

test('an alert whose time is over is given up without another call', async () => {
  const { run, sent, receipts } = createScene({ answers: [status(500)] })
  await run()
  vi.setSystemTime(startMs + alertLifeMs)
  expect(await run()).toMatchObject({ outcome: { kind: 'given_up', reason: 'expired' } })
  expect(sent).toHaveLength(1)
  expect(receipts).toMatchObject([
    { reason: 'expired', attempts: 1, lastStatus: 500, lastError: 'server_error' },
  ])
})

test('an alert whose endpoint nobody knows any more is given up, but only after an hour', async () => {
  const { run, sent, state } = createScene()
  state.hasEndpoint = false
  expect(await run()).toMatchObject({ kind: 'held' })
  vi.setSystemTime(startMs + 60 * 60_000)
  expect(await run()).toMatchObject({ outcome: { kind: 'given_up', reason: 'endpoint_gone' } })
  expect(sent).toEqual([])
})

test('an endpoint that only this process did not know yet still gets its alert', async () => {
  const { run, sent, state } = createScene()
  state.hasEndpoint = false
  expect(await run()).toMatchObject({ kind: 'held' })
  state.hasEndpoint = true
  expect(await run()).toMatchObject({ kind: 'settled' })
  expect(sent).toHaveLength(1)
})

test('without its body an alert waits until its time is over, and then still gets a receipt', async () => {
  const { run, sent, receipts, state } = createScene()
  state.body = null
  await expect(run()).rejects.toThrow('is lost')
  vi.setSystemTime(startMs + alertLifeMs)
  await run()
  expect(sent).toEqual([])
  expect(receipts).toMatchObject([{ outcome: 'given_up', reason: 'expired' }])
})

test('a call that is cancelled counts as no attempt and says nothing against the endpoint', async () => {
  const { run, state, receipts } = createScene()
  await expect(run(AbortSignal.abort(new Error('stopping')))).rejects.toThrow('stopping')
  expect(state.progress).toBeNull()
  await run()
  expect(receipts).toMatchObject([{ attempts: 1 }])
})

test('an endpoint in trouble with enough calls under way is not called', async () => {
  const { run, ports, sent } = createScene()
  for (let i = 0; i < 9; i++) ports.troubled.enter('one')
  for (let i = 0; i < 5; i++) ports.troubled.leave('one', true)
  expect(await run()).toMatchObject({ kind: 'held' })
  expect(sent).toEqual([])
})
