import { createHmac } from 'node:crypto'
import { PassThrough } from 'node:stream'
import type { ChangeResult } from '@signalbox/alert-endpoints/change-endpoint'
import type { Endpoint } from '@signalbox/alert-endpoints/endpoint'
import {
  createLinkToken,
  digestOfAddress,
  type Link,
  type LinkKeys,
} from '@signalbox/alert-endpoints/link-token'
import { createLogger } from '@signalbox/runtime/log'
import Fastify, { type FastifyInstance } from 'fastify'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createMemoryEndpoint, type MemoryEndpoint } from './email-links.fixture.ts'
import { addEmailLinkRoutes, type EmailLinkPorts } from './email-links.ts'

const startMs = Date.UTC(2026, 5, 1)
const address = 'owner@shop.example'
const mac = (text: string) => createHmac('sha256', 'a key of this test').update(text).digest('base64url')
const keys: LinkKeys = { mac, isMac: (text, given) => mac(text) === given }

const endpoint: Endpoint = {
  endpointId: 'shop-mail',
  clientId: 'C1',
  merchant: 'M1',
  revision: 1,
  audience: 'merchant',
  target: { type: 'email', address },
  filters: { eventTypes: null, pspNames: null, productCodes: null },
  limits: { ratePerSecond: null, concurrency: null },
  skipsSuperseded: false,
  keepsResponses: false,
  state: 'unverified',
  reason: null,
  activeFrom: null,
  secrets: [],
  createdAt: new Date(startMs).toISOString(),
  changedAt: new Date(startMs).toISOString(),
  history: [],
}

let nowMs: number
let memory: MemoryEndpoint
let results: ChangeResult[]
let logged: string
let change: EmailLinkPorts['writer']['change']
let app: FastifyInstance

beforeEach(() => {
  nowMs = startMs
  memory = createMemoryEndpoint(endpoint, () => nowMs)
  results = []
  logged = ''
  change = memory.change
  app = Fastify()
  // As everywhere in the console: a type that no route takes is refused.
  app.post('/v1/other', async () => 'taken')
  const destination = new PassThrough().on('data', (chunk) => (logged += String(chunk)))
  addEmailLinkRoutes(app, {
    writer: {
      async change(...given) {
        const result = await change(...given)
        results.push(result)
        return result
      },
    },
    keys,
    log: createLogger('console', { level: 'info', destination }),
    now: () => nowMs,
  })
})
afterEach(() => app.close())

function tokenOf(of: Partial<Link> = {}): string {
  const addressDigest = digestOfAddress(address)
  return createLinkToken(
    { endpointId: 'shop-mail', action: 'verify', addressDigest, expiresAtMs: startMs + 60_000, ...of },
    keys,
  )
}

const get = (token: string) => app.inject({ method: 'GET', url: `/e/${token}` })
const post = (token: string, payload = '', type = 'application/x-www-form-urlencoded') =>
  app.inject({ method: 'POST', url: `/e/${token}`, payload, headers: { 'content-type': type } })
const oneClick = 'List-Unsubscribe=One-Click'

describe('looking at a link', () => {
  test.each([
    ['verify', 'Confirm this address'],
    ['unsubscribe', 'Stop these e-mails'],
  ] as const)('to %s shows one button that says what it does, and changes nothing', async (action, label) => {
    const answer = await get(tokenOf({ action }))
    expect(answer.statusCode).toBe(200)
    expect(answer.headers['content-type']).toBe('text/html; charset=utf-8')
    expect(answer.body.match(/<button>[^<]*/g)).toEqual([`<button>${label}`])
    expect(answer.body).toContain('<html lang="en-GB">')
    expect(answer.body).toContain('<form method="post">')
    expect(results).toEqual([])
  })

  test('a thousand times changes nothing and is never too often', async () => {
    const token = tokenOf({ action: 'unsubscribe' })
    const answers = await Promise.all(Array.from({ length: 1_000 }, () => get(token)))
    expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([200]))
    expect(results).toEqual([])
  })

  test('HEAD changes nothing', async () => {
    expect((await app.inject({ method: 'HEAD', url: `/e/${tokenOf()}` })).statusCode).toBe(200)
    expect(results).toEqual([])
  })
})

