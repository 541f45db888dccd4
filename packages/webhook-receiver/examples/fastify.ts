import { env, stdout } from 'node:process'
import type { Alert } from '@signalbox/webhook-receiver/alert'
import { createAlertReceiver, type Delivery } from '@signalbox/webhook-receiver/receive-alert'
import Fastify from 'fastify'

const receiver = createAlertReceiver({ secrets: (env['WEBHOOK_SECRETS'] ?? '').split(',') })
const app = Fastify({ bodyLimit: 100_000 })

// The bytes are what is signed. Parsers belong to the plugin they are set in: the rest of the app keeps its own.
await app.register(async (alerts) => {
  alerts.removeAllContentTypeParsers()
  alerts.addContentTypeParser<Buffer>('*', { parseAs: 'buffer' }, (_, body, done) => done(null, body))
  alerts.post<{ Body: Buffer }>('/alerts', async ({ headers, body }, reply) => {
    const { status, text } = await receiver.handle({ headers, body }, work)
    return reply.code(status).type('text/plain').send(text)
  })
})

/** Resolves when the alert is safe with you; rejects, and Signalbox sends it again. */
async function work(alert: Alert, { id, isLate }: Delivery) {
  stdout.write(`${JSON.stringify({ id, isLate, alert })}\n`)
}

await app.listen({ port: Number(env['PORT'] ?? 8787), host: '127.0.0.1' })
stdout.write(`listening on ${JSON.stringify(app.server.address())}\n`)
