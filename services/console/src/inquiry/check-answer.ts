import { parseRequestTime } from '@signalbox/alipay/request-time'
import { parseSignatureHeader, signedText, verifyText } from '@signalbox/alipay/signature'
import { candidateKeys, type Client } from '@signalbox/key-ring/client-directory'

export type HttpAnswer = {
  status: number
  /** By lower-case name. */
  headers: Readonly<Record<string, string | string[] | undefined>>
  body: Buffer
}

/** What an answer that Alipay has signed for this call says of itself, beside its body. */
export type Genuine = {
  kind: 'genuine'
  requestTime: string
  requestTimeMs: number
  signature: string
  keyVersion: string
}

/** In what an answer is not what Alipay must have signed for this call. */
export type Forgery =
  | 'unsigned'
  | 'malformed_signature'
  | 'other_client'
  | 'malformed_time'
  | 'other_time'
  | 'unknown_key'
  | 'wrong_signature'

/**
 * How far Response-Time may be from our clock. An answer names nothing of what was asked, so its time is all that
 * keeps an old one, of another registration perhaps, from being taken for this one.
 */
const toleranceMs = 5 * 60_000

/** Verifies an answer over its raw bytes with the client's Alipay keys. Whatever does not fit exactly fails. */
export function checkAnswer(
  { headers, body }: HttpAnswer,
  call: { client: Client; uri: string; nowMs: number },
): Genuine | { kind: 'forged'; forgery: Forgery } {
  const { client, uri, nowMs } = call
  const { clientId } = client
  const { signature: header, 'response-time': time } = headers
  if (typeof header !== 'string') return forged('unsigned')
  const signature = parseSignatureHeader(header)
  if (signature === null) return forged('malformed_signature')
  if (headers['client-id'] !== clientId) return forged('other_client')
  const requestTimeMs = typeof time === 'string' ? parseRequestTime(time) : null
  if (typeof time !== 'string' || requestTimeMs === null) return forged('malformed_time')

  const keys = candidateKeys(client, signature.keyVersion)
  if (keys.length === 0) return forged('unknown_key')
  const text = signedText({ uri, clientId, time, body })
  const key = keys.find(
    (candidate) =>
      candidate.signatureBytes === signature.signature.length &&
      verifyText(text, signature.signature, candidate.key),
  )
  if (key === undefined) return forged('wrong_signature')
  if (Math.abs(requestTimeMs - nowMs) > toleranceMs) return forged('other_time')
  return { kind: 'genuine', requestTime: time, requestTimeMs, signature: header, keyVersion: key.version }
}

function forged(forgery: Forgery): { kind: 'forged'; forgery: Forgery } {
  return { kind: 'forged', forgery }
}
