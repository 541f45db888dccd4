import { createHmac } from 'node:crypto'
import { Agent, request } from 'undici'
import type { WebhookJob } from './settings.ts'

/**
 * The least that a Standard Webhook costs: an HMAC and one POST over a kept connection. What it makes rejects
 * unless the answer is a 2xx.
 */
export function createPoster({ url, secret }: { url: string; secret: string }) {
  const key = Buffer.from(secret, 'base64')
  const dispatcher = new Agent()
  return async function post({ id, endpoint, body }: WebhookJob): Promise<void> {
    const timestamp = String(Math.floor(Date.now() / 1000))
    const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
    const answer = await request(`${url}/${endpoint}`, {
      dispatcher,
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        'webhook-signature': `v1,${signature}`,
      },
      body,
    })
    await answer.body.dump()
    if (answer.statusCode < 200 || answer.statusCode > 299) throw new Error(`status ${answer.statusCode}`)
  }
}
