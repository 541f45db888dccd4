import { linkEnv } from '@signalbox/alert-endpoints/link-token'
import { readNamedFile } from '@signalbox/runtime/files'
import { StartProblem } from '@signalbox/runtime/start-problem'
import { z } from 'zod'
import { type Mailbox, parseMailbox } from './mailbox.ts'

/** How e-mails go out; null when this deployment sends none. */
export type MailConfig = {
  server: {
    host: string
    port: number
    /** `always` encrypts from the first byte, `upgrade` refuses to go on without STARTTLS. */
    tls: 'always' | 'upgrade' | 'none'
    login: { user: string; password: string } | null
  }
  from: Mailbox
  /** Where the console, which serves the links, is reached from outside. */
  publicUrl: string
}

/** The environment variables of e-mail, to be spread into a service's schema. */
export const mailEnv = {
  SMTP_URL: z
    .url({ protocol: /^smtps?$/, error: 'it must read smtp://user@host:587 or smtps://user@host' })
    .optional()
    .describe(
      'mail server for alerts by e-mail, as smtp://user@host:587 (STARTTLS) or smtps://user@host; not set means that none are sent',
    ),
  SMTP_PASSWORD_FILE: z
    .string()
    .optional()
    .describe('file that holds the password of the user in SMTP_URL; white space around it is ignored'),
  MAIL_FROM: z
    .string()
    .refine(
      (text) => parseMailbox(text) !== null,
      'it must read alerts@example.com or Name <alerts@example.com>',
    )
    .optional()
    .describe('sender of alerts by e-mail, as alerts@example.com or Name <alerts@example.com>'),
  ...linkEnv,
}

type MailVariables = z.output<z.ZodObject<typeof mailEnv>>

/**
 * Turns the parsed variables into the configuration and reads the password file.
 *
 * @param allowInsecure also lets mails go unencrypted to a server on another machine, when it offers no TLS
 * @throws StartProblem naming the variable that is missing or does not fit the others
 */
export function mailConfig(
  env: MailVariables,
  { allowInsecure }: { allowInsecure: boolean },
): MailConfig | null {
  if (env.SMTP_URL === undefined) return null
  const missing = (['MAIL_FROM', 'CONSOLE_PUBLIC_URL'] as const).find((name) => env[name] === undefined)
  const from = parseMailbox(env.MAIL_FROM ?? '')
  if (from === null || env.CONSOLE_PUBLIC_URL === undefined) {
    throw new StartProblem(
      `SMTP_URL is set, but ${missing} is not: e-mails need both. Set it, or leave SMTP_URL out.`,
    )
  }
  const url = new URL(env.SMTP_URL)
  const isEncrypted = url.protocol === 'smtps:'
  const needsTls = !allowInsecure && !isLoopback(url.hostname)
  return {
    server: {
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? (isEncrypted ? 465 : 587) : Number(url.port),
      tls: isEncrypted ? 'always' : needsTls ? 'upgrade' : 'none',
      login: login(url, env.SMTP_PASSWORD_FILE),
    },
    from,
    publicUrl: env.CONSOLE_PUBLIC_URL,
  }
}

function login(url: URL, passwordFile: string | undefined): MailConfig['server']['login'] {
  if (url.password !== '') {
    throw new StartProblem(
      'SMTP_URL holds a password: take it out, and name a file with it in SMTP_PASSWORD_FILE.',
    )
  }
  if ((url.username === '') !== (passwordFile === undefined)) {
    throw new StartProblem(
      'A login to the mail server needs a user in SMTP_URL and a password in SMTP_PASSWORD_FILE.',
    )
  }
  if (passwordFile === undefined) return null
  const password = readNamedFile(passwordFile, 'SMTP_PASSWORD_FILE').trim()
  if (password === '')
    throw new StartProblem('SMTP_PASSWORD_FILE names a file that is empty: write the password into it.')
  return { user: decodeURIComponent(url.username), password }
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.[0-9]{1,3}){3}$/.test(hostname)
}
