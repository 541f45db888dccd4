import { createSignature } from '@signalbox/alipay/signature'
import type { SenderClient } from '../sandbox.ts'
import { formatRequestTime, type SenderQuirks } from '../history/sender-quirks.ts'

/** What goes over the wire: the path, and header names with their values in the order and letters to be sent. */
export type SignedNotification = {
  path: string
  requestTime: string
  headers: readonly (readonly [name: string, value: string])[]
  body: Buffer
}

/** Signs a notification as Alipay+ does, in one of the ways that senders differ in. */
export async function signNotification(
  client: SenderClient,
  message: { body: Buffer; requestTimeMs: number; quirks: SenderQuirks },
): Promise<SignedNotification> {
  const { body, quirks } = message
  const requestTime = formatRequestTime(message.requestTimeMs, quirks.requestTimeForm)
  const parts = { uri: client.path, clientId: client.clientId, time: requestTime, body }
  const base64 = (await createSignature(parts, client.privateKey)).toString('base64')
  const signature = [
    'algorithm=RSA256',
    `keyVersion=${client.keyVersion}`,
    `signature=${escapeBase64(base64, quirks)}`,
  ]
  const headers = [
    ...(quirks.contentType === null ? [] : [['Content-Type', quirks.contentType] as const]),
    ['Client-Id', client.clientId],
    ['Request-Time', requestTime],
    ['Signature', signature.join(quirks.blankAfterComma ? ', ' : ',')],
    ...(quirks.extraHeaders
      ? ([
          ['Key-Version', client.keyVersion],
          ['X-sdkVersion', '2.0.46'],
          ['tracerid', '0b46'],
        ] as const)
      : []),
  ] as const
  return {
    path: client.path,
    requestTime,
    headers: headers.map(([name, value]) => [spellings[quirks.headerNames](name), value]),
    body,
  }
}

function escapeBase64(base64: string, { percentHex }: SenderQuirks): string {
  if (percentHex === 'bare') return base64
  const escaped = encodeURIComponent(base64)
  return percentHex === 'upper' ? escaped : escaped.replaceAll(/%[0-9A-F]{2}/g, (hex) => hex.toLowerCase())
}

const spellings = {
  documented: (name) => name,
  lower: (name) => name.toLowerCase(),
  upper: (name) => name.toUpperCase(),
} as const satisfies Record<SenderQuirks['headerNames'], (name: string) => string>
