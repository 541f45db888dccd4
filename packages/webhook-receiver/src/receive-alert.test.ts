import { createHmac } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import { type AlertRequest, refusals } from './authenticate.ts'
import { createAlertReceiver, type Delivery, type ReceiverOptions } from './receive-alert.ts'
import { createMemorySeenStore } from './seen-store.ts'
import {
  changed,
  createSigningKey,
  endpointChanged,
  flagged,
  nowMs,
  secret,
  secretOf,
  signed,
  signedAsymmetric,
  webhookId,
} from './signed-alert.fixture.ts'

const now = () => nowMs
const receiver = (options: ReceiverOptions = {}) =>
  createAlertReceiver({ secrets: [secret], now, ...options })
const receive = (request: AlertRequest, options?: ReceiverOptions) => receiver(options).receive(request)
const refused = (why: keyof typeof refusals) => ({ kind: 'refused', why, status: refusals[why] })

test.each([
  ['registration.changed', changed(3)],
  [
    'registration.changed for operators',
    { ...changed(3), data: { ...changed(3).data, flags: ['reversal'] } },
  ],
  [
    'registration.changed of which not all fits',
    { ...changed(3), data: { ...changed(3).data, eventsTotal: 900, next: '/v1/registrations?clientId=c' } },
  ],
  ['registration.flagged', flagged(3)],
  ['endpoint.disabled', endpointChanged(3)],
  ['endpoint.warned', { ...endpointChanged(3), type: 'endpoint.warned' }],
  ['endpoint.enabled', { ...endpointChanged(3), type: 'endpoint.enabled' }],
])('%s is handed over as it was sent', async (_, alert) => {
  expect(await receive(signed(alert))).toMatchObject({
    kind: 'alert',
    alert,
    id: 'a-1',
    isReplay: false,
    status: 204,
  })
})

test('members that a later version adds do not disturb', async () => {
  const alert = { ...changed(1), later: 1, data: { ...changed(1).data, later: [] } }
  expect(await receive(signed(alert))).toMatchObject({ kind: 'alert', alert })
})

test('an event of a later type is handed over as it was sent', async () => {
  const event = { type: 'entry.suspended', pspName: 'TNG' }
  const alert = { ...changed(1), data: { ...changed(1).data, events: [event, changed(1).data.events[0]] } }
  const received = await receive(signed(alert))
  const events = [{ type: 'unknown_event', sent: event }, changed(1).data.events[0]]
  expect(received).toMatchObject({ kind: 'alert', alert: { data: { events } } })
})

test('an alert of a later type is handed over once, as unknown_type', async () => {
  const { receive } = receiver()
  const body = { type: 'registration.opened', data: { anything: 1 } }
  const first = await receive(signed(body))
  expect(first).toMatchObject({ kind: 'unknown_type', type: 'registration.opened', body, status: 204 })
  if (first.kind === 'unknown_type') await first.confirm()
  expect(await receive(signed(body))).toMatchObject({ kind: 'repeat', status: 204 })
})

test('a challenge is answered with its text, and as often as it is asked', async () => {
  const { handle } = receiver()
  const request = signed({ type: 'endpoint.challenge', data: { challenge: 'c-42' } })
  for (const _ of [1, 2]) {
    const answer = await handle(request, () => expect.unreachable())
    expect(answer).toMatchObject({
      status: 200,
      text: 'c-42',
      outcome: { kind: 'challenge', answer: 'c-42' },
    })
  }
})

test('a challenge that nobody signed is not answered', async () => {
  const request = signed(
    { type: 'endpoint.challenge', data: { challenge: 'c-42' } },
    { secrets: [secretOf(9)] },
  )
  const { status, text } = await receiver().handle(request, () => expect.unreachable())
  expect(status).toBe(401)
  expect(text).not.toContain('c-42')
})

