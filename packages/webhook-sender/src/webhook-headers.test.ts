import { generateKeyPairSync, randomBytes, verify } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import { webhookHeaders } from './webhook-headers.ts'

const body = '{"type":"registration.changed","note":"é 漢字 \\u0000"}'
const webhookOf = (secret: Uint8Array) => new Webhook(`whsec_${Buffer.from(secret).toString('base64')}`)

test.each([24, 32, 64])('the published library verifies what a secret of %d bytes has signed', (length) => {
  const secret = randomBytes(length)
  const webhook = webhookOf(secret)
  const headers = webhookHeaders({
    id: 'a-1',
    body,
    secrets: [secret],
    signingKey: null,
    nowMs: Date.now(),
  })
  expect(webhook.verify(body, headers)).toEqual(JSON.parse(body))
  expect(() => webhook.verify(`${body} `, headers)).toThrow('No matching signature')
  expect(() => webhook.verify(body, { ...headers, 'webhook-id': 'a-2' })).toThrow('No matching signature')
})

test.each([
  {
    secret: 'C2FVsBQIhrscChlQIMV+b5sSYspob7oD',
    id: 'msg_27UH4WbU6Z5A5EzD8u03UvzRbpk',
    nowMs: 1_649_367_553_999,
    body: '{"email":"test@example.com","username":"test_user"}',
    signature: 'v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=',
  },
  {
    secret: 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    nowMs: 1_614_265_330_000,
    body: '{"test": 2432232314}',
    signature: 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  },
])('the signature of $id is the one that the standard publishes', ({ secret, signature, ...message }) => {
  const bytes = Buffer.from(secret, 'base64')
  const headers = webhookHeaders({ ...message, secrets: [bytes], signingKey: null })
  expect(headers).toEqual({
    'webhook-id': message.id,
    'webhook-timestamp': String(Math.floor(message.nowMs / 1000)),
    'webhook-signature': signature,
  })
  expect(webhookOf(bytes).sign(message.id, new Date(message.nowMs), message.body)).toBe(signature)
})

test('the timestamp is the attempt’s in whole seconds and part of what is signed', () => {
  const secrets = [randomBytes(32)]
  const at = (nowMs: number) => webhookHeaders({ id: 'a-1', body, secrets, signingKey: null, nowMs })
  const first = at(1_000_999)
  const second = at(1_001_000)
  expect([first['webhook-timestamp'], second['webhook-timestamp']]).toEqual(['1000', '1001'])
  expect(first['webhook-signature']).not.toBe(second['webhook-signature'])
})

test('during a rotation a receiver verifies with the new secret and with the old one', () => {
  const [newest, old, other] = [randomBytes(32), randomBytes(32), randomBytes(32)]
  const headers = webhookHeaders({
    id: 'a-1',
    body,
    secrets: [newest, old],
    signingKey: { keyId: 'k1', privateKey: generateKeyPairSync('ed25519').privateKey },
    nowMs: Date.now(),
  })
  expect(headers['webhook-signature']?.split(' ').map((one) => one.split(',')[0])).toEqual([
    'v1',
    'v1',
    'v1a',
  ])
  const alone = webhookHeaders({ id: 'a-1', body, secrets: [newest], signingKey: null, nowMs: Date.now() })
  expect(headers['webhook-signature']).toContain(alone['webhook-signature'])
  expect(headers['webhook-signature']?.startsWith(String(alone['webhook-signature']))).toBe(true)
  expect(webhookOf(newest).verify(body, headers)).toEqual(JSON.parse(body))
  expect(webhookOf(old).verify(body, headers)).toEqual(JSON.parse(body))
  expect(() => webhookOf(other).verify(body, headers)).toThrow('No matching signature')
})

test('v1a is the ed25519 signature over id, timestamp and body', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const signingKey = { keyId: 'k1', privateKey }
  const headers = webhookHeaders({ id: 'a-1', body, secrets: [], signingKey, nowMs: 5_999 })
  const [version, signature] = String(headers['webhook-signature']).split(',')
  expect(version).toBe('v1a')
  const bytes = Buffer.from(String(signature), 'base64')
  expect(verify(null, Buffer.from(`a-1.5.${body}`), publicKey, bytes)).toBe(true)
  expect(verify(null, Buffer.from(`a-1.6.${body}`), publicKey, bytes)).toBe(false)
})

test('only a replay is marked as one', () => {
  const message = { id: 'a-1', body, secrets: [randomBytes(32)], signingKey: null, nowMs: 5_000 }
  const once = webhookHeaders(message)
  expect(webhookHeaders({ ...message, replay: true })).toEqual({ ...once, 'webhook-replay': 'true' })
  expect(once).not.toHaveProperty('webhook-replay')
})
