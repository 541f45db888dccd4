import { type KeyObject, sign } from 'node:crypto'
import { messageBytes, signMessage, type SignedMessage } from './answers.fixture.ts'
import type { ClientName, Clients, KnownClient } from './clients.fixture.ts'
import type { Sending } from './wire/connection.fixture.ts'
import type { HeaderLine, WireRequest } from './wire/request.fixture.ts'

export type Dialect = 'AP' | 'AMS'

/** What a Signature header is written from. */
export type SignatureParts = { version: string; base64: string }

/** How a request differs from a plain valid notification of its dialect. */
export type Plan = {
  /** Who sends; the dialect's own client unless told. */
  client?: ClientName
  /** Whose key signs; the sender's newest unless told. */
  signer?: { client?: ClientName; version?: string; isOurs?: true }
  /** The hash in the signature; SHA-256 unless told. */
  hash?: 'sha1' | 'sha512'
  /** The text of Request-Time. */
  time?: string
  body?: Buffer | string
  /** The request target as sent. */
  target?: string
  /** What the sender called, where a proxy in front has taken a prefix off. */
  publicUri?: string
  /** Where the signed text differs from what is sent. */
  signed?: Partial<SignedMessage>
  /** Writes the Signature header; as the dialect's sender does unless told. */
  signature?: (parts: SignatureParts) => string
  /** The last word on the headers. */
  headers?: (lines: readonly HeaderLine[]) => readonly HeaderLine[]
  method?: string
  version?: WireRequest['version']
  framing?: WireRequest['framing']
  sending?: Sending
}

/** A request ready to be sent, and what the ingress must make of it. */
export type PlannedRequest = {
  request: WireRequest
  sending: Sending
  client: KnownClient
  /** The text under `POST `, in the request and in its answer. */
  uri: string
  time: string
  signatureHeader: string
  /** The signature itself and the version of the key that made it. */
  signature: Buffer
  version: string
}

const lowerHex = (base64: string) => encodeURIComponent(base64).replaceAll(/%../g, (hex) => hex.toLowerCase())
const upperHex = encodeURIComponent

/** A notification as its dialect's sender writes it: member order, header names and blanks included. */
const dialects = {
  AP: {
    client: 'plus',
    body: (merchant: string) =>
      `{"referenceMerchantId":"${merchant}","registrationResult":{"registrationStatus":"PENDING"}}`,
    time: (ms: number) => new Date(ms + 330 * 60_000).toISOString().replace('Z', '+05:30'),
    signature: ({ version, base64 }: SignatureParts) =>
      `algorithm=RSA256,keyVersion=${version},signature=${lowerHex(base64)}`,
    clientIdName: 'client-id',
    contentType: 'application/json; charset=UTF-8',
  },
  AMS: {
    client: 'ams',
    body: (merchant: string) =>
      `{"referenceMerchantId":"${merchant}","pspRegistrationResultList":[{"pspName":"AlipayCN",` +
      `"registrationResult":{"registrationStatus":"APPROVED"}}],"registrationResult":{"registrationStatus":"COMPLETED"}}`,
    time: (ms: number) => String(ms),
    signature: ({ version, base64 }: SignatureParts) =>
      `algorithm=RSA256, keyVersion=${version}, signature=${upperHex(base64)}`,
    clientIdName: 'Client-Id',
    contentType: 'application/json',
  },
} as const

/** Requests of one run: `number` keeps their times and merchants apart, so that each is found again in the topics. */
export function createPlanner({ clients, startedAtMs }: { clients: Clients; startedAtMs: number }) {
  return async function plan(given: Plan, { dialect, number }: { dialect: Dialect; number: number }) {
    const habits = dialects[dialect]
    const client = clients[given.client ?? habits.client]
    const target = given.target ?? client.paths[0] ?? ''
    const uri = given.publicUri ?? target
    const body = Buffer.from(given.body ?? habits.body(`M${number}`))
    const { key, version } = signingKey(given, { clients, sender: client })
    for (let attempt = 0; ; attempt++) {
      const time = given.time ?? habits.time(startedAtMs - number * 100 + attempt)
      const message = { uri, clientId: client.clientId, time, body, ...given.signed }
      const signature =
        given.hash === undefined
          ? await signMessage(message, key)
          : sign(given.hash, messageBytes(message), key)
      const base64 = signature.toString('base64')
      // Both letters must be met where escapes are tested; they nearly always are.
      const hasBoth = base64.includes('+') && base64.includes('/')
      if (!hasBoth && given.time === undefined && attempt < 50) continue
      const signatureHeader = (given.signature ?? habits.signature)({ version, base64 })
      const headers: readonly HeaderLine[] = [
        ['Host', 'ingress.example'],
        [habits.clientIdName, client.clientId],
        ['Request-Time', time],
        ['Signature', signatureHeader],
        ['Content-Type', habits.contentType],
      ]
      const request: WireRequest = {
        method: given.method ?? 'POST',
        target,
        version: given.version ?? '1.1',
        headers: given.headers?.(headers) ?? headers,
        body,
        framing: given.framing ?? 'length',
      }
      return {
        request,
        sending: given.sending ?? 'whole',
        client,
        uri,
        time,
        signatureHeader,
        signature,
        version,
      } satisfies PlannedRequest
    }
  }
}

function signingKey(
  { signer = {} }: Plan,
  { clients, sender }: { clients: Clients; sender: KnownClient },
): { key: KeyObject; version: string } {
  const owner = signer.client === undefined ? sender : clients[signer.client]
  const keys = signer.isOurs === true ? owner.ownKeys : owner.alipayKeys
  const version = signer.version ?? (signer.isOurs === true ? owner.ownVersion : owner.newestVersion)
  const key = keys.get(version)?.privateKey
  if (key === undefined) throw new Error(`${owner.clientId} has no key ${version}`)
  return { key, version }
}
