import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ParsedMail, simpleParser } from 'mailparser'
import { SMTPServer } from 'smtp-server'

export type ArrivedMail = { mail: ParsedMail; recipients: string[] }

export type MailServer = AsyncDisposable & { url: string; arrived: readonly ArrivedMail[] }

/** A real SMTP server on a free port of this machine, without TLS and login. */
export async function openMailServer(): Promise<MailServer> {
  const arrived: ArrivedMail[] = []
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    disableReverseLookup: true,
    logger: false,
    closeTimeout: 100,
    onData(stream, { envelope }, done) {
      simpleParser(stream, (error, mail) => {
        if (error) return done(error)
        arrived.push({ mail, recipients: envelope.rcptTo.map(({ address }) => address) })
        return done(null, 'taken')
      })
    },
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.server.address()
  assert(typeof address === 'object' && address !== null, 'a TCP server has an address')
  return {
    url: `smtp://127.0.0.1:${address.port}`,
    arrived,
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => server.close(resolve))
    },
  }
}
