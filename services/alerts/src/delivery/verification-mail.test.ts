import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { endpointSubject, verificationVariant } from '../owed-alert.ts'
import { alertOf, createDeliveryScene, startMs, status, url } from './delivery-scene.fixture.ts'

const address = 'alerts@merchant.example'
const otherAddress = 'other@merchant.example'
const mailTo = (of: string) => ({ settings: { target: { type: 'email', address: of } } }) as const

beforeEach(() => {
  vi.useFakeTimers({ now: startMs })
})
afterEach(() => {
  vi.useRealTimers()
})

/** The question that was owed when the endpoint was made, or at a later revision and time. */
function createScene({ revision = 1, askedAtMs = startMs, answer = () => status(202) } = {}) {
  const scene = createDeliveryScene({ target: { type: 'email', address }, answer })
  const alert = alertOf(revision, {
    subject: endpointSubject('client/merchant/one'),
    variant: verificationVariant,
    owedSinceMs: startMs,
  })
  const body = {
    type: 'endpoint.verification',
    timestamp: new Date(askedAtMs).toISOString(),
    data: { endpoint: { endpointId: 'one', clientId: 'client', merchant: 'merchant' }, revision },
  }
  scene.keep(alert.id, { body: JSON.stringify(body) })
  return { ...scene, alert, run: () => scene.run(alert) }
}

test('an unconfirmed address is asked, with the revision of the question, and the receipt says so', async () => {
  const { run, asked, sent, receipts } = createScene()
  expect(await run()).toMatchObject({ kind: 'settled', outcome: { kind: 'delivered' } })
  expect([asked, sent]).toEqual([[{ address, revision: 1 }], []])
  expect(receipts).toMatchObject([
    { eventTypes: ['endpoint.verification'], registration: null, outcome: 'delivered', version: 1 },
  ])
})

test('a mail server that refuses for now is tried again', async () => {
  const { run, asked } = createScene({ answer: () => status(503) })
  expect(await run()).toMatchObject({ kind: 'again' })
  await vi.advanceTimersByTimeAsync(10_000)
  await run()
  expect(asked).toHaveLength(2)
})

test('nothing else reaches an unconfirmed address', async () => {
  const { run, asked } = createDeliveryScene({ target: { type: 'email', address } })
  expect(await run(alertOf(3))).toMatchObject({ kind: 'held' })
  expect(asked).toEqual([])
})

type Scene = ReturnType<typeof createScene>
test.each<[string, (scene: Scene) => void, string]>([
  ['was confirmed since', ({ change }) => change({ kind: 'verify', address }), 'superseded'],
  [
    'was moved, which asks anew',
    ({ change }) => change({ kind: 'update', ...mailTo(otherAddress) }),
    'superseded',
  ],
  ['was asked for anew', ({ change }) => change({ kind: 'requestVerification' }), 'superseded'],
  ['was stopped', ({ change }) => change({ kind: 'disable', reason: 'by_operator' }), 'endpoint_disabled'],
  ['was deleted', ({ change }) => change({ kind: 'delete' }), 'endpoint_gone'],
])('a question about an address that %s is given up without a mail', async (_, happens, reason) => {
  const scene = createScene()
  vi.setSystemTime(startMs + 1)
  happens(scene)
  expect(await scene.run()).toMatchObject({ kind: 'settled', outcome: { kind: 'given_up', reason } })
  expect(scene.asked).toEqual([])
  expect(scene.receipts).toMatchObject([{ outcome: 'given_up', reason, attempts: 0 }])
})

test('other settings do not take the question back', async () => {
  const { run, change, asked } = createScene()
  vi.setSystemTime(startMs + 1)
  change({ kind: 'update', settings: { keepsResponses: true } })
  expect(await run()).toMatchObject({ outcome: { kind: 'delivered' } })
  expect(asked).toHaveLength(1)
})

test('a question that is here before its endpoint waits for it, a second at a time', async () => {
  const { run, change, asked } = createScene({ revision: 3, askedAtMs: startMs + 1_000 })
  change({ kind: 'verify', address })
  expect(await run()).toEqual({ kind: 'held', delayMs: 1_000 })
  vi.setSystemTime(startMs + 1_000)
  change({ kind: 'update', ...mailTo(otherAddress) })
  expect(await run()).toMatchObject({ outcome: { kind: 'delivered' } })
  expect(asked).toEqual([{ address: otherAddress, revision: 3 }])
})

test('a question about an endpoint that nobody knows waits, first for seconds, and not for ever', async () => {
  const { run, forgetEndpoint } = createScene()
  forgetEndpoint()
  expect(await run()).toEqual({ kind: 'held', delayMs: 1_000 })
  vi.setSystemTime(startMs + 60_000)
  expect(await run()).toEqual({ kind: 'held', delayMs: 60_000 })
  vi.setSystemTime(startMs + 3_600_000)
  expect(await run()).toMatchObject({ outcome: { kind: 'given_up', reason: 'endpoint_gone' } })
})

test('a webhook whose headers no key opens is not called, and waits for the key', async () => {
  const { run, change, state, sent } = createDeliveryScene()
  change({ kind: 'verify', address: url })
  state.canUnseal = false
  const alert = alertOf(3)
  expect(await run(alert)).toEqual({ kind: 'held', delayMs: 300_000 })
  expect(sent).toEqual([])
  state.canUnseal = true
  await vi.advanceTimersByTimeAsync(1_001)
  expect(await run(alert)).toMatchObject({ outcome: { kind: 'delivered' } })
  expect(sent).toMatchObject([{ headers: { 'x-own': 'yes' } }])
})
