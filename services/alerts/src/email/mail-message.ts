import assert from 'node:assert/strict'
import type { SendMailOptions } from 'nodemailer'
import type { Letter } from './letter.ts'
import type { Mailbox } from './mailbox.ts'
import { renderLetter } from './render-letter.ts'

/**
 * A letter as nodemailer takes it. The same `id` gives the same Message-ID, so that a mail sent twice is one mail for
 * programs that look. Nothing of a merchant's comes into a header but the subject, which is one harmless line.
 */
export function mailMessage(of: {
  id: string
  letter: Letter
  from: Mailbox
  address: string
  nowMs: number
}): SendMailOptions {
  const { id, letter, from, address, nowMs } = of
  assert(/^[A-Za-z0-9_-]{1,128}$/.test(id), 'a mail is named by letters, digits, - and _')
  const { unsubscribe } = letter
  return {
    ...renderLetter(letter),
    from,
    to: { name: '', address },
    envelope: { from: from.address, to: [address] },
    messageId: `<${id}@${from.address.slice(from.address.lastIndexOf('@') + 1)}>`,
    date: new Date(nowMs),
    headers: {
      // No automatic answer may come back to a sender that nobody reads (RFC 3834).
      'Auto-Submitted': 'auto-generated',
      'X-Auto-Response-Suppress': 'All',
      ...(unsubscribe === null
        ? {}
        : {
            'List-Unsubscribe': { prepared: true, value: `<${unsubscribe.url}>` },
            // One click, without a page in between (RFC 8058).
            'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
          }),
    },
    xMailer: false,
  }
}