test('pressing the button of a confirmation makes an unverified endpoint active from then on', async () => {
  nowMs += 5_000
  const answer = await post(tokenOf())
  expect([answer.statusCode, answer.body]).toEqual([
    200,
    expect.stringContaining('Your address is confirmed'),
  ])
  expect(memory.known).toMatchObject({ state: 'active', activeFrom: '2026-06-01T00:00:05.000Z' })
  expect(memory.known?.history.at(-1)).toMatchObject({ by: 'link in an e-mail', action: 'verified' })
})

describe('the end of the e-mails comes', () => {
  const boundary = 'x-x'
  const multipart = `--${boundary}\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--${boundary}--\r\n`
  test.each([
    ['by the button', '', 'application/x-www-form-urlencoded'],
    ['by one click', oneClick, 'application/x-www-form-urlencoded'],
    ['by one click as multipart', multipart, `multipart/form-data; boundary=${boundary}`],
    ['by one click with a character set', oneClick, 'application/x-www-form-urlencoded; charset=utf-8'],
    ['by one click of unknown type', oneClick, 'text/plain'],
  ])('%s', async (_, body, type) => {
    memory.known = { ...endpoint, state: 'active', activeFrom: endpoint.createdAt }
    const answer = await post(tokenOf({ action: 'unsubscribe' }), body, type)
    expect([answer.statusCode, answer.body]).toEqual([
      200,
      expect.stringContaining('The e-mails are stopped'),
    ])
    expect(memory.known).toMatchObject({ state: 'disabled', reason: 'unsubscribed' })
  })

  test('without body or type', async () => {
    const url = `/e/${tokenOf({ action: 'unsubscribe' })}`
    expect((await app.inject({ method: 'POST', url })).statusCode).toBe(200)
    expect(memory.known).toMatchObject({ state: 'disabled', reason: 'unsubscribed' })
  })

  test('also for an endpoint that fails, which would be tried otherwise', async () => {
    memory.known = { ...endpoint, state: 'disabled', reason: 'failing', activeFrom: endpoint.createdAt }
    await post(tokenOf({ action: 'unsubscribe' }), oneClick)
    expect(memory.known).toMatchObject({ state: 'disabled', reason: 'unsubscribed' })
  })
})

test.each(['verify', 'unsubscribe'] as const)('a link to %s followed twice does it once', async (action) => {
  const bodies = [await post(tokenOf({ action })), await post(tokenOf({ action }))].map(({ body }) => body)
  expect(bodies[1]).toBe(bodies[0])
  expect(results.map(({ kind }) => kind)).toEqual(['changed', 'unchanged'])
})

describe('nothing is changed by', () => {
  test.each([
    ['a link that has expired', () => tokenOf({ expiresAtMs: startMs }), 410, 'This link has expired'],
    ['a link that was cut', () => tokenOf().slice(0, -1), 404, 'This link is not complete'],
    ['a link with something added', () => `${tokenOf()}/x`, 404, 'This link is not complete'],
    ['a guess', () => 'abc.def', 404, 'This link is not complete'],
    ['no link', () => '', 404, 'This link is not complete'],
  ])('%s, and its page says so in words, without a button', async (_, token, status, title) => {
    for (const answer of [await get(token()), await post(token(), oneClick)]) {
      expect([answer.statusCode, answer.body]).toEqual([status, expect.stringContaining(`<h1>${title}</h1>`)])
      expect(answer.body).not.toContain('<button>')
    }
    expect(results).toEqual([])
  })

  test('a confirmation of an address that the endpoint no longer has', async () => {
    memory.known = { ...endpoint, target: { type: 'email', address: 'other@shop.example' } }
    expect((await post(tokenOf())).statusCode).toBe(409)
    expect(memory.known?.state).toBe('unverified')
  })

  test('an unsubscription from an address that the endpoint no longer has', async () => {
    memory.known = { ...endpoint, state: 'active', target: { type: 'email', address: 'other@shop.example' } }
    const answer = await post(tokenOf({ action: 'unsubscribe' }), oneClick)
    expect([answer.statusCode, answer.body]).toEqual([
      200,
      expect.stringContaining('There is nothing to stop'),
    ])
    expect(memory.known?.state).toBe('active')
  })

  test.each([
    ['a deleted endpoint', { ...endpoint, state: 'deleted', target: null }],
    ['an endpoint that nobody knows', null],
    [
      'a webhook',
      { ...endpoint, target: { type: 'webhook', url: 'https://shop.example/hook', headers: {} } },
    ],
  ] as const)('a confirmation for %s', async (_, given) => {
    memory.known = given
    expect((await post(tokenOf())).statusCode).toBe(409)
    expect(memory.known).toBe(given)
  })

  test('a confirmation for one whose owner has ended it', async () => {
    await post(tokenOf({ action: 'unsubscribe' }))
    expect((await post(tokenOf())).statusCode).toBe(409)
    expect(memory.known).toMatchObject({ state: 'disabled', reason: 'unsubscribed' })
  })
})

