import { openHeaders } from '@signalbox/alert-endpoints/sealed-headers'
import { Webhook } from 'standardwebhooks'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createConsoleApp } from './console-app.fixture.ts'
import {
  attemptsShape,
  createdShape,
  endpointDetailShape,
  endpointsShape,
  rotatedShape,
} from './endpoint-item.ts'
import { askedShape } from './endpoint-verification.ts'
import { createMemoryEndpoints } from './memory-endpoints.fixture.ts'

let nowMs: number
let endpoints: ReturnType<typeof createMemoryEndpoints>
let console: ReturnType<typeof createConsoleApp>

beforeEach(() => {
  nowMs = Date.UTC(2026, 5, 1, 12)
  endpoints = createMemoryEndpoints({ now: () => nowMs })
  console = createConsoleApp({}, { endpoints: endpoints.ports, now: () => nowMs })
})
afterEach(() => console.app.close())

const url = 'https://merchant.example/alerts'
const webhook = { clientId: 'C1', merchant: 'M1', target: { type: 'webhook', url } }
const email = { clientId: 'C1', merchant: 'M1', target: { type: 'email', address: 'a@merchant.example' } }

const errorAnswer = z.strictObject({ error: z.strictObject({ code: z.string(), message: z.string() }) })
async function create(body: object = webhook, token = 'one-operator') {
  const answer = await console.ask('POST', '/v1/endpoints', token, body)
  expect([answer.statusCode, answer.body]).toEqual([201, answer.body])
  const { endpoint, secret } = createdShape.parse(answer.json())
  return { ...endpoint, secret, at: `/v1/endpoints/${endpoint.endpointId}`, answer }
}

async function createActive(body: object = webhook) {
  const created = await create(body)
  passChallenges()
  expect((await console.ask('POST', `${created.at}/verify`, 'one-operator')).statusCode).toBe(200)
  return created
}

/** Answers every challenge as it should be. */
function passChallenges() {
  endpoints.answerCalls(async ({ body }) => {
    const { data } = z.object({ data: z.object({ challenge: z.string() }) }).parse(JSON.parse(body))
    return { kind: 'status', status: 200, retryAfter: null, body: `{"challenge":"${data.challenge}"}` }
  })
}

async function look(at: string, token = 'one-viewer') {
  return endpointDetailShape.parse((await console.ask('GET', at, token)).json())
}

/** A webhook as its record holds it, with its headers in clear. */
function targetOf(endpointId: string) {
  const endpoint = endpoints.records.get(endpointId)
  if (endpoint?.target?.type !== 'webhook') throw new Error('a webhook')
  const { sealing } = endpoints.ports
  return {
    ...endpoint.target,
    headers: openHeaders(endpoint, (sealed) => sealing.unseal(sealed, { endpointId })),
  }
}

function refusalOf(answer: { statusCode: number; json(): unknown }): [number, string] {
  return [answer.statusCode, errorAnswer.parse(answer.json()).error.message]
}

