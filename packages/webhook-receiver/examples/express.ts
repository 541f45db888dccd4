import { env, stdout } from 'node:process'
import type { Alert } from '@signalbox/webhook-receiver/alert'
import { createAlertReceiver, type Delivery } from '@signalbox/webhook-receiver/receive-alert'
import express from 'express'

const receiver = createAlertReceiver({ secrets: (env['WEBHOOK_SECRETS'] ?? '').split(',') })
const app = express()

// The bytes are what is signed, so this route must come before any app.use(express.json()).
app.post(
  '/alerts',
  express.raw({ type: () => true, limit: 100_000 }),
  ({ headers, body }, response, next) => {
    receiver
      .handle({ headers, body }, work)
      .then(({ status, text }) => response.status(status).type('text').send(text), next)
  },
)

/** Resolves when the alert is safe with you; rejects, and Signalbox sends it again. */
async function work(alert: Alert, { id, isLate }: Delivery) {
  stdout.write(`${JSON.stringify({ id, isLate, alert })}\n`)
}

const server = app.listen(Number(env['PORT'] ?? 8787), '127.0.0.1', () => {
  stdout.write(`listening on ${JSON.stringify(server.address())}\n`)
})
