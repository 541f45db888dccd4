import type { Answer } from '@signalbox/webhook-sender/send-webhook'
import { z } from 'zod'
import { shortened } from './plain-line.ts'

const text = z.string().catch('')

/** What nodemailer says of a mail that it could not hand over; empty where it says nothing. */
const mailFailure = z.object({
  /** One of nodemailer's codes, such as EENVELOPE. */
  code: text,
  /** The SMTP command that was answered, such as `RCPT TO`. */
  command: text,
  /** The reply as it came, and its number, which is null when there was no reply. */
  response: text,
  responseCode: z.number().nullable().catch(null),
})

export type MailFailure = z.infer<typeof mailFailure>

const unknownFailure: MailFailure = { code: '', command: '', response: '', responseCode: null }

/** Reads an error of nodemailer, or anything else that was thrown. */
export function failureOf(error: unknown): MailFailure {
  return mailFailure.safeParse(error).data ?? unknownFailure
}

/** Enhanced codes (RFC 3463) that say of a recipient that there is no such mailbox, and nothing less does. */
const noSuchMailbox = /^5[0-9]{2}[ -]5\.(?:1\.(?:1|2|3|6|10)|2\.1)\b/
/** Those that say of a mail that it is its content, or its size, that is not taken. */
const notThisContent = /^5[0-9]{2}[ -]5\.(?:6\.[0-9]+|3\.4|2\.3)\b/
/** Characters of a reply that an attempt log keeps. */
const maxReply = 500

/**
 * Puts the failure of a mail in the words of a webhook's answer, so that delivery treats both alike: 410 when an
 * enhanced code says that there is no such mailbox, 422 when one says that this content is refused, 503 for every other
 * refusal of the recipient or the mail, for a policy or a relay can be mended. What the server has against us, and that
 * it does not answer, is no answer of the recipient's: `mail_unavailable`, which is tried again and is nobody's failure.
 */
export function answerOfFailure(failure: MailFailure, { keepsReply }: { keepsReply: boolean }): Answer {
  const { code, command, responseCode: reply, response } = failure
  const status = (status: number): Answer => ({
    kind: 'status',
    status,
    retryAfter: null,
    body: keepsReply && response !== '' ? shortened(response, maxReply) : null,
  })
  // Nodemailer itself found that the server will not take an address or a mail of this size.
  if (reply === null && (code === 'EENVELOPE' || code === 'EMESSAGE')) return status(422)
  // 421 is about the server, which closes, whatever it answers by it.
  if (reply === null || reply === 421) return { kind: 'none', error: 'mail_unavailable' }
  if (command === 'RCPT TO') return status(noSuchMailbox.test(response) ? 410 : 503)
  if (command === 'DATA') return status(notThisContent.test(response) ? 422 : 503)
  return { kind: 'none', error: 'mail_unavailable' }
}
