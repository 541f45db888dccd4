import type { Answer } from '@signalbox/webhook-sender/send-webhook'
import { expect, test } from 'vitest'
import { isOurTrouble, judge, showsTrouble } from './answer.ts'

const nowMs = Date.UTC(2026, 0, 1)
const answered = (status: number, retryAfter: string | null = null): Answer => ({
  kind: 'status',
  status,
  retryAfter,
  body: null,
})

test.each([200, 201, 202, 204, 299])('%d is delivered', (status) => {
  expect(judge(answered(status), { nowMs })).toEqual({ kind: 'delivered', status })
})

test.each([
  [300, 'redirected'],
  [301, 'redirected'],
  [304, 'redirected'],
  [307, 'redirected'],
  [408, 'busy'],
  [409, 'busy'],
  [425, 'busy'],
  [429, 'busy'],
  [500, 'server_error'],
  [503, 'server_error'],
  [599, 'server_error'],
  [101, 'unexpected_status'],
  [600, 'unexpected_status'],
])('%d is tried again as %s', (status, error) => {
  expect(judge(answered(status), { nowMs })).toEqual({ kind: 'failed', status, error, retryAfterMs: null })
})

test.each([
  [400, 'rejected'],
  [401, 'rejected'],
  [404, 'rejected'],
  [410, 'gone'],
  [422, 'rejected'],
  [499, 'rejected'],
])('%d is refused for good as %s', (status, error) => {
  expect(judge(answered(status, '5'), { nowMs })).toEqual({ kind: 'refused', status, error })
})

test.each(['timeout', 'dns', 'tls', 'connection', 'address_refused', 'mail_unavailable'] as const)(
  'no answer (%s) is tried again',
  (error) => {
    const verdict = judge({ kind: 'none', error }, { nowMs })
    expect(verdict).toEqual({ kind: 'failed', status: null, error, retryAfterMs: null })
    expect([showsTrouble(verdict), isOurTrouble(verdict)]).toEqual([
      error !== 'mail_unavailable',
      error === 'mail_unavailable',
    ])
  },
)

test('a failed attempt carries what the endpoint asked for', () => {
  expect(judge(answered(503, '7'), { nowMs })).toMatchObject({ retryAfterMs: 7_000 })
  expect(judge(answered(429, '7'), { nowMs })).toMatchObject({ retryAfterMs: 7_000 })
})

test.each([
  [200, false],
  [404, false],
  [302, false],
  [429, true],
  [500, true],
])('%d shows trouble of the endpoint itself: %s', (status, trouble) => {
  expect(showsTrouble(judge(answered(status), { nowMs }))).toBe(trouble)
})
