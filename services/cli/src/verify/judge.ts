import { parseRequestTime } from '@signalbox/alipay/request-time'
import { parseSignatureHeader, type SignedParts, verifySignature } from '@signalbox/alipay/signature'
import { describeDiagnosis } from '../diagnosis/describe.ts'
import { diagnose } from '../diagnosis/diagnose.ts'
import { explainSignatureHeader } from '../diagnosis/repair-signature.ts'
import type { KnownKey, KnownKeys } from './known-keys.ts'

/** A notification as it was captured or stored. */
export type Captured = SignedParts & {
  /** The Signature header as received. */
  signature: string
  method: string
  /** Hosts that it was sent to, and what proxies tell that its target was: only for explanations. */
  hosts: readonly string[]
  uris: readonly string[]
}

export type Judgement =
  | { kind: 'genuine'; key: KnownKey }
  /** `explain` looks for the cause, which may take a second. */
  | { kind: 'not_genuine'; reason: string; explain(): string[] }

/**
 * Whether a notification is genuine: signed by Alipay's key, with a Request-Time of the documented form, without which
 * the end of one part could be moved into the next.
 *
 * @param options.anyVersion takes every key of the client, `firstVersion` before the others, whatever version the
 * header names; without it the header decides, as in an ingress, but retired keys count
 */
export function judge(
  captured: Captured,
  known: KnownKeys,
  options: { anyVersion: boolean; firstVersion?: string } = { anyVersion: false },
): Judgement {
  const { uri, clientId, time, body } = captured
  const parts: SignedParts = { uri, clientId, time, body }
  const header = parseSignatureHeader(captured.signature)
  const namedVersion = header?.keyVersion ?? null
  const notGenuine = (reason: string, signature = header?.signature): Judgement => ({
    kind: 'not_genuine',
    reason,
    explain: () =>
      signature === undefined ? [] : explain({ captured, parts, signature, namedVersion, known }),
  })

  if (header === null) {
    const { problem, repaired } = explainSignatureHeader(captured.signature)
    return notGenuine(`the Signature header cannot be read: ${problem}`, repaired?.signature)
  }
  const client = known.clients?.get(clientId)
  if (known.clients !== null && client === undefined) {
    return notGenuine(
      clientId === '' ? 'there is no Client-Id' : `client ${clientId} is not in the clients file`,
    )
  }
  if (parseRequestTime(time) === null) {
    return notGenuine(time === '' ? 'there is no Request-Time' : 'Request-Time is not of a documented form')
  }
  const anyVersion = options.anyVersion || namedVersion === null || client?.anyKeyVersion === true
  const likeliest = options.firstVersion ?? namedVersion
  const keys = known.keys
    .filter(
      (key) =>
        isOfSender(key, clientId) && (anyVersion || key.version === null || key.version === namedVersion),
    )
    .toSorted((a, b) => Number(b.version === likeliest) - Number(a.version === likeliest))
  if (keys.length === 0) {
    return notGenuine(
      namedVersion === null
        ? `client ${clientId} has no key of Alipay's`
        : `client ${clientId} has no key version ${namedVersion} of Alipay's`,
    )
  }
  const key = keys.find(({ key }) => verifySignature(parts, header.signature, key))
  return key === undefined ? notGenuine('the signature does not hold') : { kind: 'genuine', key }
}

function isOfSender({ side, clientId }: KnownKey, wanted: string): boolean {
  return side === 'alipay' && (clientId === null || clientId === wanted)
}

function explain({
  captured,
  parts,
  signature,
  namedVersion,
  known,
}: {
  captured: Captured
  parts: SignedParts
  signature: Buffer
  namedVersion: string | null
  known: KnownKeys
}): string[] {
  const likelihood = (key: KnownKey) =>
    (isOfSender(key, parts.clientId) ? 4 : 0) +
    (key.version === namedVersion ? 2 : 0) +
    (key.side === 'alipay' ? 1 : 0)
  const keys = known.keys.toSorted((a, b) => likelihood(b) - likelihood(a))
  const clients = [...(known.clients?.values() ?? [])]
  // The client's own paths before those of others.
  const paths = clients
    .toSorted((a, b) => Number(b.clientId === parts.clientId) - Number(a.clientId === parts.clientId))
    .flatMap((client) => client.paths)
  const hints = {
    method: captured.method,
    hosts: captured.hosts,
    uris: captured.uris,
    paths: [...new Set(paths)],
    clientIds: clients.map(({ clientId }) => clientId),
  }
  return describeDiagnosis(diagnose({ parts, signature, keys, hints }), { parts, namedVersion })
}
