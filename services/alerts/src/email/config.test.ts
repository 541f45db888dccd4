import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseEnvironment } from '@signalbox/runtime/config'
import { afterAll, expect, test } from 'vitest'
import { z } from 'zod'
import { mailConfig, mailEnv } from './config.ts'

const folder = mkdtempSync(join(tmpdir(), 'mail-config-'))
const passwordFile = join(folder, 'password')
const emptyFile = join(folder, 'empty')
writeFileSync(passwordFile, ' s3cret\n')
writeFileSync(emptyFile, '\n')
afterAll(() => rmSync(folder, { recursive: true }))

const good = {
  SMTP_URL: 'smtp://mail.example',
  MAIL_FROM: 'Alerts <alerts@example.com>',
  CONSOLE_PUBLIC_URL: 'https://console.example',
}

function read(env: Record<string, string>, allowInsecure = false) {
  return mailConfig(parseEnvironment('alerts', z.object(mailEnv), env), { allowInsecure })
}

test('without a mail server no e-mails are sent', () => {
  expect(read({})).toBeNull()
  expect(read({ MAIL_FROM: 'a@b', CONSOLE_PUBLIC_URL: 'https://console.example' })).toBeNull()
})

test('a whole configuration names server, sender and where links lead', () => {
  const env = { ...good, SMTP_URL: 'smtp://some%40user@mail.example', SMTP_PASSWORD_FILE: passwordFile }
  expect(read(env)).toEqual({
    server: {
      host: 'mail.example',
      port: 587,
      tls: 'upgrade',
      login: { user: 'some@user', password: 's3cret' },
    },
    from: { name: 'Alerts', address: 'alerts@example.com' },
    publicUrl: 'https://console.example',
  })
})

test.each([
  ['smtp://mail.example', false, 'upgrade', 587],
  ['smtp://mail.example:2525', false, 'upgrade', 2525],
  ['smtps://mail.example', false, 'always', 465],
  ['smtps://127.0.0.1', false, 'always', 465],
  ['smtp://localhost:25', false, 'none', 25],
  ['smtp://127.0.0.1', false, 'none', 587],
  ['smtp://127.1.2.3', false, 'none', 587],
  ['smtp://[::1]:25', false, 'none', 25],
  ['smtp://127.0.0.1.evil.example', false, 'upgrade', 587],
  ['smtp://localhost.evil.example', false, 'upgrade', 587],
  ['smtp://mail.example', true, 'none', 587],
  ['smtps://mail.example', true, 'always', 465],
] as const)('%s (insecure allowed: %s) goes with TLS %s to port %i', (SMTP_URL, allowInsecure, tls, port) => {
  expect(read({ ...good, SMTP_URL }, allowInsecure)?.server).toMatchObject({ tls, port })
})

test('an IPv6 address is a host without brackets', () => {
  expect(read({ ...good, SMTP_URL: 'smtp://[::1]' })?.server.host).toBe('::1')
})

test.each([
  ['SMTP_URL', { SMTP_URL: 'http://mail.example' }],
  ['MAIL_FROM', { MAIL_FROM: 'a@b, c@d' }],
  ['MAIL_FROM', { MAIL_FROM: '' }],
  ['CONSOLE_PUBLIC_URL', { CONSOLE_PUBLIC_URL: '' }],
  ['CONSOLE_PUBLIC_URL', { CONSOLE_PUBLIC_URL: 'ftp://console.example' }],
  ['CONSOLE_PUBLIC_URL', { CONSOLE_PUBLIC_URL: 'https://console.example/?a=b' }],
  ['SMTP_PASSWORD_FILE', { SMTP_URL: 'smtp://user@mail.example' }],
  ['SMTP_PASSWORD_FILE', { SMTP_PASSWORD_FILE: passwordFile }],
  ['SMTP_PASSWORD_FILE', { SMTP_URL: 'smtp://user@mail.example', SMTP_PASSWORD_FILE: emptyFile }],
  ['SMTP_PASSWORD_FILE', { SMTP_URL: 'smtp://user@mail.example', SMTP_PASSWORD_FILE: join(folder, 'none') }],
  ['SMTP_URL holds a password', { SMTP_URL: 'smtp://user:hidden@mail.example' }],
])('%s is named when it is wrong or missing', (name, env) => {
  expect(() => read({ ...good, ...env })).toThrow(name)
})

test('a password never stands in a message', () => {
  expect(() => read({ ...good, SMTP_URL: 'smtp://user:hidden@mail.example' })).toThrow(/^(?!.*hidden)/)
})