test.each([
  ['of another secret', signed(changed(1), { secrets: [secretOf(2)] }), 'wrong_signature'],
  ['without a signature', { headers: {}, body: '{}' }, 'headers_missing'],
  ['whose body was parsed before', { ...signed(changed(1)), body: changed(1) }, 'body_not_raw'],
  ['without a body', { ...signed(changed(1)), body: undefined }, 'wrong_signature'],
  ['of 301 s ago', signed(changed(1), { atMs: nowMs - 301_000 }), 'too_old'],
  ['of 301 s from now', signed(changed(1), { atMs: nowMs + 301_000 }), 'too_new'],
  ['that is not JSON', signed('{'), 'unreadable'],
  ['that is empty', signed(''), 'unreadable'],
  ['that is a list', signed([changed(1)]), 'unreadable'],
  ['without a type', signed({ data: {} }), 'unreadable'],
  ['of a known type without its members', signed({ ...changed(1), data: { version: 1 } }), 'unreadable'],
  ['with version 0', signed(changed(0)), 'unreadable'],
  ['whose id has a dot', signed(changed(1), { id: 'a.1' }), 'headers_missing'],
] as const)('a request %s is refused', async (_, request, why) => {
  const { status, text, outcome } = await receiver().handle(request, () => expect.unreachable())
  expect(outcome).toMatchObject(refused(why))
  expect(status).toBe(refusals[why])
  expect(text).not.toBe('')
})

test.each([-300, 300])('a request of %d s from now is taken', async (seconds) => {
  const request = signed(changed(1), { atMs: nowMs + seconds * 1000 })
  expect(await receive(request)).toMatchObject({ kind: 'alert' })
  expect(await receive(request, { toleranceS: 299 })).toMatchObject({ kind: 'refused' })
})

test('a genuine body that is not UTF-8 is refused', async () => {
  const body = Buffer.from([0x22, 0xff, 0x22])
  const headers = {
    'webhook-id': 'a-1',
    'webhook-timestamp': String(Math.floor(nowMs / 1000)),
    'webhook-signature': signatureOf(body),
  }
  expect(await receive({ headers, body })).toMatchObject(refused('unreadable'))
})

function signatureOf(body: Uint8Array): string {
  const hmac = createHmac('sha256', Buffer.alloc(32, 1)).update(`a-1.${Math.floor(nowMs / 1000)}.`)
  return `v1,${hmac.update(body).digest('base64')}`
}

const spellings: [string, (headers: Record<string, string>) => AlertRequest['headers']][] = [
  ['as Node gives them', (headers) => headers],
  ['as a list per name', (headers) => mapped(headers, ([name, value]) => [name, [value]])],
  ['in other letters', (headers) => mapped(headers, ([name, value]) => [name.toUpperCase(), value])],
  ['as a Headers object', (headers) => new Headers(headers)],
]

function mapped<T>(headers: Record<string, string>, change: (entry: [string, string]) => [string, T]) {
  return Object.fromEntries(Object.entries(headers).map(change))
}

test.each(spellings)('headers are read %s, and a body as text or bytes', async (_, spell) => {
  const { headers, body } = signed(changed(1))
  expect(await receive({ headers: spell(headers), body })).toMatchObject({ kind: 'alert' })
  const bytes = new TextEncoder().encode(body)
  expect(await receive({ headers: spell(headers), body: bytes })).toMatchObject({ kind: 'alert' })
})

test('during a rotation what the old, the new or both secrets have signed is taken', async () => {
  const [old, young, foreign] = [secretOf(1), secretOf(2), secretOf(3)]
  const both = { secrets: [young, old] }
  for (const secrets of [[old], [young], [young, old], [foreign, old]]) {
    expect(await receive(signed(changed(1), { secrets }), both)).toMatchObject({ kind: 'alert' })
  }
  expect(await receive(signed(changed(1), { secrets: [foreign] }), both)).toMatchObject(
    refused('wrong_signature'),
  )
  expect(await receive(signed(changed(1), { secrets: [young, old] }), { secrets: [old] })).toMatchObject({
    kind: 'alert',
  })
})

