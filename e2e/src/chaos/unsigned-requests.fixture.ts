import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { formatSignatureHeader } from '@signalbox/alipay/signature'
import { type PreparedRequests, requestBytes, writeRequests } from '@signalbox/testkit/prepared-requests'
import type { TestClient } from '@signalbox/testkit/signed-notification'

/** What somebody without a key can send, by what it lacks. */
export const unsignedKinds = [
  'without signature',
  'random signature',
  'unknown client',
  'unknown path',
  'large body',
] as const

export type UnsignedKind = (typeof unsignedKinds)[number]

/** About those of a notification. */
const smallBodyBytes = 300
const largeBodyBytes = 1024 * 1024
/** Told apart in the log by this text: no other notification holds it. */
export const forgedMark = 'FORGED'

/**
 * Writes a few hundred requests of one kind, as near to a genuine one as somebody without the client's key gets.
 * The same seed gives the same bytes but for the time in them.
 */
export async function writeUnsigned(options: {
  folder: string
  kind: UnsignedKind
  client: TestClient
  seed: number
}): Promise<PreparedRequests> {
  const { folder, kind, client, seed } = options
  const count = kind === 'large body' ? 4 : 500
  const bodyBytes = kind === 'large body' ? largeBodyBytes : smallBodyBytes
  const requests = Array.from({ length: count }, (_, n) =>
    unsigned({ kind, client, seed: `${seed} ${kind} ${n}`, bodyBytes }),
  )
  return writeRequests(join(folder, `${kind.replaceAll(' ', '-')}.requests`), requests)
}

/**
 * The beginning of a request with a random signature under a known client's id.
 *
 * @param bodyBytes how long its body is said to be
 * @param missingBytes how many of those are left out
 */
export function beginningOfUnsigned(options: {
  client: TestClient
  seed: number
  bodyBytes: number
  missingBytes: number
}): Buffer {
  const { client, seed, bodyBytes, missingBytes } = options
  const bytes = unsigned({ kind: 'random signature', client, seed: String(seed), bodyBytes })
  return bytes.subarray(0, bytes.length - missingBytes)
}

function unsigned(options: {
  kind: UnsignedKind
  client: TestClient
  seed: string
  bodyBytes: number
}): Buffer {
  const { kind, client, seed, bodyBytes } = options
  const text = JSON.stringify({ referenceMerchantId: `${forgedMark} ${seed}` })
  const body = Buffer.from(text.padEnd(bodyBytes))
  const clientId = kind === 'unknown client' ? `T_${digest(seed).toString('hex')}` : client.clientId
  const uri = kind === 'unknown path' ? `/${digest(seed).toString('hex')}` : client.uri
  // As long as a genuine one, so that only the verification can tell.
  const signature = Buffer.concat(Array.from({ length: 8 }, (_, part) => digest(`${seed} ${part}`)))
  const headers = {
    'client-id': clientId,
    'request-time': new Date().toISOString(),
    ...(kind === 'without signature'
      ? {}
      : { signature: formatSignatureHeader({ keyVersion: client.keyVersion, signature }) }),
    'content-type': 'application/json; charset=UTF-8',
  }
  return requestBytes(uri, { headers, body })
}

const digest = (seed: string) => createHash('sha256').update(seed).digest()
