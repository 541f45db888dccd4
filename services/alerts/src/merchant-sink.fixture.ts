import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AlertBody } from '@signalbox/contracts/alert'
import { alertBody } from '@signalbox/contracts/alert'
import { Webhook } from 'standardwebhooks'
import { z } from 'zod'
import type { Endpoint } from './endpoints/endpoint-directory.ts'

/** A webhook as a merchant got it, verified by the published library. */
export type Received = { id: string; timestamp: string; text: string; body: AlertBody; atMs: number }

/** Answers the n-th webhook (from 1); without `end` it hangs. */
export type AnswerWebhook = (response: ServerResponse, n: number) => void

const headers = z.object({
  'webhook-id': z.string(),
  'webhook-timestamp': z.string(),
  'webhook-signature': z.string(),
})

/** A merchant's endpoint on a free port of 127.0.0.1. A webhook that does not verify is answered with 400. */
export async function openMerchantSink(
  id: string,
  answer: AnswerWebhook = (response) => response.writeHead(204).end(),
): Promise<AsyncDisposable & { endpoint: Endpoint; received: readonly Received[] }> {
  const secret = randomBytes(32)
  const webhook = new Webhook(`whsec_${secret.toString('base64')}`)
  const received: Received[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString('utf8')
      try {
        const signed = headers.parse(request.headers)
        const body = alertBody.parse(webhook.verify(text, signed))
        const [webhookId, timestamp] = [signed['webhook-id'], signed['webhook-timestamp']]
        received.push({ id: webhookId, timestamp, text, body, atMs: Date.now() })
      } catch (error) {
        response.writeHead(400).end(String(error))
        return
      }
      answer(response, received.length)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('a TCP server has an address')
  return {
    endpoint: { id, url: `http://127.0.0.1:${address.port}/webhooks`, secret },
    received,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
