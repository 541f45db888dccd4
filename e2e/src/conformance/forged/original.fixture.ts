import type { SignedMessage } from '../answers.fixture.ts'
import type { Clients, KnownClient } from '../clients.fixture.ts'
import { createPlanner, type Dialect, type Plan } from '../request-plan.fixture.ts'
import type { HeaderLine, WireRequest } from '../wire/request.fixture.ts'

/** A genuine notification, taken apart. */
export type Original = {
  name: string
  client: KnownClient
  version: string
  message: SignedMessage
  signature: Buffer
}

/** Something that claims to be a notification. */
export type Forgery = { name: string; request: WireRequest }

/** What a forger changes in a genuine notification; the rest stays. */
export type Change = Partial<SignedMessage> & {
  version?: string
  algorithm?: string
  /** Bytes, or the text itself. */
  signature?: Buffer | string
  headers?: (lines: readonly HeaderLine[]) => readonly HeaderLine[]
}

/** The request of an original with a change. */
export function wireOf({ message, signature, version }: Original, change: Change = {}): WireRequest {
  const { uri, clientId, time, body } = { ...message, ...change }
  const signed = change.signature ?? signature
  const text = typeof signed === 'string' ? signed : encodeURIComponent(signed.toString('base64'))
  const params = [
    `algorithm=${change.algorithm ?? 'RSA256'}`,
    `keyVersion=${change.version ?? version}`,
    `signature=${text}`,
  ]
  const headers: readonly HeaderLine[] = [
    ['Host', 'ingress.example'],
    ['Client-Id', clientId],
    ['Request-Time', time],
    ['Signature', params.join(',')],
    ['Content-Type', 'application/json'],
  ]
  return {
    method: 'POST',
    target: uri,
    version: '1.1',
    headers: change.headers?.(headers) ?? headers,
    body,
    framing: 'length',
  }
}

const plans: readonly (readonly [name: string, dialect: Dialect, plan: Plan])[] = [
  ['Alipay+', 'AP', {}],
  ['Alipay+ with query', 'AP', { target: '/notify/second?env=prod&v=1' }],
  ['Alipay+ under its older key', 'AP', { signer: { version: '1' } }],
  ['AMS', 'AMS', {}],
  ['AMS with any key version', 'AMS', { client: 'anyVersion' }],
  ['AMS, indented, with CR LF', 'AMS', { body: '{\r\n  "referenceMerchantId": "M-crlf"\r\n}\r\n' }],
]

/** A genuine notification of each kind. */
export async function createOriginals(clients: Clients): Promise<Original[]> {
  const plan = createPlanner({ clients, startedAtMs: Date.now() })
  return await Promise.all(
    plans.map(async ([name, dialect, given], number) => {
      const { request, client, uri, time, signature, version } = await plan(given, { dialect, number })
      const message = { uri, clientId: client.clientId, time, body: request.body }
      return { name, client, version, message, signature }
    }),
  )
}
