import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AlertBody } from '@signalbox/contracts/alert'
import { alertBody } from '@signalbox/contracts/alert'
import { Webhook } from 'standardwebhooks'
import { z } from 'zod'

/** What a sender has to know of it. */
export type SinkEndpoint = { id: string; url: string; secret: Uint8Array }

/** A webhook as a merchant got it, verified by the published library. */
export type Received = {
  id: string
  timestamp: string
  text: string
  body: AlertBody
  isReplay: boolean
  /** The header `x-own`. */
  own: string | string[] | undefined
  atMs: number
}

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
): Promise<
  AsyncDisposable & {
    endpoint: SinkEndpoint
    received: readonly Received[]
    /** The most calls that were under way at a time. */
    mostAtOnce: () => number
  }
> {
  const secret = randomBytes(32)
  const webhook = new Webhook(`whsec_${secret.toString('base64')}`)
  const received: Received[] = []
  let underWay = 0
  let mostAtOnce = 0
  const server = createServer((request, response) => {
    underWay += 1
    mostAtOnce = Math.max(mostAtOnce, underWay)
    response.on('close', () => {
      underWay -= 1
    })
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString('utf8')
      try {
        const signed = headers.parse(request.headers)
        const body = alertBody.parse(webhook.verify(text, signed))
        const [webhookId, timestamp] = [signed['webhook-id'], signed['webhook-timestamp']]
        const isReplay = request.headers['webhook-replay'] === 'true'
        const own = request.headers['x-own']
        received.push({ id: webhookId, timestamp, text, body, isReplay, own, atMs: Date.now() })
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
    mostAtOnce: () => mostAtOnce,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