describe('a new endpoint', () => {
  test('is unverified, with the standard settings, and its secret is told this once', async () => {
    const { secret, answer, at, ...endpoint } = await create()
    expect(endpoint).toMatchObject({
      ...webhook,
      target: { type: 'webhook', url, headerNames: [] },
      revision: 1,
      audience: 'merchant',
      state: 'unverified',
      filters: { eventTypes: null, pspNames: null, productCodes: null },
      limits: { ratePerSecond: null, concurrency: null },
      activeFrom: null,
      history: [{ action: 'created' }],
    })
    expect(Buffer.from(secret?.replace('whsec_', '') ?? '', 'base64')).toHaveLength(32)
    expect(answer.headers).toMatchObject({ location: at, etag: '"1"', 'cache-control': 'no-store' })
    const later = [
      (await console.ask('GET', at)).body,
      (await console.ask('GET', '/v1/endpoints')).body,
      console.loggedText(),
      JSON.stringify([...endpoints.records.values()]),
    ].join('\n')
    expect(later).not.toContain(secret?.slice(6, 30))
    expect(later).toContain(endpoint.secrets[0]?.secretId)
  })

  test('takes every setting that is given', async () => {
    const settings = {
      merchant: '*',
      audience: 'operator',
      filters: { eventTypes: ['registration.flagged'], pspNames: ['GCASH'], productCodes: ['*'] },
      limits: { ratePerSecond: 0.5, concurrency: 2 },
      skipsSuperseded: true,
      keepsResponses: true,
    }
    const target = { type: 'webhook', url, headers: { 'X-Api-Key': 'k-123' } }
    const { endpointId, at } = await create({ ...webhook, ...settings, target })
    expect(endpoints.records.get(endpointId)).toMatchObject(settings)
    expect(targetOf(endpointId)).toEqual(target)
    expect((await console.ask('GET', at)).body).not.toContain('k-123')
    expect(JSON.stringify([...endpoints.records.values()]) + console.loggedText()).not.toContain('k-123')
  })

  test('of e-mail has no secret', async () => {
    const { secret, secrets, target } = await create(email)
    expect([secret, secrets, target]).toEqual([null, [], email.target])
  })

  test('carries the name of the token in its audit trail', async () => {
    const { history } = await create(webhook, 'all-operator')
    expect(history.map(({ by }) => by)).toEqual(['Olga'])
  })

  const over = (target: object) => ({ ...webhook, target: { ...webhook.target, ...target } })
  test.each([
    ['no client', { merchant: 'M1', target: webhook.target }, 'The member clientId is missing: give it.'],
    [
      'no target',
      { clientId: 'C1', merchant: 'M1' },
      /^The member target must be an object such as \{"type"/,
    ],
    ['another type', over({ type: 'sms' }), 'The member target.type must be webhook or email.'],
    [
      'an unknown member',
      { ...webhook, secret: 'x' },
      /^There is a member that is not known here\. Known are: /,
    ],
    ['an unknown member inside', over({ method: 'PUT' }), /It is in target\.$/],
    ['no URL', over({ url: 'merchant' }), /^The member target\.url must be a URL such as https/],
    [
      'http',
      over({ url: 'http://merchant.example/' }),
      /^The member target\.url cannot be used: .*https\. Give a public/,
    ],
    ['an IP address', over({ url: 'https://0x7f.1/' }), /target\.url cannot be used: .*IP address/],
    [
      'a private name',
      over({ url: 'https://vault.internal/' }),
      /target\.url cannot be used: .*private network/,
    ],
    ['a login', over({ url: 'https://u:p@merchant.example/' }), /target\.url cannot be used: .*login/],
    ['another port', over({ url: 'https://merchant.example:22/' }), /target\.url cannot be used: .*port/],
    [
      'a reserved header',
      over({ headers: { 'Webhook-Id': 'x' } }),
      /target\.headers cannot be sent: .*reserved/,
    ],
    ['Host', over({ headers: { host: 'x' } }), /target\.headers cannot be sent: .*reserved/],
    ['a header of two lines', over({ headers: { a: 'x\r\ny: z' } }), /target\.headers cannot be sent/],
    [
      'no e-mail address',
      { ...email, target: { type: 'email', address: 'a' } },
      /target\.address must be an e-mail/,
    ],
    [
      'a wrong event',
      { ...webhook, filters: { eventTypes: ['entry.lost'] } },
      /filters\.eventTypes\[0\] must be one of entry\.approved/,
    ],
    [
      'an empty filter',
      { ...webhook, filters: { pspNames: [] } },
      /filters\.pspNames is empty and would let nothing/,
    ],
    [
      'operators’ events',
      { ...webhook, filters: { eventTypes: ['endpoint.warned'] } },
      /endpoint\.warned, which only .* operator/,
    ],
    [
      'no rate',
      { ...webhook, limits: { ratePerSecond: 0 } },
      /limits\.ratePerSecond must be a number from 0\.1/,
    ],
    [
      'half a call',
      { ...webhook, limits: { concurrency: 1.5 } },
      /limits\.concurrency must be a whole number/,
    ],
    ['no body', [], 'Send one JSON object.'],
  ])('with %s is refused in words, and nothing is written', async (_, body, message) => {
    const answer = await console.ask('POST', '/v1/endpoints', 'one-operator', body)
    const [status, said] = refusalOf(answer)
    expect(status).toBe(400)
    expect(said).toMatch(message)
    expect(endpoints.records.size).toBe(0)
  })

  test('beyond fifty of one merchant is refused, and another merchant may have one', async () => {
    for (let made = 0; made < 50; made++) await create()
    const answer = await console.ask('POST', '/v1/endpoints', 'one-operator', webhook)
    expect(refusalOf(answer)).toEqual([409, expect.stringContaining('50 endpoints already')])
    await create({ ...webhook, merchant: 'M2' })
  })
})

describe('a list', () => {
  test('comes page by page, with health and without deleted ones, none twice and none left out', async () => {
    const made = await Promise.all(['A', 'B', 'C', 'D'].map((merchant) => create({ ...webhook, merchant })))
    endpoints.health.set(made[1]?.endpointId ?? '', {
      failingSinceMs: nowMs - 3_600_000,
      failures: 12,
      lastSuccessMs: null,
      warnedPercent: 50,
    })
    await console.ask('DELETE', made[2]?.at ?? '', 'one-admin')
    const seen: z.infer<typeof endpointsShape>['endpoints'] = []
    let cursor: string | null = null
    do {
      const more: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`
      const answer = await console.ask('GET', `/v1/endpoints?clientId=C1&limit=1${more}`, 'one-viewer')
      const page = endpointsShape.parse(answer.json())
      seen.push(...page.endpoints)
      cursor = page.next
    } while (cursor !== null)
    expect(seen.map(({ merchant }) => merchant)).toEqual(['A', 'B', 'D'])
    expect(seen.map(({ health }) => health)).toMatchObject([
      { failingSince: null, failures: 0 },
      { failingSince: '2026-06-01T11:00:00.000Z', failures: 12, warnedPercent: 50 },
      { failures: 0 },
    ])
    expect(seen.filter((item) => 'history' in item)).toEqual([])
  })

  test('of every client is for those who may see every client', async () => {
    await create()
    await create({ ...webhook, clientId: 'C2' }, 'all-operator')
    const all = endpointsShape.parse((await console.ask('GET', '/v1/endpoints', 'all-viewer')).json())
    expect(all.endpoints.map(({ clientId }) => clientId)).toEqual(['C1', 'C2'])
    const one = await console.ask('GET', '/v1/endpoints', 'one-viewer')
    expect(refusalOf(one)).toEqual([400, expect.stringContaining('clientId is missing')])
  })

  test.each(['0:C0/M/ep-x', '0:', 'x', '0:C1'])(
    'does not go on after the cursor %s of another list',
    async (cursor) => {
      const answer = await console.ask(
        'GET',
        `/v1/endpoints?clientId=C1&cursor=${encodeURIComponent(cursor)}`,
        'one-viewer',
      )
      expect(refusalOf(answer)).toEqual([400, 'The parameter cursor is none that this list gave.'])
    },
  )
})

describe('an update', () => {
  test('changes what it gives and nothing else, and says so in the audit trail', async () => {
    const filters = { eventTypes: ['entry.approved'], pspNames: ['GCASH'] }
    const target = { type: 'webhook', url, headers: { 'x-a': '1' } }
    const { at, endpointId } = await createActive({ ...webhook, target, filters })
    nowMs += 1_000
    const answer = await console.ask('PATCH', at, 'all-operator', {
      filters: { pspNames: null },
      limits: { concurrency: 2 },
      keepsResponses: true,
    })
    expect([answer.statusCode, answer.headers['etag']]).toEqual([200, '"3"'])
    expect(targetOf(endpointId)).toEqual(target)
    expect(endpoints.records.get(endpointId)).toMatchObject({
      filters: { eventTypes: ['entry.approved'], pspNames: null, productCodes: null },
      limits: { ratePerSecond: null, concurrency: 2 },
      keepsResponses: true,
      skipsSuperseded: false,
      state: 'active',
    })
    expect((await look(at)).history.at(-1)).toEqual({
      at: '2026-06-01T12:00:01.000Z',
      by: 'Olga',
      action: 'updated',
      detail: 'filters, limits, keepsResponses',
    })
  })

  test.each([
    ['url', webhook, { type: 'webhook', url: 'https://other.example/' }],
    ['address', email, { type: 'email', address: 'b@merchant.example' }],
  ])('of the %s makes the endpoint unverified again', async (_, body, target) => {
    const { at, endpointId } = await create(body)
    const known = endpoints.records.get(endpointId)
    if (known === undefined) throw new Error('it was created')
    endpoints.records.set(endpointId, { ...known, state: 'active', activeFrom: '2026-06-01T12:00:00.000Z' })
    const answer = await console.ask('PATCH', at, 'one-operator', { target })
    expect(answer.json()).toMatchObject({ state: 'unverified', activeFrom: null, target })
  })

  test('of the headers alone keeps the url and the verification', async () => {
    const { at, endpointId } = await createActive()
    const patch = { target: { type: 'webhook', headers: { 'x-a': '1' } } }
    await console.ask('PATCH', at, 'one-operator', patch)
    expect(endpoints.records.get(endpointId)).toMatchObject({ state: 'active', revision: 3 })
    expect(targetOf(endpointId)).toEqual({ type: 'webhook', url, headers: { 'x-a': '1' } })
    const again = await console.ask('PATCH', at, 'one-operator', patch)
    expect(again.json()).toMatchObject({ revision: 3 })
  })

  test('of the url to another origin says what happens to the headers, or is refused', async () => {
    const { at, endpointId } = await create({
      ...webhook,
      target: { type: 'webhook', url, headers: { 'x-a': '1' } },
    })
    const move = (target: object) =>
      console.ask('PATCH', at, 'one-operator', { target: { type: 'webhook', ...target } })
    const moved = 'https://other.example/'
    for (const other of [moved, `${new URL(url).origin}:8443/`]) {
      expect(refusalOf(await move({ url: other }))).toEqual([
        409,
        expect.stringMatching(/headers again, or \{\}/),
      ])
    }
    expect(targetOf(endpointId)).toMatchObject({ url, headers: { 'x-a': '1' } })
    expect((await move({ url: moved, headers: { 'x-a': '2' } })).statusCode).toBe(200)
    expect(targetOf(endpointId)).toEqual({ type: 'webhook', url: moved, headers: { 'x-a': '2' } })
    expect((await move({ url, headers: {} })).statusCode).toBe(200)
    expect((await move({ url: moved })).statusCode).toBe(200)
    expect(targetOf(endpointId)).toEqual({ type: 'webhook', url: moved, headers: {} })
  })

  test('of the url alone, on the same origin, keeps the headers', async () => {
    const headers = { 'x-a': '1' }
    const { at, endpointId } = await create({ ...webhook, target: { type: 'webhook', url, headers } })
    const moved = new URL('/moved', url).href
    await console.ask('PATCH', at, 'one-operator', { target: { type: 'webhook', url: moved } })
    expect(targetOf(endpointId)).toEqual({ type: 'webhook', url: moved, headers })
  })

  test.each([
    [
      'a private url',
      { target: { type: 'webhook', url: 'https://10.0.0.1/' } },
      400,
      /target\.url cannot be used/,
    ],
    ['a reserved header', { target: { type: 'webhook', headers: { te: 'x' } } }, 400, /reserved/],
    ['the other type', { target: { type: 'email', address: 'a@b.example' } }, 409, /cannot become an e-mail/],
    ['operators’ events', { filters: { eventTypes: ['endpoint.warned'] } }, 400, /audience operator/],
    ['the merchant', { merchant: 'M2' }, 400, /not known here/],
    ['the audience', { audience: 'operator' }, 400, /not known here/],
  ])('with %s is refused in words', async (_, body, status, message) => {
    const { at } = await create()
    const answer = await console.ask('PATCH', at, 'one-operator', body)
    expect(refusalOf(answer)).toEqual([status, expect.stringMatching(message)])
    expect((await look(at)).revision).toBe(1)
  })

  test('for another revision than the latest is refused', async () => {
    const { at } = await create()
    const change = (tag: string) =>
      console.ask('PATCH', at, 'one-operator', { keepsResponses: true }, { 'if-match': tag })
    expect(refusalOf(await change('"2"'))).toEqual([412, expect.stringContaining('another revision')])
    expect(refusalOf(await change('W/"1"'))).toEqual([400, expect.stringContaining('If-Match')])
    expect((await change('"1"')).statusCode).toBe(200)
  })
})

describe('a verification', () => {
  test('sends a challenge that the published library verifies, with the endpoint’s headers', async () => {
    const target = { type: 'webhook', url, headers: { 'x-api-key': 'k-1' } }
    const { at, secret, endpointId } = await create({ ...webhook, target })
    passChallenges()
    nowMs = Date.now()
    const answer = await console.ask('POST', `${at}/verify`, 'one-operator')
    expect(answer.json()).toMatchObject({ state: 'active', activeFrom: new Date(nowMs).toISOString() })
    const [call] = endpoints.calls
    expect(call).toMatchObject({ url, headers: { 'x-api-key': 'k-1' } })
    const body = new Webhook(secret ?? '').verify(call?.body ?? '', call?.headers ?? {})
    expect(body).toMatchObject({ type: 'endpoint.challenge', data: { endpointId } })
  })

  test.each([
    ['nothing', { kind: 'none', error: 'timeout' }, /did not answer within 15 seconds/],
    ['a bad certificate', { kind: 'none', error: 'tls' }, /TLS certificate/],
    ['a private address', { kind: 'none', error: 'address_refused' }, /must not be called/],
    ['an error', { kind: 'status', status: 500, retryAfter: null, body: null }, /answered 500/],
    [
      'a redirect',
      { kind: 'status', status: 302, retryAfter: null, body: null },
      /redirects are not followed/,
    ],
    [
      'another text',
      { kind: 'status', status: 200, retryAfter: null, body: 'ok' },
      /without the text of data\.challenge/,
    ],
    [
      'no text',
      { kind: 'status', status: 204, retryAfter: null, body: null },
      /without the text of data\.challenge/,
    ],
  ] as const)('answered with %s says what to do, and changes nothing', async (_, given, message) => {
    const { at } = await create()
    endpoints.answerCalls(async () => given)
    const answer = await console.ask('POST', `${at}/verify`, 'one-operator')
    expect(refusalOf(answer)).toEqual([409, expect.stringMatching(message)])
    expect(await look(at)).toMatchObject({ state: 'unverified', revision: 1 })
  })

  test('that is right but refused by its status does not count', async () => {
    const { at } = await create()
    endpoints.answerCalls(async ({ body }) => ({ kind: 'status', status: 404, retryAfter: null, body }))
    expect((await console.ask('POST', `${at}/verify`)).statusCode).toBe(409)
  })

  test('of a url that was changed meanwhile does not count', async () => {
    const { at } = await create()
    endpoints.answerCalls(async ({ body }) => {
      await console.ask('PATCH', at, 'admin', { target: { type: 'webhook', url: 'https://other.example/' } })
      return { kind: 'status', status: 200, retryAfter: null, body }
    })
    expect(refusalOf(await console.ask('POST', `${at}/verify`))).toEqual([
      409,
      expect.stringContaining('changed meanwhile'),
    ])
    expect((await look(at)).state).toBe('unverified')
  })

  test('of an active endpoint changes nothing and calls nobody', async () => {
    const { at } = await createActive()
    expect((await console.ask('POST', `${at}/verify`)).json()).toMatchObject({ revision: 2 })
    expect(endpoints.calls).toHaveLength(1)
  })

  test.each([
    ['a disabled endpoint', webhook, 'disable', /enable it first/],
    ['a disabled e-mail endpoint', email, 'disable', /enable it first/],
  ])('of %s says what to do', async (_, body, before, message) => {
    const { at } = await create(body)
    if (before !== null) await console.ask('POST', `${at}/${before}`, 'one-operator')
    const answer = await console.ask('POST', `${at}/verify`, 'one-operator')
    expect(refusalOf(answer)).toEqual([409, expect.stringMatching(message)])
    expect(endpoints.calls).toEqual([])
  })

  test('of an e-mail address asks its owner once more, and calls nobody', async () => {
    const { at, endpointId } = await create(email)
    const answer = await console.ask('POST', `${at}/verify`, 'one-operator')
    expect([answer.statusCode, answer.headers['etag']]).toEqual([202, '"2"'])
    expect(askedShape.parse(answer.json())).toMatchObject({
      endpointId,
      revision: 2,
      message: expect.stringContaining('e-mail with a link is on its way') as unknown,
    })
    const { state, history } = await look(at)
    expect([state, history.at(-1)?.action]).toEqual(['unverified', 'verification_requested'])
    expect(endpoints.calls).toEqual([])
  })

  test('of an e-mail address is refused the sixth time in an hour, the first one included, until that is an hour ago', async () => {
    const { at } = await create(email)
    const verify = () => console.ask('POST', `${at}/verify`, 'one-operator')
    for (let times = 1; times < 5; times += 1) expect((await verify()).statusCode).toBe(202)
    nowMs += 600_000
    const answer = await verify()
    expect(refusalOf(answer)).toEqual([429, expect.stringContaining('after 2026-06-01T13:00:00.000Z')])
    expect(answer.headers['retry-after']).toBe('3000')
    const moved = await console.ask('PATCH', at, 'one-operator', {
      target: { type: 'email', address: 'b@merchant.example' },
    })
    expect(refusalOf(moved)).toEqual([429, expect.stringContaining('five times within an hour')])
    await console.ask('POST', `${at}/disable`, 'one-operator')
    const enabled = await console.ask('POST', `${at}/enable`, 'one-operator')
    expect(refusalOf(enabled)).toEqual([429, expect.stringContaining('Try again after')])
    nowMs += 3_000_000
    expect((await console.ask('POST', `${at}/enable`, 'one-operator')).statusCode).toBe(200)
    expect((await verify()).statusCode).toBe(202)
  })

  test('is refused while eight others wait for their endpoints', async () => {
    const { at } = await create()
    const held = Promise.withResolvers<void>()
    endpoints.answerCalls(async () => {
      await held.promise
      return { kind: 'none', error: 'timeout' }
    })
    const asked = Array.from({ length: 9 }, () => console.ask('POST', `${at}/verify`))
    const first = await Promise.race(asked)
    expect([first.statusCode, first.headers['retry-after']]).toEqual([429, '5'])
    held.resolve()
    const statuses = (await Promise.all(asked)).map(({ statusCode }) => statusCode)
    expect(statuses.filter((status) => status === 409)).toHaveLength(8)
  })
})

test('a rotation tells the new secret once, and both sign for a day', async () => {
  const { at, secret: before, endpointId } = await createActive()
  const answer = await console.ask('POST', `${at}/rotate-secret`, 'one-admin')
  expect(answer.headers['cache-control']).toBe('no-store')
  const { secret, ...rotated } = rotatedShape.parse(answer.json())
  expect(secret).not.toBe(before)
  expect(rotated).toMatchObject({ endpointId, revision: 3 })
  const { secrets } = await look(at)
  expect(secrets.map(({ expiresAt }) => expiresAt)).toEqual([null, '2026-06-02T12:00:00.000Z'])
  const kept = endpoints.records.get(endpointId)?.secrets ?? []
  const opened = kept.map(({ sealed }) => endpoints.ports.sealing.unseal(sealed, { endpointId }))
  expect(opened.map((bytes) => `whsec_${Buffer.from(bytes).toString('base64')}`)).toEqual([secret, before])
  expect(console.loggedText()).not.toContain(secret.slice(6, 30))
})

test('a rotation that would end a secret before its day is over is refused, until when it would not', async () => {
  const { at } = await createActive()
  const rotate = () => console.ask('POST', `${at}/rotate-secret`, 'one-admin')
  expect((await rotate()).statusCode).toBe(200)
  nowMs += 1_000
  expect((await rotate()).statusCode).toBe(200)
  const before = await look(at)
  expect(refusalOf(await rotate())).toEqual([
    409,
    expect.stringMatching(/^Three secrets sign until 2026-06-02T12:00:00\.000Z,.*Rotate after that\.$/),
  ])
  expect(await look(at)).toEqual(before)
  nowMs += 86_400_000
  expect((await rotate()).statusCode).toBe(200)
})

test('an e-mail endpoint has no secret to rotate', async () => {
  const { at } = await create(email)
  const answer = await console.ask('POST', `${at}/rotate-secret`, 'one-admin')
  expect(refusalOf(answer)).toEqual([409, 'Only a webhook has a secret, and this endpoint is none.'])
})

test('disabled, enabled and deleted, an endpoint keeps its whole audit trail', async () => {
  const { at } = await createActive()
  const steps = [
    ['POST', `${at}/disable`, { state: 'disabled', reason: 'by_operator' }],
    ['POST', `${at}/enable`, { state: 'active', reason: null }],
    ['DELETE', at, { state: 'deleted', target: null, secrets: [] }],
  ] as const
  for (const [method, path, shown] of steps) {
    nowMs += 1_000
    const answer = await console.ask(method, path, 'admin')
    expect([answer.statusCode, answer.json()]).toMatchObject([200, shown])
  }
  const { history } = await look(at)
  expect(history.map(({ by, action }) => `${by} ${action}`).slice(2)).toEqual([
    'Ada disabled',
    'Ada enabled',
    'Ada deleted',
  ])
  expect((await console.ask('DELETE', at, 'admin')).statusCode).toBe(200)
  expect((await console.ask('PATCH', at, 'admin', { keepsResponses: true })).statusCode).toBe(404)
  expect(console.logged().filter(({ msg }) => msg === 'operator.action')).toMatchObject(
    ['created', 'verified', 'disabled', 'enabled', 'deleted', 'deleted', 'updated'].map((action) => ({
      action: `endpoint.${action}`,
    })),
  )
})

test('an endpoint that is not verified cannot be enabled', async () => {
  const { at } = await create()
  const answer = await console.ask('POST', `${at}/enable`, 'one-operator')
  expect(refusalOf(answer)).toEqual([409, expect.stringContaining('/verify')])
})

test('attempts come newest first, of one alert where that is asked', async () => {
  const { at, endpointId } = await create()
  const attempt = (alertId: string, differs: object) => ({
    endpointId,
    alertId,
    subject: 'C1/M1/',
    version: 2,
    attempt: 1,
    at: nowMs,
    durationMs: 120,
    status: 500,
    class: '5xx' as const,
    error: 'server_error' as const,
    response: null,
    isReplay: false,
    nextInMs: 5_000,
    ...differs,
  })
  endpoints.attempts.push(
    attempt('a-1', {}),
    attempt('a-2', { status: null, class: 'none', error: 'dns', nextInMs: null }),
  )
  const all = await console.ask('GET', `${at}/attempts`, 'one-viewer')
  expect(attemptsShape.parse(all.json())).toMatchObject({
    attempts: [
      { alertId: 'a-1', at: '2026-06-01T12:00:00.000Z', nextAttemptAt: '2026-06-01T12:00:05.000Z' },
      { alertId: 'a-2', status: null, class: 'none', error: 'dns', nextAttemptAt: null },
    ],
    next: null,
  })
  const one = await console.ask('GET', `${at}/attempts?alertId=a-2`, 'one-viewer')
  expect(one.json()).toMatchObject({ attempts: [{ alertId: 'a-2' }] })
  const page = await console.ask('GET', `${at}/attempts?limit=1`, 'one-viewer')
  expect(page.json()).toMatchObject({ attempts: [{ alertId: 'a-1' }], next: '1-0' })
  const wrong = await console.ask('GET', `${at}/attempts?before=x`, 'one-viewer')
  expect(refusalOf(wrong)).toEqual([400, 'The parameter before is none that this list gave.'])
})

describe('of a foreign client and of no client', () => {
  test.each([
    ['GET', ''],
    ['PATCH', '', { keepsResponses: true }],
    ['POST', '/verify'],
    ['POST', '/rotate-secret'],
    ['POST', '/disable'],
    ['POST', '/enable'],
    ['DELETE', ''],
    ['GET', '/attempts'],
  ] as const)('%s %s gets the same answer, and nothing changes', async (method, path, body?: object) => {
    const { endpointId } = await create({ ...webhook, clientId: 'C2' }, 'all-operator')
    const ids = [endpointId, 'ep-unknown', 'no%20id']
    const answers = await Promise.all(
      ids.map((id) => console.ask(method, `/v1/endpoints/${id}${path}`, 'one-admin', body)),
    )
    const said = 'No such endpoint is known. GET /v1/endpoints lists those that are.'
    expect(answers.map(refusalOf)).toEqual(ids.map(() => [404, said]))
    expect(endpoints.records.get(endpointId)?.revision).toBe(1)
    expect(endpoints.calls).toEqual([])
  })
})

describe('trouble', () => {
  test('without the keys of endpoints every route says what to set', async () => {
    await using off = createConsoleApp().app
    const headers = { authorization: 'Bearer admin' }
    const answer = await off.inject({ url: '/v1/endpoints', headers })
    expect(refusalOf(answer)).toEqual([503, expect.stringContaining('ENDPOINT_KEYS_FILE')])
  })

  test('a view that cannot be read is answered 503, and Redis is not named', async () => {
    const { at } = await create()
    endpoints.fail(new Error('Redis is away'))
    for (const path of [at, '/v1/endpoints', `${at}/attempts`]) {
      const answer = await console.ask('GET', path)
      expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '2'])
      expect(answer.body).not.toContain('Redis')
    }
  })

  test('a change that is not confirmed says what to do, for it may be there', async () => {
    const { at } = await create()
    endpoints.answerChanges(null)
    endpoints.ports.writer.change = async () => {
      throw new Error('Kafka is away')
    }
    const answers = [
      await console.ask('POST', '/v1/endpoints', 'admin', webhook),
      await console.ask('POST', `${at}/rotate-secret`),
      await console.ask('POST', `${at}/disable`),
    ]
    expect(answers.map(refusalOf)).toEqual([
      [503, expect.stringContaining('look in GET /v1/endpoints')],
      [503, expect.stringContaining('rotate again')],
      [503, expect.stringContaining('counts once')],
    ])
    expect(console.logged().at(-2)).toMatchObject({ msg: 'operator.action', outcome: 'unconfirmed' })
  })

  test('an endpoint that somebody else is changing is to be tried again', async () => {
    const { at } = await create()
    endpoints.answerChanges({ kind: 'busy' })
    const answer = await console.ask('POST', `${at}/disable`)
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([429, '2'])
  })
})

test('the published keys need no token', async () => {
  const key = {
    kid: 'k1',
    kty: 'OKP',
    crv: 'Ed25519',
    alg: 'EdDSA',
    use: 'sig',
    x: 'eA',
    whpk: 'whpk_eA==',
  } as const
  await using published = createConsoleApp({}, { publicKeySet: { keys: [key] } }).app
  const answer = await published.inject('/.well-known/signalbox-webhook-keys')
  expect([answer.statusCode, answer.json()]).toEqual([200, { keys: [key] }])
  expect(answer.headers['cache-control']).toBe('public, max-age=300')
})
