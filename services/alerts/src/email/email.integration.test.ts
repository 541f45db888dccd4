import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { readSealingKeys } from '@signalbox/alert-endpoints/sealing'
import type { Endpoint } from '@signalbox/alert-endpoints/endpoint'
import type { ParsedMail } from 'mailparser'
import { afterAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { approved, changedBody, endpointBody, flaggedBody, rejected } from './alert-bodies.fixture.ts'
import type { MailConfig } from './config.ts'
import { createMailSender, type MailEndpoint } from './mail-sender.ts'
import { type ArrivedMail, openMailServer, smtpRefusal } from './mail-server.fixture.ts'
import { createSelfSigned } from '@signalbox/testkit/self-signed'

const folder = mkdtempSync(join(tmpdir(), 'email-'))
afterAll(() => rmSync(folder, { recursive: true }))
const keysFile = join(folder, 'keys.json')
writeFileSync(join(folder, 'key'), randomBytes(32).toString('base64'), { mode: 0o600 })
writeFileSync(keysFile, JSON.stringify({ keys: [{ keyId: 'k1', state: 'active', keyFile: 'key' }] }))
const keys = readSealingKeys(keysFile)

const createdAt = '2026-06-01T08:00:00.000Z'
const endpoint: Endpoint = {
  endpointId: 'shop-mail',
  clientId: 'C1',
  merchant: 'M1',
  revision: 3,
  audience: 'merchant',
  target: { type: 'email', address: 'owner@shop.example' },
  filters: { eventTypes: null, pspNames: null, productCodes: null },
  limits: { ratePerSecond: null, concurrency: null },
  skipsSuperseded: false,
  keepsResponses: true,
  state: 'unverified',
  reason: null,
  activeFrom: null,
  secrets: [],
  createdAt,
  changedAt: createdAt,
  history: [],
}
const alert = { id: 'a-0123456789abcdefghijkl' }
const body = JSON.stringify(changedBody([approved, rejected]))
const taken = { kind: 'status', status: 202 }
const never = new AbortController().signal

function open(
  { port, publicUrl = 'https://console.example' }: { port: number; publicUrl?: string },
  { timeoutMs = 15_000, ...server }: Partial<MailConfig['server']> & { timeoutMs?: number } = {},
) {
  const config: MailConfig = {
    server: { host: '127.0.0.1', port, tls: 'none', login: null, ...server },
    from: { name: 'Signalbox', address: 'alerts@signalbox.example' },
    publicUrl,
  }
  const sender = createMailSender({ config, keys, now: Date.now, timeoutMs })
  const send = (more: { id?: string; to?: MailEndpoint; body?: string; signal?: AbortSignal } = {}) =>
    sender.sendMail({
      alert: { id: more.id ?? alert.id },
      endpoint: more.to ?? endpoint,
      body: more.body ?? body,
      signal: more.signal ?? never,
    })
  return { ...sender, send }
}

function only(arrived: readonly ArrivedMail[]): ArrivedMail {
  const [mail, ...others] = arrived
  expect(others).toEqual([])
  if (mail === undefined) throw new Error('No mail has arrived')
  return mail
}

describe('an alert', () => {
  test('arrives readable as plain text and as HTML, marked as automatic, with one click to end them', async () => {
    await using server = await openMailServer()
    await using sender = open(server)
    expect(await sender.send()).toMatchObject(taken)

    const { mail, raw, recipients } = only(server.arrived)
    expect(mail.subject).toBe('2 changes: store S1 of merchant M1')
    expect(mail.from?.text).toBe('"Signalbox" <alerts@signalbox.example>')
    expect([mail.to].flat().map((to) => to?.text)).toEqual(['owner@shop.example'])
    expect(recipients).toEqual(['owner@shop.example'])
    expect(mail.messageId).toBe('<a-0123456789abcdefghijkl@signalbox.example>')
    expect(mail.headers.get('auto-submitted')).toBe('auto-generated')
    expect(unsubscribeUrlOf(mail)).toMatch(/^https:\/\/console\.example\/e\/\S+$/)
    expect(raw).toContain('\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n')
    expect(mail.attachments).toEqual([])

    const reason = 'The shop front does not show the name <Café & "Söhne">'
    expect(mail.text).toContain(`  Reason:        ${reason}\n`)
    expect(mail.text).toContain('Version:        7\n')
    expect(mail.html).toContain('<html lang="en-GB">')
    expect(mail.html).toContain('The shop front does not show the name &lt;Café &amp; &quot;Söhne&quot;&gt;')
    expect(mail.html).toContain('>GCASH</td>')
    for (const line of raw.split('\r\n')) expect(line.length).toBeLessThanOrEqual(998)
  })

  test.each([
    ['a flag', flaggedBody],
    ['a warning', endpointBody('endpoint.warned', { detail: '75' })],
    ['a disabled endpoint', endpointBody('endpoint.disabled', { reason: 'gone' })],
    ['an endpoint that is back', endpointBody('endpoint.enabled')],
    [
      'as many events as fit a body',
      changedBody(Array.from({ length: 100 }, (_, n) => ({ ...rejected, productCode: `P${n}` }))),
    ],
  ])('about %s arrives in both forms', async (_, given) => {
    await using server = await openMailServer()
    await using sender = open(server)
    expect(await sender.send({ body: JSON.stringify(given) })).toMatchObject(taken)
    const { mail } = only(server.arrived)
    expect(mail.text).toContain('What to do next')
    expect(mail.html).toContain('What to do next')
  })

  test('sent twice is the same message both times, and another alert is another one', async () => {
    await using server = await openMailServer()
    await using sender = open(server)
    for (const id of [alert.id, alert.id, 'a-another']) await sender.send({ id })
    const ids = server.arrived.map(({ mail }) => mail.messageId)
    expect(new Set(ids).size).toBe(2)
    expect(ids[1]).toBe(ids[0])
    expect(server.arrived[1]?.mail.text?.replace(/https:.*/, '')).toBe(
      server.arrived[0]?.mail.text?.replace(/https:.*/, ''),
    )
  })

  test('with enemies’ texts in it adds no header and no recipient', async () => {
    const injected = 'M1\r\nBcc: thief@evil.example\r\n\r\n<script>alert(1)</script>'
    const registration = { clientId: 'C1', referenceMerchantId: injected, referenceStoreId: injected }
    await using server = await openMailServer()
    await using sender = open(server)
    await sender.send({ body: JSON.stringify(changedBody([rejected], { registration })) })
    const { mail, recipients } = only(server.arrived)
    expect(recipients).toEqual(['owner@shop.example'])
    expect(mail.bcc).toBeUndefined()
    expect(mail.html).not.toContain('<script')
    expect(mail.text).toContain('M1 Bcc: thief@evil.example')
  })
})

describe('the links of e-mails, followed in the console', () => {
  test('confirm an address and end its alerts, each with one click and not before', async () => {
    await using server = await openMailServer()
    await using console = await openLinkPages()
    await using sender = open({ port: server.port, publicUrl: console.url })

    expect(await sender.sendVerification({ endpoint, revision: 4, signal: never })).toMatchObject(taken)
    const confirmation = linkIn(server.arrived[0]?.mail.text, 'Confirm this address')
    expect(server.arrived[0]?.mail.html).toContain(`<a href="${confirmation}">Confirm this address</a>`)
    const page = await fetch(confirmation)
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('<form method="post">')])
    expect(console.changes).toEqual([])
    expect((await fetch(confirmation, { method: 'POST' })).status).toBe(200)
    expect(await console.changed(1)).toMatchObject({ state: 'active' })

    await sender.send()
    const { mail } = server.arrived[1] ?? only([])
    const url = unsubscribeUrlOf(mail)
    expect(linkIn(mail.text, 'Stop these e-mails')).toBe(url)
    expect((await fetch(url)).status).toBe(200)
    expect(console.changes).toHaveLength(1)
    // As a mail program does it for its user (RFC 8058).
    const oneClick = await fetch(url, {
      method: 'POST',
      body: new URLSearchParams({ 'List-Unsubscribe': 'One-Click' }),
    })
    expect(oneClick.status).toBe(200)
    expect(await console.changed(2)).toMatchObject({ state: 'disabled', reason: 'unsubscribed' })

    expect((await fetch(confirmation.slice(0, -1), { method: 'POST' })).status).toBe(404)
    expect(console.changes).toHaveLength(2)
  })
})

