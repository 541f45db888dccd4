import { expect, test } from 'vitest'
import { answerOfFailure, failureOf } from './smtp-answer.ts'

type Given = Record<string, unknown>
const answerTo = (given: Given, keepsReply = false) => {
  const error = Object.assign(new Error('it failed'), given)
  return answerOfFailure(failureOf(error), { keepsReply })
}
const reply = (command: string, response: string): Given => ({
  code: 'EENVELOPE',
  command,
  response,
  responseCode: Number(response.slice(0, 3)),
})

test.each([
  ['RCPT TO', '550 5.1.1 no such user here', 410],
  ['RCPT TO', '550 5.1.2 no such host', 410],
  ['RCPT TO', '501 5.1.3 bad syntax', 410],
  ['RCPT TO', '551 5.1.6 user has moved', 410],
  ['RCPT TO', '556 5.1.10 null MX', 410],
  ['RCPT TO', '550-5.2.1 disabled', 410],
  ['RCPT TO', '550 No such user', 503],
  ['RCPT TO', '550 relay access denied', 503],
  ['RCPT TO', '551 not local', 503],
  ['RCPT TO', '553 bad mailbox name', 503],
  ['RCPT TO', '556 null MX', 503],
  ['RCPT TO', '550 5.1.8 bad sender', 503],
  ['RCPT TO', '550 5.1.0 address rejected', 503],
  ['RCPT TO', '550 5.7.1 your address is on a list', 503],
  ['RCPT TO', '550-5.7.26 unauthenticated', 503],
  ['RCPT TO', '554 5.7.1 relay access denied', 503],
  ['RCPT TO', '552 5.2.2 mailbox full', 503],
  ['RCPT TO', '550 5.2.2 mailbox full', 503],
  ['RCPT TO', '450 4.2.0 greylisted', 503],
  ['RCPT TO', '450 5.1.1 a code that does not fit', 503],
  ['RCPT TO', '452 4.2.2 mailbox full', 503],
  ['DATA', '554 5.6.0 looks like spam', 422],
  ['DATA', '552 5.3.4 too big', 422],
  ['DATA', '552 5.2.3 too big for this mailbox', 422],
  ['DATA', '554 5.7.1 policy', 503],
  ['DATA', '550 5.1.1 no such user here', 503],
  ['DATA', '554 transaction failed', 503],
])('after %s, "%s" is answered %i', (command, response, status) => {
  expect(answerTo(reply(command, response))).toEqual({ kind: 'status', status, retryAfter: null, body: null })
})

test.each([
  ['a sender that the server does not take', reply('MAIL FROM', '550 5.7.1 not allowed to send as this')],
  ['a sender that it does not take now', reply('MAIL FROM', '451 4.3.0 later')],
  ['a command out of order', reply('MAIL FROM', '503 5.5.1 bad sequence')],
  ['a login that is asked for', reply('MAIL FROM', '530 5.7.0 authenticate first')],
  ['a wrong password', { ...reply('AUTH PLAIN', '535 5.7.8 bad credentials'), code: 'EAUTH' }],
  ['a login that cannot be checked now', { ...reply('AUTH PLAIN', '454 4.7.0 later'), code: 'EAUTH' }],
  ['a greeting that turns us away', { ...reply('CONN', '554 no service for you'), code: 'EPROTOCOL' }],
  ['a server that closes when it has the mail', reply('DATA', '421 4.3.2 closing')],
  ['a server that closes', { ...reply('EHLO', '421 closing'), code: 'ECONNECTION' }],
  ['credentials that are missing', { code: 'ENOAUTH' }],
  ['no connection in time', { code: 'ETIMEDOUT', timeoutType: 'CONNECT_TIMEOUT' }],
  ['no end in time, waiting for a connection included', { code: 'EABORT', name: 'AbortError' }],
  ['a name that is unknown', { code: 'EDNS', originalCode: 'ENOTFOUND' }],
  ['no TLS', { code: 'ETLS', command: 'STARTTLS', responseCode: 502, response: '502 no' }],
  ['a bad certificate', { code: 'ESOCKET', originalCode: 'DEPTH_ZERO_SELF_SIGNED_CERT', command: 'CONN' }],
  ['nobody who listens', { code: 'ESOCKET', originalCode: 'ECONNREFUSED', command: 'CONN' }],
  ['what says nothing', {}],
])('%s is trouble of the deployment, which is tried again and loses no alert', (_, given) => {
  expect(answerTo(given)).toEqual({ kind: 'none', error: 'mail_unavailable' })
})

test.each([{ code: 'EENVELOPE' }, { code: 'EMESSAGE', command: 'MAIL FROM' }])(
  '%j, which nodemailer found without asking, is refused for good',
  (given) => {
    expect(answerTo(given)).toMatchObject({ status: 422 })
  },
)

test('a reply is kept when it is asked for, as one harmless line of at most 500 characters', () => {
  const given = reply('RCPT TO', `550 5.1.1 no\u001b[2J\r\nuser ${'x'.repeat(600)}`)
  const answer = answerTo(given, true)
  const start = '550 5.1.1 no [2J user '
  const body = `${start}${'x'.repeat(500 - 1 - start.length)}…`
  expect(answer).toEqual({ kind: 'status', status: 410, retryAfter: null, body })
})

test('what is no error at all is trouble of the deployment', () => {
  for (const thrown of [undefined, null, 'text', 7]) {
    const answer = answerOfFailure(failureOf(thrown), { keepsReply: true })
    expect(answer).toEqual({ kind: 'none', error: 'mail_unavailable' })
  }
})
