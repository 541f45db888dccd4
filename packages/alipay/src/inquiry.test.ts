import { expect, test } from 'vitest'
import { callTime, inquiryPath } from './inquiry.ts'
import { parseRequestTime } from './request-time.ts'

test.each([
  ['alipayplus', 'SANDBOX_5X1', '/aps/api/v1/merchants/inquiryRegistrationStatus'],
  ['alipayplus', 'T_1', '/aps/api/v1/merchants/inquiryRegistrationStatus'],
  ['ams', 'SANDBOX_5Y1', '/ams/sandbox/api/v1/merchants/inquiryRegistrationStatus'],
  ['ams', '5Y1', '/ams/api/v1/merchants/inquiryRegistrationStatus'],
] as const)('an %s client %s calls %s', (dialect, clientId, path) => {
  expect(inquiryPath({ dialect, clientId })).toBe(path)
})

test('the time of a call is one that the dialect documents and our own reader takes', () => {
  const nowMs = 1_685_599_933_871
  expect(callTime({ dialect: 'ams' }, nowMs)).toBe('1685599933871')
  expect(callTime({ dialect: 'alipayplus' }, nowMs)).toBe('2023-06-01T06:12:13+00:00')
  expect(parseRequestTime(callTime({ dialect: 'alipayplus' }, nowMs))).toBe(1_685_599_933_000)
})