describe('a mail server that refuses', () => {
  test.each([
    [550, '5.1.1 no such user', 410],
    [550, '5.7.1 you are on a list', 503],
    [552, '5.2.2 mailbox full', 503],
    [450, '4.2.0 greylisted, come again', 503],
  ])('the recipient with %i %s is answered %i, with its words', async (code, text, status) => {
    await using server = await openMailServer({
      onRcptTo: (_address, _session, done) => done(smtpRefusal(code, text)),
    })
    await using sender = open(server)
    expect(await sender.send()).toEqual({
      kind: 'status',
      status,
      retryAfter: null,
      body: `${code} ${text}`,
    })
    expect(await sender.send({ to: { ...endpoint, keepsResponses: false } })).toMatchObject({ body: null })
    expect(server.arrived).toEqual([])
  })

  test('a mail at first and takes it later has it once', async () => {
    let times = 0
    await using server = await openMailServer({
      onRcptTo: (_address, _session, done) => done(++times === 1 ? smtpRefusal(450, 'greylisted') : null),
    })
    await using sender = open(server)
    expect(await sender.send()).toMatchObject({ status: 503 })
    expect(await sender.send()).toMatchObject(taken)
    only(server.arrived)
  })

  test('the content is answered 422', async () => {
    await using server = await openMailServer({
      onData(stream, _session, done) {
        stream.resume().on('end', () => done(smtpRefusal(554, '5.6.0 looks like spam')))
      },
    })
    await using sender = open(server)
    expect(await sender.send()).toMatchObject({ status: 422 })
  })

  test('because it shuts down fails the mail and nobody else', async () => {
    await using server = await openMailServer({
      onRcptTo: (_address, _session, done) => done(smtpRefusal(421, '4.3.2 shutting down')),
    })
    await using sender = open(server)
    expect(await sender.send()).toEqual({ kind: 'none', error: 'mail_unavailable' })
  })

  test('us as a sender loses no alert: it is tried again', async () => {
    await using server = await openMailServer({
      onMailFrom: (_address, _session, done) => done(smtpRefusal(550, '5.7.1 not your domain')),
    })
    await using sender = open(server)
    expect(await sender.send()).toEqual({ kind: 'none', error: 'mail_unavailable' })
  })

  test('an address that is none never gets to it', async () => {
    await using server = await openMailServer()
    await using sender = open(server)
    const to = { ...endpoint, target: { type: 'email', address: 'a@b, thief@evil.example' } } as const
    expect(await sender.send({ to })).toMatchObject({ status: 422 })
    expect(server.connections().opened).toBe(0)
  })
})

