import { formatResponseTime } from './request-time.ts'

type Caller = { clientId: string; dialect: 'alipayplus' | 'ams' }

/** The path of `inquiryRegistrationStatus` that a client calls and signs; AMS has another for its sandbox. */
export function inquiryPath({ clientId, dialect }: Caller): string {
  if (dialect === 'alipayplus') return '/aps/api/v1/merchants/inquiryRegistrationStatus'
  const stage = clientId.startsWith('SANDBOX_') ? '/sandbox' : ''
  return `/ams${stage}/api/v1/merchants/inquiryRegistrationStatus`
}

/** The Request-Time of a call as the dialect documents it: ISO 8601 with offset, or 13 digits of epoch milliseconds. */
export function callTime({ dialect }: Pick<Caller, 'dialect'>, nowMs: number): string {
  return dialect === 'ams' ? String(nowMs) : formatResponseTime(nowMs)
}
