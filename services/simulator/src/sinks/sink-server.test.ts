import type { DeliveryLine } from '@signalbox/contracts/simulator-files'
import { deliveryLine } from '@signalbox/contracts/simulator-files'
import { Webhook } from 'standardwebhooks'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createSinkServer, type SinkFaults } from './sink-server.ts'

const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
const otherSecret = `whsec_${Buffer.alloc(32, 2).toString('base64')}`
const body = '{"type":"registration.changed","data":{"text":"é"}}'
let lines: DeliveryLine[]
let app: ReturnType<typeof createSinkServer>

beforeEach(() => open())
afterEach(() => app.close())

function open(faults: Partial<SinkFaults> = {}) {
  lines = []
  app = createSinkServer({
    sinks: [
      { endpointId: 'noodle-bar', secret },
      { endpointId: 'bookshop', secret: otherSecret },
    ],
    faults: { failFirst: 0, failStatus: 503, delayMs: 0, ...faults },
    record: (line) => lines.push(deliveryLine.parse(line)),
  })
}

function signed(id: string, text = body) {
  const now = new Date()
  return {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
    'webhook-signature': new Webhook(secret).sign(id, now, text),
  }
}

test('a webhook signed by the published library is accepted and recorded as verified', async () => {
  const headers = signed('a-1')
  const answer = await app.inject({ method: 'POST', url: '/noodle-bar', headers, body })
  expect(answer.statusCode).toBe(204)
  expect(lines).toMatchObject([
    { endpointId: 'noodle-bar', webhookId: 'a-1', headers, body, verified: true, error: null, answered: 204 },
  ])
})

test.each([
  ['with another body', '/noodle-bar', signed('a-1'), body.replace('é', 'e')],
  ['for another endpoint', '/bookshop', signed('a-1'), body],
  ['with another id', '/noodle-bar', { ...signed('a-1'), 'webhook-id': 'a-2' }, body],
  ['from an hour ago', '/noodle-bar', { ...signed('a-1'), 'webhook-timestamp': '1600000000' }, body],
  ['without a signature', '/noodle-bar', { 'content-type': 'application/json' }, body],
  ['without a body', '/noodle-bar', signed('a-1'), ''],
])('a webhook %s is refused and recorded as not verified', async (_, url, headers, sent) => {
  const answer = await app.inject({ method: 'POST', url, headers, body: sent })
  expect(answer.statusCode).toBe(401)
  expect(lines).toMatchObject([{ verified: false, answered: 401 }])
  expect(lines[0]?.error).toBeTruthy()
})

test('a scripted fault fails the first webhooks of each endpoint and records them', async () => {
  await app.close()
  open({ failFirst: 2, failStatus: 500 })
  for (const id of ['a-1', 'a-1', 'a-1']) {
    await app.inject({ method: 'POST', url: '/noodle-bar', headers: signed(id), body })
  }
  expect(lines.map(({ verified, answered }) => [verified, answered])).toEqual([
    [true, 500],
    [true, 500],
    [true, 204],
  ])
})

test('a path that belongs to nobody is not found', async () => {
  const answer = await app.inject({ method: 'POST', url: '/nobody', headers: signed('a-1'), body })
  expect(answer.statusCode).toBe(404)
})
