import assert from 'node:assert/strict'
import type { Endpoint } from '@signalbox/alert-endpoints/endpoint'
import {
  createLinkToken,
  digestOfAddress,
  type LinkKeys,
  linkUrl,
} from '@signalbox/alert-endpoints/link-token'
import { alertBody } from '@signalbox/contracts/alert'
import type { Answer } from '@signalbox/webhook-sender/send-webhook'
import { createTransport } from 'nodemailer'
import type { MailConfig } from './config.ts'
import { type Letter, letterOfAlert, verificationLetter } from './letter.ts'
import { mailMessage } from './mail-message.ts'
import { isPlainAddress } from './mailbox.ts'
import { answerOfFailure, failureOf } from './smtp-answer.ts'

/** An endpoint whose target is an e-mail address. */
export type MailEndpoint = Pick<
  Endpoint,
  'endpointId' | 'clientId' | 'merchant' | 'target' | 'keepsResponses'
>

/** Sends an alert, whose `body` is the text that a webhook would get. Throws only when `signal` ends it. */
type SendMail = (of: {
  alert: { id: string }
  endpoint: MailEndpoint
  body: string
  signal: AbortSignal
}) => Promise<Answer>

/** `revision`: of the endpoint when the question was asked. Throws only when `signal` ends it. */
type SendVerification = (of: {
  endpoint: MailEndpoint
  revision: number
  signal: AbortSignal
}) => Promise<Answer>

export type MailSender = AsyncDisposable & {
  /** All mails of one alert have one Message-ID, however often it is sent. */
  sendMail: SendMail
  /** Asks the owner of the address to confirm it by a link. All mails of one alert have one Message-ID, as above. */
  sendVerification: SendVerification
}

const dayMs = 86_400_000
/** A mail may lie for long before somebody has enough of its like. */
const unsubscribeLifeMs = 365 * dayMs
const verificationLifeMs = 7 * dayMs
const connectTimeoutMs = 3_000
/** Mails at a time. The server is the deployment's own, so no endpoint can hold another one's up by it. */
const maxConnections = 5

/**
 * Opens a sender over connections of its own to the mail server. With `config` null every mail fails and says so.
 *
 * @param of.timeoutMs of one mail, waiting for a connection included
 */
export function createMailSender(of: {
  config: MailConfig | null
  keys: LinkKeys
  /** Epoch milliseconds. */
  now: () => number
  timeoutMs: number
}): MailSender {
  const { config, keys, now, timeoutMs } = of
  if (config === null) {
    return { sendMail: fail, sendVerification: fail, [Symbol.asyncDispose]: async () => {} }
  }
  const { from, publicUrl } = config
  const transport = openTransport(config, timeoutMs)

  function linkOf(endpoint: MailEndpoint, action: 'verify' | 'unsubscribe', expiresAtMs: number): string {
    const addressDigest = digestOfAddress(addressOf(endpoint))
    const { endpointId } = endpoint
    return linkUrl(publicUrl, createLinkToken({ endpointId, action, addressDigest, expiresAtMs }, keys))
  }

  async function send(
    mail: { id: string; letter: Letter },
    endpoint: MailEndpoint,
    signal: AbortSignal,
  ): Promise<Answer> {
    signal.throwIfAborted()
    const address = addressOf(endpoint)
    if (!isPlainAddress(address)) return { kind: 'status', status: 422, retryAfter: null, body: null }
    try {
      const { response } = await transport.sendMail({
        ...mailMessage({ ...mail, from, address, nowMs: now() }),
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      })
      return {
        kind: 'status',
        status: 202,
        retryAfter: null,
        body: endpoint.keepsResponses ? response : null,
      }
    } catch (error) {
      signal.throwIfAborted()
      return answerOfFailure(failureOf(error), { keepsReply: endpoint.keepsResponses })
    }
  }

  return {
    async sendMail({ alert, endpoint, body, signal }) {
      const unsubscribeUrl = linkOf(endpoint, 'unsubscribe', now() + unsubscribeLifeMs)
      const told = alertBody.parse(JSON.parse(body))
      assert(told.type !== 'endpoint.verification', 'that one has a sender of its own')
      const letter = letterOfAlert(told, { unsubscribeUrl, publicUrl })
      return send({ id: alert.id, letter }, endpoint, signal)
    },
    async sendVerification({ endpoint, revision, signal }) {
      const expiresAtMs = now() + verificationLifeMs
      const url = linkOf(endpoint, 'verify', expiresAtMs)
      const letter = verificationLetter({ endpoint, url, expiresAtMs })
      return send({ id: `v-${endpoint.endpointId}-${revision}`, letter }, endpoint, signal)
    },
    async [Symbol.asyncDispose]() {
      transport.close({ force: true })
    },
  }
}

async function fail(): Promise<Answer> {
  return { kind: 'none', error: 'mail_unavailable' }
}

function openTransport({ server }: MailConfig, timeoutMs: number) {
  const { host, port, tls, login } = server
  return createTransport({
    pool: true,
    maxConnections,
    // A kept connection that the server has closed meanwhile is no reason to fail.
    maxRequeues: 1,
    idleTimeout: 30_000,
    host,
    port,
    secure: tls === 'always',
    requireTLS: tls === 'upgrade',
    ignoreTLS: tls === 'none',
    tls: { minVersion: 'TLSv1.2' },
    ...(login === null ? {} : { auth: { user: login.user, pass: login.password } }),
    connectionTimeout: connectTimeoutMs,
    dnsTimeout: connectTimeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    maxResponseSize: 16 * 1024,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
}

function addressOf({ target }: MailEndpoint): string {
  assert(target?.type === 'email', 'only endpoints with an e-mail address get mails')
  return target.address
}
