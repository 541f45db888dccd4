import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { env, stdout } from 'node:process'
import type { Alert } from '@signalbox/webhook-receiver/alert'
import { createAlertReceiver, type Delivery } from '@signalbox/webhook-receiver/receive-alert'

const receiver = createAlertReceiver({ secrets: (env['WEBHOOK_SECRETS'] ?? '').split(',') })

const server = createServer((request, response) => {
  answer(request, response).catch(() => response.destroy())
})

async function answer(request: IncomingMessage, response: ServerResponse) {
  const body = await readBytes(request)
  if (body === null) return response.writeHead(413).end()
  const { status, text } = await receiver.handle({ headers: request.headers, body }, work)
  return response.writeHead(status).end(text)
}

/** Resolves when the alert is safe with you; rejects, and Signalbox sends it again. */
async function work(alert: Alert, { id, isLate }: Delivery) {
  stdout.write(`${JSON.stringify({ id, isLate, alert })}\n`)
}

/** The bytes as they came, because they are what is signed; null when they are more than any alert has. */
async function readBytes(request: IncomingMessage): Promise<Buffer | null> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of request.iterator({ destroyOnReturn: false })) {
    if (!Buffer.isBuffer(piece)) return null
    bytes += piece.length
    if (bytes > 100_000) return null
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

server.listen(Number(env['PORT'] ?? 8787), '127.0.0.1', () => {
  stdout.write(`listening on ${JSON.stringify(server.address())}\n`)
})
