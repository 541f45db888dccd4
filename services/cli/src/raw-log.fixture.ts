import { encodeCommandHeaders, type RegistrationCommand } from '@signalbox/contracts/command-record'
import { merchantKey } from '@signalbox/contracts/keys'
import { encodeRawHeaders } from '@signalbox/contracts/raw-record'
import type { StoryRecord } from './explain/story.ts'

export type Said = {
  signedAt: string
  /** When it reached us; as signed where it is not told. */
  arrivedAt?: string
  round: string | null
  collective: string
  entries: readonly { psp: string; status: string; reason?: string }[]
}

const client = 'C_1'
export const merchant = 'M1'
const key = merchantKey({ clientId: client, referenceMerchantId: merchant })

/** Raw records of one merchant as ingress and console write them, from offset 0 on. */
export function rawLog(
  said: readonly (Said | { command: RegistrationCommand; at: string } | { body: string; at: string })[],
): StoryRecord[] {
  return said.map((line, index) => {
    const offset = BigInt(index)
    const notificationId = `n-${index + 1}`
    if ('command' in line) {
      const headers = encodeCommandHeaders({
        kind: 'command',
        notificationId,
        clientId: client,
        requestTime: line.at,
        issuedBy: 'ops',
        traceparent: null,
      })
      return recordOf({ offset, headers, body: JSON.stringify(line.command), at: line.at })
    }
    const signedAt = 'body' in line ? line.at : line.signedAt
    const headers = encodeRawHeaders({
      kind: 'notification',
      notificationId,
      requestUri: '/notify',
      clientId: client,
      requestTime: signedAt,
      requestTimeMs: Date.parse(signedAt),
      signature: '',
      keyVersion: '1',
      dialect: 'alipayplus',
      push: false,
      traceparent: null,
    })
    const body = 'body' in line ? line.body : bodyOf(line)
    return recordOf({
      offset,
      headers,
      body,
      at: 'body' in line ? line.at : (line.arrivedAt ?? line.signedAt),
    })
  })
}

function recordOf(of: {
  offset: bigint
  headers: Record<string, string>
  body: string
  at: string
}): StoryRecord {
  return {
    offset: of.offset,
    key,
    value: Buffer.from(of.body),
    headers: new Map(Object.entries(of.headers).map(([name, value]) => [name, Buffer.from(value)])),
    timestampMs: Date.parse(of.at),
  }
}

function bodyOf({ round, collective, entries }: Said): string {
  return JSON.stringify({
    referenceMerchantId: merchant,
    referenceStoreId: 'S1',
    registrationRequestId: round,
    registrationResult: { registrationStatus: collective },
    pspRegistrationResultList: entries.map(({ psp, status, reason }) => ({
      pspName: psp,
      productCodes: ['IN_STORE_PAYMENT'],
      registrationResult: { registrationStatus: status, rejectionReason: reason ?? null },
    })),
  })
}
