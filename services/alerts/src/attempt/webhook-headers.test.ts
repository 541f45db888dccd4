import { randomBytes } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import { webhookHeaders } from './webhook-headers.ts'

const body = '{"type":"registration.changed","note":"é 漢字 \\u0000"}'

test.each([24, 32, 64])('the published library verifies what a secret of %d bytes has signed', (length) => {
  const secret = randomBytes(length)
  const webhook = new Webhook(`whsec_${secret.toString('base64')}`)
  const headers = webhookHeaders({ id: 'a-1', body, secret, nowMs: Date.now() })
  expect(webhook.verify(body, headers)).toEqual(JSON.parse(body))
  expect(() => webhook.verify(`${body} `, headers)).toThrow('No matching signature')
  expect(() => webhook.verify(body, { ...headers, 'webhook-id': 'a-2' })).toThrow('No matching signature')
})

test('the signature is the one of an example that senders publish', () => {
  const secret = Buffer.from('C2FVsBQIhrscChlQIMV+b5sSYspob7oD', 'base64')
  const headers = webhookHeaders({
    id: 'msg_27UH4WbU6Z5A5EzD8u03UvzRbpk',
    body: '{"email":"test@example.com","username":"test_user"}',
    secret,
    nowMs: 1_649_367_553_999,
  })
  expect(headers).toEqual({
    'webhook-id': 'msg_27UH4WbU6Z5A5EzD8u03UvzRbpk',
    'webhook-timestamp': '1649367553',
    'webhook-signature': 'v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=',
  })
})

test('the timestamp is the attempt’s in whole seconds and part of what is signed', () => {
  const secret = randomBytes(32)
  const first = webhookHeaders({ id: 'a-1', body, secret, nowMs: 1_000_999 })
  const second = webhookHeaders({ id: 'a-1', body, secret, nowMs: 1_001_000 })
  expect([first['webhook-timestamp'], second['webhook-timestamp']]).toEqual(['1000', '1001'])
  expect(first['webhook-signature']).not.toBe(second['webhook-signature'])
})
