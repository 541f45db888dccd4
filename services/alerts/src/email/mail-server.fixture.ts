import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type ParsedMail, simpleParser } from 'mailparser'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'

export type ArrivedMail = {
  mail: ParsedMail
  /** As it came over the wire. */
  raw: string
  /** Of the envelope, which decides who gets it. */
  recipients: string[]
  cameOverTls: boolean
}

export type MailServer = AsyncDisposable & {
  port: number
  arrived: ArrivedMail[]
  /** Connections that were opened so far, and those that are open now. */
  connections(): { opened: number; open: number }
  /** Ends every connection, as a server does that is restarted. */
  dropConnections(): void
}

/** A real SMTP server on a free port of this machine, without TLS and login unless `options` ask for them. */
export async function openMailServer(options: SMTPServerOptions = {}): Promise<MailServer> {
  const arrived: ArrivedMail[] = []
  let opened = 0
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    disableReverseLookup: true,
    logger: false,
    closeTimeout: 100,
    onConnect(_session, done) {
      opened++
      done()
    },
    onData(stream, session, done) {
      const recipients = session.envelope.rcptTo.map(({ address }) => address)
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        const bytes = Buffer.concat(chunks)
        simpleParser(bytes, (error, mail) => {
          if (error) return done(error)
          arrived.push({ mail, raw: bytes.toString('latin1'), recipients, cameOverTls: session.secure })
          return done(null, 'taken')
        })
      })
    },
    ...options,
  })
  // A client that breaks a handshake off is no trouble of the server.
  server.on('error', () => undefined)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = addressOf(server.server.address())
  return {
    port,
    arrived,
    connections: () => ({ opened, open: server.connections.size }),
    dropConnections: () => server.connections.forEach((connection) => connection.close()),
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => server.close(resolve))
    },
  }
}

function addressOf(address: string | AddressInfo | null): AddressInfo {
  if (typeof address === 'object' && address !== null) return address
  throw new Error('A TCP server has an address')
}

/** A reply of a server that refuses, such as 550. */
export function smtpRefusal(responseCode: number, message: string): Error {
  return Object.assign(new Error(message), { responseCode })
}