test('the signature of the example that senders publish is taken', async () => {
  const request = {
    headers: {
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    },
    body: '{"test": 2432232314}',
  }
  const options = { secrets: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'], now: () => 1_614_265_330_000 }
  // Signed, and of no type of ours.
  expect(await receive(request, options)).toMatchObject(refused('unreadable'))
  expect(await receive({ ...request, body: '{"test": 2432232315}' }, options)).toMatchObject(
    refused('wrong_signature'),
  )
})

test('what the kit takes the library standardwebhooks takes, with the same content', async () => {
  const alert = { ...changed(1), note: 'é 漢字 \u0000' }
  const request = signed(alert, { atMs: Date.now() })
  expect(await receive(request, { now: Date.now })).toMatchObject({ kind: 'alert' })
  expect(new Webhook(secret).verify(request.body, request.headers)).toEqual(alert)
})

const id = webhookId('client/M%201/', 1, 'shop-1')
const key = createSigningKey()
const later = createSigningKey()
const published = { publicKeys: { keys: [later.publicKey, key.publicKey] }, endpointId: 'shop-1' }
const publicOnly = { secrets: [], published }

test('with the published keys alone, what any of them has signed for this endpoint is taken', async () => {
  for (const { privateKey } of [key, later]) {
    const request = signedAsymmetric(signed(changed(1), { id }), privateKey)
    expect(await receive(request, publicOnly)).toMatchObject({ kind: 'alert' })
    const beside = signedAsymmetric(signed(changed(1), { id }), privateKey, { beside: true })
    expect(await receive(beside, publicOnly)).toMatchObject({ kind: 'alert' })
    expect(await receive(beside)).toMatchObject({ kind: 'alert' })
    expect(await receive(request, { published })).toMatchObject({ kind: 'alert' })
  }
  const stranger = signedAsymmetric(signed(changed(1), { id }), createSigningKey().privateKey)
  expect(await receive(stranger, publicOnly)).toMatchObject(refused('wrong_signature'))
  expect(await receive(signed(changed(1), { id }), publicOnly)).toMatchObject(refused('wrong_signature'))
})

test('an alert that another endpoint was sent, and passes on, is refused', async () => {
  const theirs = webhookId('client/M%201/', 1, 'shop-2')
  const request = signedAsymmetric(signed(changed(1), { id: theirs }), key.privateKey)
  expect(await receive(request, publicOnly)).toMatchObject(refused('wrong_endpoint'))
  const ofEndpoint = webhookId('endpoint:client/%2A/shop-1', 4, 'shop-1')
  const operators = signedAsymmetric(signed(endpointChanged(4), { id: ofEndpoint }), key.privateKey)
  expect(await receive(operators, publicOnly)).toMatchObject({ kind: 'alert' })
})

function ask(endpointId: string) {
  const body = { type: 'endpoint.challenge', data: { endpointId, challenge: 'c-42' } }
  return receive(signedAsymmetric(signed(body), key.privateKey), publicOnly)
}

test('with the published keys alone a challenge of another endpoint is not answered', async () => {
  expect(await ask('shop-1')).toEqual({ kind: 'challenge', answer: 'c-42', status: 200 })
  expect(await ask('shop-2')).toMatchObject(refused('wrong_endpoint'))
})

test('a signature in another spelling is refused', async () => {
  const request = signedAsymmetric(signed(changed(1), { id }), key.privateKey)
  const spelt = { ...request.headers, 'webhook-signature': `${request.headers['webhook-signature']}=` }
  expect(await receive({ ...request, headers: spelt }, publicOnly)).toMatchObject(refused('wrong_signature'))
})

/** Every request that differs in one bit of one part. */
function* withOneBitFlipped({ headers, body }: ReturnType<typeof signed>): Generator<AlertRequest> {
  for (const name of ['webhook-id', 'webhook-timestamp', 'webhook-signature']) {
    for (const flipped of flips(Buffer.from(headers[name] ?? '', 'latin1'))) {
      yield { headers: { ...headers, [name]: flipped.toString('latin1') }, body }
    }
  }
  for (const flipped of flips(Buffer.from(body))) yield { headers, body: flipped }
}

function* flips(bytes: Buffer): Generator<Buffer> {
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const flipped = Buffer.from(bytes)
    flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
    yield flipped
  }
}