describe('a login', () => {
  const options = {
    authOptional: false,
    allowInsecureAuth: true,
    disabledCommands: ['STARTTLS'],
    onAuth: (
      { username, password }: { username?: string | undefined; password?: string | null | undefined },
      _session: unknown,
      done: (error: Error | null, response?: { user: string }) => void,
    ) =>
      username === 'some@user' && password === 's3cret'
        ? done(null, { user: username })
        : done(smtpRefusal(535, '5.7.8 bad credentials')),
  }

  test('that fits lets mails through', async () => {
    await using server = await openMailServer(options)
    await using sender = open(server, { login: { user: 'some@user', password: 's3cret' } })
    expect(await sender.send()).toMatchObject(taken)
  })

  test('that does not fit, or is missing, loses no alert', async () => {
    await using server = await openMailServer(options)
    await using wrong = open(server, { login: { user: 'some@user', password: 'other' } })
    await using missing = open(server)
    expect(await wrong.send()).toEqual({ kind: 'none', error: 'mail_unavailable' })
    expect(await missing.send()).toEqual({ kind: 'none', error: 'mail_unavailable' })
  })
})

describe('a mail server that hangs', () => {
  const timeoutMs = 400
  test.each([
    ['before its greeting', () => undefined],
    [
      'in its greeting, one byte at a time',
      (socket: Socket) => {
        const drip = setInterval(() => socket.write('2'), 20)
        socket.on('close', () => clearInterval(drip))
      },
    ],
    ['after its greeting', (socket: Socket) => socket.write('220 hello\r\n')],
  ])('%s is left alone after the time-out, however many mails wait', async (_, behave) => {
    await using server = await openRawServer(behave)
    await using sender = open(server, { timeoutMs })
    const since = performance.now()
    const answers = await Promise.all(Array.from({ length: 60 }, (_, n) => sender.send({ id: `a-${n}` })))
    expect(new Set(answers.map((answer) => JSON.stringify(answer)))).toEqual(
      new Set(['{"kind":"none","error":"mail_unavailable"}']),
    )
    expect(performance.now() - since).toBeLessThan(timeoutMs + 3_000)
    await server.allClosed()
  })

  test('at a recipient delays only that mail, which comes later under the same id', async () => {
    let isHanging = true
    await using server = await openMailServer({
      onRcptTo: (_address, _session, done) => (isHanging ? undefined : done()),
    })
    await using sender = open(server, { timeoutMs })
    expect(await sender.send()).toEqual({ kind: 'none', error: 'mail_unavailable' })
    isHanging = false
    expect(await sender.send()).toMatchObject(taken)
    expect(only(server.arrived).mail.messageId).toContain(alert.id)
  })

  test('does not hold a process that has to stop', async () => {
    await using server = await openRawServer(() => undefined)
    await using sender = open(server)
    const stop = new AbortController()
    const sent = sender.send({ signal: stop.signal })
    await server.connected()
    stop.abort(new Error('the process stops'))
    await expect(sent).rejects.toThrow('the process stops')
    await server.allClosed()
  })

  test('does not hold a sender that is closed', async () => {
    await using server = await openRawServer(() => undefined)
    const sender = open(server)
    const sent = sender.send()
    await server.connected()
    await sender[Symbol.asyncDispose]()
    expect(await sent).toMatchObject({ kind: 'none' })
    await server.allClosed()
  })
})

