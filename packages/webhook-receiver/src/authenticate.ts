import { isUtf8 } from 'node:buffer'
import { type ReadAlert, readAlert } from './alert.ts'
import { alertIdOf } from './freshness.ts'
import { createVerify, type PublicKeySet, readPublicKeys, readSecret } from './verify-signature.ts'

export type Keys = {
  /** The endpoint's secrets, `whsec_…`: while one is replaced, the new and the old one. */
  secrets?: readonly string[]
  /**
   * Instead of secrets, or besides: the published keys and the id of the endpoint. One key signs for every endpoint,
   * so it is the id that tells whether an alert was sent to this one, or to another that passes it on.
   */
  published?: { publicKeys: PublicKeySet; endpointId: string }
}

/** A request as any server has it. */
export type AlertRequest = {
  headers:
    | Readonly<Record<string, string | readonly string[] | undefined>>
    | Iterable<readonly [string, string]>
  /** The bytes or the text that came. What a parser made of them is refused (`body_not_raw`). */
  body: unknown
}

/** Why a request is refused, and the HTTP status that says so. */
export const refusals = {
  /** A mistake of the receiver: its server has parsed the body, so the bytes that were signed are gone. */
  body_not_raw: 500,
  headers_missing: 400,
  wrong_signature: 401,
  wrong_endpoint: 403,
  too_old: 408,
  too_new: 425,
  unreadable: 422,
} as const

export type Refused = {
  kind: 'refused'
  why: keyof typeof refusals
  /** For people: what is wrong, and where to look. */
  problem: string
  status: number
}

/** `isReplay`: an operator had it sent again. That header is not signed, so nothing is decided by it. */
export type Genuine = {
  kind: 'genuine'
  id: string
  isReplay: boolean
  read: Exclude<ReadAlert, { kind: 'unreadable' }>
}

/** @throws TypeError when a secret or key cannot be used, with the reason, or when there is none */
export function createAuthenticate(
  { secrets = [], published }: Keys,
  { toleranceS }: { toleranceS: number },
): (request: AlertRequest, nowMs: number) => Genuine | Refused {
  if (secrets.length === 0 && published === undefined) {
    throw new TypeError('There is no key: give `secrets`, or `published` with the public keys.')
  }
  const verify = createVerify(secrets.map(secretBytes), published ? keysOf(published.publicKeys) : [])

  return ({ headers, body }, nowMs) => {
    const bytes = bytesOf(body)
    if (bytes === null) {
      return refused('body_not_raw', 'The body was parsed before: the signature needs the bytes that came.')
    }
    const header = headerReader(headers)
    const [id, timestamp] = [header('webhook-id') ?? '', header('webhook-timestamp') ?? '']
    const signatures = header('webhook-signature') ?? ''
    const missing = headerProblem({ id, timestamp, signatures })
    if (missing !== null) return refused('headers_missing', missing)

    const scheme = verify({ id, timestamp, body: bytes }, signatures)
    if (scheme === null) return refused('wrong_signature', signatureProblem(signatures))
    const ageS = Math.floor(nowMs / 1000) - Number(timestamp)
    if (ageS > toleranceS) return refused('too_old', ageProblem(`${ageS} s ago`, toleranceS))
    if (-ageS > toleranceS) return refused('too_new', ageProblem(`${-ageS} s from now`, toleranceS))

    if (!isUtf8(bytes)) return refused('unreadable', 'It is genuine, but its body is not UTF-8.')
    const read = readAlert(bytes.toString('utf8'))
    if (read.kind === 'unreadable') return refused('unreadable', `It is genuine, but ${read.problem}.`)
    if (scheme === 'v1a' && published && !isFor(published.endpointId, { id, read })) {
      return refused('wrong_endpoint', `It is genuine, but was not sent to endpoint ${published.endpointId}.`)
    }
    return { kind: 'genuine', id, isReplay: header('webhook-replay') === 'true', read }
  }
}

/** Of what is newer than this kit nobody can tell. */
function isFor(endpointId: string, { id, read }: Pick<Genuine, 'id' | 'read'>): boolean {
  if (read.kind === 'alert') return alertIdOf(read.alert, endpointId) === id
  return read.kind === 'unknown_type' || read.endpointId === endpointId
}

function refused(why: Refused['why'], problem: string): Refused {
  return { kind: 'refused', why, problem, status: refusals[why] }
}

function secretBytes(text: string, index: number): Uint8Array {
  const secret = readSecret(text)
  if (secret.kind === 'refused') throw new TypeError(`secrets[${index}] cannot be used: ${secret.problem}.`)
  return secret.bytes
}

function keysOf(set: PublicKeySet) {
  const read = readPublicKeys(set)
  if (read.kind === 'refused') throw new TypeError(`The public keys cannot be used: ${read.problem}.`)
  return read.keys
}

/** Null: a parser was here before. */
function bytesOf(body: unknown): Buffer | null {
  if (body === undefined) return Buffer.alloc(0)
  if (typeof body === 'string') return Buffer.from(body)
  return body instanceof Uint8Array ? Buffer.from(body.buffer, body.byteOffset, body.byteLength) : null
}

function headerReader(headers: AlertRequest['headers']): (name: string) => string | undefined {
  const entries = isIterable(headers) ? [...headers] : Object.entries(headers)
  const values = new Map(entries.map(([name, value]) => [name.toLowerCase(), value]))
  return (name) => {
    const value = values.get(name)
    return typeof value === 'string' ? value : value?.join(', ')
  }
}

function isIterable(headers: object): headers is Iterable<readonly [string, string]> {
  return Symbol.iterator in headers
}

/** A dot in the id could shift text between the signed parts; Standard Webhooks forbids it. */
const idText = /^[!-\-/-~]{1,256}$/
const timestampText = /^[1-9][0-9]{0,11}$/

function headerProblem(given: { id: string; timestamp: string; signatures: string }): string | null {
  if (!idText.test(given.id))
    return 'The header webhook-id is missing or no id; is this from Signalbox at all?'
  if (!timestampText.test(given.timestamp)) return 'The header webhook-timestamp is missing or no Unix time.'
  return given.signatures === '' ? 'The header webhook-signature is missing.' : null
}

function signatureProblem(signatures: string): string {
  const schemes = [...new Set(signatures.split(' ').map((text) => text.split(',', 1)[0]))].slice(0, 4)
  return (
    `No signature (${schemes.join(', ').slice(0, 40)}) fits: it was signed with another secret or key, the id, the time ` +
    'or the body was changed on the way, or it is forged.'
  )
}

function ageProblem(age: string, toleranceS: number): string {
  return (
    `It is genuine, but was signed ${age} by this clock, and ${toleranceS} s are tolerated: somebody repeats an old ` +
    'request, or this clock is wrong.'
  )
}
