import { createHmac } from 'node:crypto'

/** The headers of Standard Webhooks 1.0 for one attempt: `webhook-id` stays, the timestamp is the attempt's. */
export function webhookHeaders({
  id,
  body,
  secret,
  nowMs,
}: {
  id: string
  body: string
  /** The bytes of the secret, decoded. */
  secret: Uint8Array
  nowMs: number
}): Record<string, string> {
  const timestamp = String(Math.floor(nowMs / 1000))
  const signature = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64')
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` }
}