describe('trouble', () => {
  test.each([
    ['somebody else changes the endpoint', async () => ({ kind: 'busy' }) as const],
    [
      'Kafka does not answer',
      async () => {
        throw new Error('Kafka is away')
      },
    ],
  ])('when %s is answered 503 with a button to try again', async (_, given) => {
    change = given
    const answer = await post(tokenOf())
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '30'])
    expect(answer.body).toContain('<button>Try again</button>')
    expect(answer.body).not.toContain('Kafka')
  })

  test('a link followed more than five times in a minute is put off until the minute is over', async () => {
    const statuses: number[] = []
    for (let times = 0; times < 6; times++) statuses.push((await post(tokenOf())).statusCode)
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429])
    expect(results).toHaveLength(5)
    expect((await post(tokenOf({ endpointId: 'other' }))).statusCode).toBe(409)
    nowMs += 59_999
    expect((await post(tokenOf())).statusCode).toBe(429)
    nowMs = startMs + 60_000
    expect((await post(tokenOf({ expiresAtMs: nowMs + 1_000 }))).statusCode).toBe(200)
  })

  test('at most eight changes are made at a time', async () => {
    const gate = Promise.withResolvers<void>()
    change = async (...given) => {
      await gate.promise
      return memory.change(...given)
    }
    const answers = Array.from({ length: 9 }, (_, n) => post(tokenOf({ endpointId: `e${n}` })))
    const first = await Promise.race(answers)
    expect(first.statusCode).toBe(429)
    gate.resolve()
    const statuses = (await Promise.all(answers)).map(({ statusCode }) => statusCode)
    expect(statuses.filter((status) => status === 429)).toHaveLength(1)
    change = memory.change
    expect((await post(tokenOf())).statusCode).toBe(200)
  })

  test('a body of more than 4 KiB is not read', async () => {
    expect((await post(tokenOf(), 'x'.repeat(4_097))).statusCode).toBe(413)
    expect(results).toEqual([])
  })
})

test('every page may be framed, cached, indexed and scripted by nobody, and tells no other site its address', async () => {
  const pages = [await get(tokenOf()), await post(tokenOf()), await get('abc.def')]
  for (const { headers, body } of pages) {
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'x-robots-tag': 'noindex',
      'cache-control': 'no-store',
    })
    const policy = String(headers['content-security-policy'])
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("form-action 'self'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toContain('unsafe')
    expect(body).not.toMatch(/<script|<img|<link|https?:/)
  }
})

test('who followed a link is logged without the link', async () => {
  const token = tokenOf()
  await post(token)
  expect(JSON.parse(logged)).toMatchObject({
    msg: 'email_link.followed',
    endpointId: 'shop-mail',
    action: 'verify',
    outcome: 'changed',
  })
  expect(logged).not.toContain(token)
})

test('the other routes of the console take no forms because of these', async () => {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const answer = await app.inject({ method: 'POST', url: '/v1/other', payload: oneClick, headers })
  expect(answer.statusCode).toBe(415)
})