describe('TLS', () => {
  const localhost = createSelfSigned('localhost')

  test('that the server does not offer is not done without', async () => {
    let senders = 0
    await using server = await openMailServer({
      onMailFrom(_address, _session, done) {
        senders++
        done()
      },
    })
    await using sender = open(server, { tls: 'upgrade' })
    expect(await sender.send()).toEqual({ kind: 'none', error: 'mail_unavailable' })
    expect([senders, server.arrived]).toEqual([0, []])
  })

  test.each(['upgrade', 'always'] as const)(
    '%s with a certificate that nobody vouches for is refused',
    async (tls) => {
      await using server = await openMailServer({
        ...localhost,
        secure: tls === 'always',
        disabledCommands: ['AUTH'],
      })
      await using sender = open(server, { host: 'localhost', tls })
      expect(await sender.send()).toEqual({ kind: 'none', error: 'mail_unavailable' })
      expect(server.arrived).toEqual([])
    },
  )

  test.each(['upgrade', 'always'] as const)('%s with a good certificate is used', async (tls) => {
    const before = getCACertificates('default')
    setDefaultCACertificates([...before, localhost.cert])
    try {
      await using server = await openMailServer({
        ...localhost,
        secure: tls === 'always',
        disabledCommands: ['AUTH'],
      })
      await using sender = open(server, { host: 'localhost', tls })
      expect(await sender.send()).toMatchObject(taken)
      expect(only(server.arrived).cameOverTls).toBe(true)
    } finally {
      setDefaultCACertificates(before)
    }
  })
})

describe('a mail server that is not there', () => {
  test('because nobody listens fails the mail and nobody else', async () => {
    const server = await openMailServer()
    await server[Symbol.asyncDispose]()
    await using sender = open(server)
    expect(await sender.send()).toEqual({ kind: 'none', error: 'mail_unavailable' })
  })

  test('because its name is unknown fails the mail and nobody else', async () => {
    await using sender = open({ port: 25 }, { host: 'mail.signalbox.invalid' })
    expect(await sender.send()).toEqual({ kind: 'none', error: 'mail_unavailable' })
  })

  test('because none is set up fails every mail and says so', async () => {
    await using sender = createMailSender({ config: null, keys, now: Date.now, timeoutMs: 1_000 })
    const unavailable = { kind: 'none', error: 'mail_unavailable' }
    expect(await sender.sendMail({ alert, endpoint, body, signal: never })).toEqual(unavailable)
    expect(await sender.sendVerification({ endpoint, revision: 4, signal: never })).toEqual(unavailable)
  })
})

