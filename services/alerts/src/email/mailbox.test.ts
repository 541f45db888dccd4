import { expect, test } from 'vitest'
import { isPlainAddress, parseMailbox } from './mailbox.ts'

test.each([
  ['alerts@example.com', { name: 'Signalbox', address: 'alerts@example.com' }],
  ['Alerts of Acme <alerts@example.com>', { name: 'Alerts of Acme', address: 'alerts@example.com' }],
  ['Zürich <a@b>', { name: 'Zürich', address: 'a@b' }],
])('%s is a sender', (text, mailbox) => {
  expect(parseMailbox(text)).toEqual(mailbox)
})

test.each([
  '',
  'alerts',
  'a@b, c@d',
  'a@b\r\nBcc: c@d',
  'Name\r\nX: y <a@b>',
  'Name <a@b> c',
  '"Quoted" <a@b>',
  '<a@b>',
])('%j is no sender', (text) => {
  expect(parseMailbox(text)).toBeNull()
})

test.each(['a@b', "o'brien+alerts@shop.example", 'x'.repeat(64) + '@shop.example'])(
  '%s is one address',
  (text) => {
    expect(isPlainAddress(text)).toBe(true)
  },
)

test.each([
  'a@b,c@d',
  'a@b c',
  'a b@c',
  '<a@b>',
  'a@b>',
  'a@b\n',
  '"a b"@c',
  'a@b;c@d',
  'a@',
  '@b',
  'a@b.',
  'a@[127.0.0.1]',
  'ü@b',
])('%j is not one address', (text) => {
  expect(isPlainAddress(text)).toBe(false)
})
