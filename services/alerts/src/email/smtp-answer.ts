import type { Answer } from '@signalbox/webhook-sender/send-webhook'
import { z } from 'zod'
import { shortened } from './plain-line.ts'

const text = z.string().catch('')

/** What nodemailer says of a mail that it could not hand over; empty where it says nothing. */
const mailFailure = z.object({
  /** One of nodemailer's codes, such as EENVELOPE. */
  code: text,
  /** The code of the system, where there was one before. */
  originalCode: text,
  /** The SMTP command that was answered, such as `RCPT TO`. */
  command: text,
  /** The reply as it came, and its number, which is null when there was no reply. */
  response: text,
  responseCode: z.number().nullable().catch(null),
})

export type MailFailure = z.infer<typeof mailFailure>

const unknownFailure: MailFailure = {
  code: '',
  originalCode: '',
  command: '',
  response: '',
  responseCode: null,
}

/** Reads an error of nodemailer, or anything else that was thrown. */
export function failureOf(error: unknown): MailFailure {
  return mailFailure.safeParse(error).data ?? unknownFailure
}

/** Replies to a recipient that speak of us, of policy or of a full mailbox, not of an address that is no more. */
const addressMayLive = /^[0-9]{3}[ -]5\.(?:7\.[0-9]+|3\.[0-9]+|2\.[234])\b/
const noSuchRecipient = [550, 551, 553, 556]
const tlsCodes = /^(?:ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|EPROTO$|HOSTNAME_MISMATCH)/
/** Characters of a reply that an attempt log keeps. */
const maxReply = 500

/**
 * Puts the failure of a mail in the words of a webhook's answer, so that delivery treats both alike: 410 when there is
 * no such recipient, 422 when this mail is refused for good, 503 when it may be taken later. What the server has
 * against us, and not against the mail, is no answer of the recipient's: it is tried again.
 */
export function answerOfFailure(failure: MailFailure, { keepsReply }: { keepsReply: boolean }): Answer {
  const { code, command, responseCode: reply, response } = failure
  const status = (status: number): Answer => ({
    kind: 'status',
    status,
    retryAfter: null,
    body: keepsReply && response !== '' ? shortened(response, maxReply) : null,
  })
  if (code === 'ETLS') return { kind: 'none', error: 'tls' }
  if (reply === null) {
    // Nodemailer itself found that the server will not take an address or a mail of this size.
    if (code === 'EENVELOPE' || code === 'EMESSAGE') return status(422)
    return { kind: 'none', error: transportErrorOf(failure) }
  }
  // 503 is about the order of commands: over a new connection the same mail may pass.
  if (reply < 500 || reply === 503) return status(503)
  if (command === 'RCPT TO') {
    return status(noSuchRecipient.includes(reply) && !addressMayLive.test(response) ? 410 : 422)
  }
  if (command === 'DATA') return status(422)
  return { kind: 'none', error: 'mail_unavailable' }
}

function transportErrorOf({ code, originalCode }: MailFailure): Extract<Answer, { kind: 'none' }>['error'] {
  if (code === 'EABORT' || code === 'ETIMEDOUT' || originalCode === 'ETIMEDOUT') return 'timeout'
  if (code === 'EDNS') return 'dns'
  if (tlsCodes.test(originalCode) || tlsCodes.test(code)) return 'tls'
  if (code === 'EAUTH' || code === 'ENOAUTH' || code === 'ECONFIG') return 'mail_unavailable'
  return 'connection'
}