describe('connections', () => {
  test('are kept and are five at most, and every mail arrives once', async () => {
    await using server = await openMailServer()
    await using sender = open(server)
    const ids = Array.from({ length: 60 }, (_, n) => `a-${n}`)
    const answers = await Promise.all(ids.map((id) => sender.send({ id })))
    expect(answers.filter((answer) => answer.kind !== 'status' || answer.status !== 202)).toEqual([])
    expect(server.arrived).toHaveLength(ids.length)
    expect(new Set(server.arrived.map(({ mail }) => mail.messageId))).toEqual(
      new Set(ids.map((id) => `<${id}@signalbox.example>`)),
    )
    expect(server.connections().opened).toBeLessThanOrEqual(5)
  })

  test('that the server has closed meanwhile fail no mail', async () => {
    await using server = await openMailServer()
    await using sender = open(server)
    await sender.send({ id: 'a-1' })
    server.dropConnections()
    expect(await sender.send({ id: 'a-2' })).toMatchObject(taken)
    expect(server.arrived.map(({ mail }) => mail.messageId)).toEqual([
      '<a-1@signalbox.example>',
      '<a-2@signalbox.example>',
    ])
  })

  test('end with the sender', async () => {
    await using server = await openMailServer()
    const sender = open(server)
    await sender.send()
    expect(server.connections().open).toBe(1)
    await sender[Symbol.asyncDispose]()
    await expect.poll(() => server.connections().open).toBe(0)
  })
})

/** What a mail program takes for its own button. */
function unsubscribeUrlOf(mail: ParsedMail): string {
  const list = z.object({ unsubscribe: z.object({ url: z.string() }) })
  return list.parse(mail.headers.get('list')).unsubscribe.url
}

/** The address that stands below a label in a plain text. */
function linkIn(text: string | undefined, label: string): string {
  const [, url = ''] = new RegExp(`${label}:\\n(\\S+)`).exec(text ?? '') ?? []
  expect(url).toMatch(/^https?:/)
  return url
}

/** A TCP server that behaves as it is told to each connection, and not as a mail server does. */
async function openRawServer(behave: (socket: Socket) => unknown) {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer((socket) => {
    connections++
    sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
    socket.resume()
    behave(socket)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = z.object({ port: z.number() }).parse(server.address())
  return {
    port: address.port,
    async connected() {
      await expect.poll(() => connections).toBeGreaterThan(0)
    },
    async allClosed() {
      await expect.poll(() => sockets.size).toBe(0)
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** The console's pages behind links, as a process of their own that knows one endpoint. */
async function openLinkPages() {
  const recordFile = join(folder, 'record.json')
  writeFileSync(recordFile, JSON.stringify(endpoint))
  const program = fileURLToPath(new URL('../../../console/src/email-links.fixture.ts', import.meta.url))
  const child = spawn(process.execPath, [program, keysFile, recordFile], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {},
  })
  const ended = once(child, 'close')
  const lines = createInterface(child.stdout)
  const [first] = z.tuple([z.string()]).parse(await Promise.race([once(lines, 'line'), ended]))
  const { port } = z.object({ port: z.number() }).parse(JSON.parse(first))
  const changes: unknown[] = []
  lines.on('line', (line: string) => changes.push(JSON.parse(line)))
  return {
    url: `http://127.0.0.1:${port}`,
    /** Records as they were after each change. */
    changes,
    /** The record after so many changes, when there have been so many. */
    async changed(count: number) {
      await expect.poll(() => changes.length).toBe(count)
      return changes[count - 1]
    },
    async [Symbol.asyncDispose]() {
      child.kill()
      await ended
    },
  }
}
