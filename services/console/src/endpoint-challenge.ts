import { randomBytes, randomUUID } from 'node:crypto'
import type { Answer, SendWebhook, TransportError } from '@signalbox/webhook-sender/send-webhook'
import { type SigningKey, webhookHeaders } from '@signalbox/webhook-sender/webhook-headers'
import { z } from 'zod'

/** The body of the call that asks an endpoint to show that it is there and wants alerts. */
export const endpointChallenge = z.strictObject({
  type: z.literal('endpoint.challenge'),
  timestamp: z.iso.datetime(),
  data: z.strictObject({
    endpointId: z.string(),
    challenge: z.string().describe('Answer 2xx with this text anywhere in the first 4 KiB of the body.'),
  }),
})

export type EndpointChallenge = z.infer<typeof endpointChallenge>

const answerBytes = 4 * 1024
/** How long an endpoint may take. */
export const challengeDeadlineMs = 15_000

/** What kept a challenge from being answered, in words for whoever asked. */
const troubles: Record<TransportError, string> = {
  timeout: `It did not answer within ${challengeDeadlineMs / 1_000} seconds. Answer first, do the work later.`,
  dns: 'Its host has no address. Correct the url, or wait until the name is known.',
  tls: 'Its TLS certificate or handshake does not fit. Serve a valid certificate for the host, with its chain.',
  connection: 'No connection could be made, or it was cut. See that the server runs and lets us in.',
  address_refused: 'Its host leads to an address that must not be called. Use a public one.',
  mail_unavailable: 'E-mails cannot be sent at the moment.',
}

/**
 * Sends a challenge, signed like every alert, and says why the endpoint did not pass; null when it did.
 *
 * @throws only when `signal` ends it
 */
export async function challengeProblem(
  {
    endpointId,
    url,
    headers,
    secrets,
  }: {
    endpointId: string
    url: string
    headers: Record<string, string>
    secrets: readonly Uint8Array[]
  },
  {
    send,
    signingKey,
    nowMs,
    signal,
  }: {
    send: SendWebhook
    signingKey: SigningKey | null
    nowMs: number
    signal: AbortSignal
  },
): Promise<string | null> {
  const challenge = randomBytes(24).toString('base64url')
  const asked: EndpointChallenge = {
    type: 'endpoint.challenge',
    timestamp: new Date(nowMs).toISOString(),
    data: { endpointId, challenge },
  }
  const body = JSON.stringify(asked)
  const signed = webhookHeaders({ id: `c-${randomUUID()}`, body, nowMs, secrets, signingKey })
  return problemOf(
    await send({ url, headers: { ...headers, ...signed }, body, signal, keepBytes: answerBytes }),
    challenge,
  )
}

function problemOf(answer: Answer, challenge: string): string | null {
  if (answer.kind === 'none') return troubles[answer.error]
  if (answer.status < 200 || answer.status > 299) {
    return `It answered ${answer.status}. Answer 2xx with data.challenge in the body; redirects are not followed.`
  }
  if (answer.body?.includes(challenge) !== true) {
    return `It answered ${answer.status}, but without the text of data.challenge in the body. Send it back.`
  }
  return null
}