test.each([
  ['v1', signed(changed(1), { id }), {}],
  ['v1a', signedAsymmetric(signed(changed(1), { id }), key.privateKey), publicOnly],
])(
  'any one bit flipped in id, time, body or %s signature is refused',
  { timeout: 60_000 },
  async (_, request, options) => {
    const { receive } = receiver(options)
    const taken: AlertRequest[] = []
    let flipped = 0
    for (const forged of withOneBitFlipped(request)) {
      if ((await receive(forged)).kind !== 'refused') taken.push(forged)
      flipped += 1
    }
    expect(taken).toEqual([])
    expect(flipped).toBeGreaterThan(2_000)
    expect(await receive(request)).toMatchObject({ kind: 'alert' })
  },
)

test.each([
  [{}, 'There is no key'],
  [{ secrets: ['whsec_'] }, 'secrets[0] cannot be used: it is empty'],
  [{ secrets: [secret, 'whsec_not base64'] }, 'secrets[1] cannot be used: what follows whsec_ is not base64'],
  [{ secrets: ['whsec_c2hvcnQ='] }, 'it has 5 bytes, not 24 to 64'],
  [{ published: { publicKeys: { keys: [{ kty: 'RSA' }] }, endpointId: 'e' } }, 'it holds no Ed25519 key'],
  [
    { published: { publicKeys: { keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'AA' }] }, endpointId: 'e' } },
    'not 32 bytes',
  ],
])('a receiver of %j does not start', (options, problem) => {
  expect(() => createAlertReceiver(options)).toThrow(problem)
})

test('work is done once, confirmed, and a retry or a replay is a repeat', async () => {
  const { handle } = receiver()
  const worked: Delivery[] = []
  const work = (_: unknown, delivery: Delivery) => void worked.push(delivery)
  expect(await handle(signed(changed(1)), work)).toMatchObject({ status: 204, outcome: { kind: 'alert' } })
  expect(await handle(signed(changed(1)), work)).toMatchObject({ status: 204, outcome: { kind: 'repeat' } })
  const replay = signed(changed(1), { replay: true })
  expect(await handle(replay, work)).toMatchObject({
    status: 204,
    outcome: { kind: 'repeat', isReplay: true },
  })
  expect(worked).toEqual([{ id: 'a-1', isReplay: false, isLate: false }])
})

test('a replay of what never came is worked on', async () => {
  const worked: Delivery[] = []
  const work = (_: unknown, delivery: Delivery) => void worked.push(delivery)
  await receiver().handle(signed(changed(1), { replay: true }), work)
  expect(worked).toEqual([{ id: 'a-1', isReplay: true, isLate: false }])
})

test('work that fails is asked for again, and done at the next retry', async () => {
  const { handle } = receiver()
  const problem = new Error('database away')
  const failed = await handle(signed(changed(1)), () => Promise.reject(problem))
  expect(failed).toMatchObject({ status: 500, outcome: { kind: 'failed', error: problem } })
  expect(failed.text).not.toContain('database')
  expect(await handle(signed(changed(1)), () => {})).toMatchObject({
    status: 204,
    outcome: { kind: 'alert' },
  })
})

test('a retry that overtakes the work is asked for later, as is another version of the registration', async () => {
  const { handle } = receiver()
  const { promise: finished, resolve: finish } = Promise.withResolvers<void>()
  const working = handle(signed(changed(1)), () => finished)
  await Promise.resolve()
  const busy = { status: 409, outcome: { kind: 'busy' } }
  expect(await handle(signed(changed(1)), () => expect.unreachable())).toMatchObject(busy)
  expect(await handle(signed(changed(2), { id: 'a-2' }), () => expect.unreachable())).toMatchObject(busy)
  finish()
  expect(await working).toMatchObject({ status: 204 })
  expect(await handle(signed(changed(1)), () => expect.unreachable())).toMatchObject({
    outcome: { kind: 'repeat' },
  })
})

test('a store that is away makes Signalbox try again', async () => {
  const seen = { ...createMemorySeenStore(), claim: () => Promise.reject(new Error('store away')) }
  const answer = await receiver({ seen }).handle(signed(changed(1)), () => expect.unreachable())
  expect(answer).toMatchObject({ status: 500, outcome: { kind: 'failed' } })
})
