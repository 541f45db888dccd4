import { createHmac, type KeyObject, sign } from 'node:crypto'

/** An ed25519 key that signs for every endpoint. */
export type SigningKey = { keyId: string; privateKey: KeyObject }

/**
 * The headers of Standard Webhooks 1.0 for one attempt: `webhook-id` stays, the timestamp is the attempt's.
 *
 * There is one `v1` signature for each secret, in the order given, and one `v1a` when there is a signing key.
 */
export function webhookHeaders({
  id,
  body,
  nowMs,
  secrets,
  signingKey,
  replay = false,
}: {
  id: string
  body: string
  nowMs: number
  /** The secrets in force, newest first: their bytes, decoded, or the keys made of them, which take less time. */
  secrets: readonly (Uint8Array | KeyObject)[]
  signingKey: SigningKey | null
  /** Marks a message that is sent anew although it was settled. */
  replay?: boolean
}): Record<string, string> {
  const timestamp = String(Math.floor(nowMs / 1000))
  const signed = `${id}.${timestamp}.${body}`
  const signatures = secrets.map(
    (secret) => `v1,${createHmac('sha256', secret).update(signed).digest('base64')}`,
  )
  if (signingKey !== null) {
    signatures.push(`v1a,${sign(null, Buffer.from(signed), signingKey.privateKey).toString('base64')}`)
  }
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signatures.join(' '),
    ...(replay ? { 'webhook-replay': 'true' } : {}),
  }
}
