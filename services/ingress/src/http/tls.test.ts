import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { createLogger } from '@signalbox/runtime/log'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { answersIn, generousLimits, gist, openTestServer, talk, type TestServer } from './raw-http.fixture.ts'
import { createSelfSigned } from '@signalbox/testkit/self-signed'
import { openCertificate } from './tls.ts'

const pollMs = 20
const post = (target: string) => `POST ${target} HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}`

let folder: string
let files: { certFile: string; keyFile: string }
let pair: ReturnType<typeof createSelfSigned>
let logged: string[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ingress-tls-'))
  files = { certFile: join(folder, 'tls.crt'), keyFile: join(folder, 'tls.key') }
  pair = createSelfSigned('first')
  write(pair)
  logged = []
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function write({ cert, key }: { cert: string; key: string }): typeof files {
  writeFileSync(files.certFile, cert)
  writeFileSync(files.keyFile, key, { mode: 0o600 })
  return files
}

function renameOver({ cert, key }: { cert: string; key: string }): void {
  writeFileSync(`${files.keyFile}.new`, key, { mode: 0o600 })
  writeFileSync(`${files.certFile}.new`, cert)
  renameSync(`${files.keyFile}.new`, files.keyFile)
  renameSync(`${files.certFile}.new`, files.certFile)
}

function open(named: Parameters<typeof openCertificate>[0] = files) {
  const log = createLogger('test', { level: 'info', destination: { write: (line) => logged.push(line) } })
  return openCertificate(named, { log, pollMs })
}

const events = () => logged.map((line) => z.looseObject({ msg: z.string() }).parse(JSON.parse(line)))

describe('the start is refused, with what to do', () => {
  test.each<[string, () => Parameters<typeof openCertificate>[0], RegExp]>([
    [
      'for a certificate alone',
      () => ({ certFile: files.certFile }),
      /TLS_CERT_FILE is set and TLS_KEY_FILE is not.*Set both/,
    ],
    [
      'for a key alone',
      () => ({ keyFile: files.keyFile }),
      /TLS_KEY_FILE is set and TLS_CERT_FILE is not.*Set both/,
    ],
    [
      'for a file that is not there',
      () => ({ ...files, keyFile: join(folder, 'gone.key') }),
      /TLS_KEY_FILE names the file .*gone\.key, which cannot be read \(ENOENT\)\. Create it/,
    ],
    [
      'for a key that others may read',
      () => {
        chmodSync(files.keyFile, 0o644)
        return files
      },
      /TLS_KEY_FILE: the file .*tls\.key has mode 0644.*Run chmod 600/,
    ],
    [
      'for the key of another certificate',
      () => write({ ...pair, key: createSelfSigned('other').key }),
      /cannot be used together \(.*mismatch.*\)\. Put the certificate/i,
    ],
    [
      'for a key in place of the certificate',
      () => write({ ...pair, cert: pair.key }),
      /cannot be used together/,
    ],
    ['for a file that is no key', () => write({ ...pair, key: 'no key' }), /cannot be used together/],
    ['for an empty certificate', () => write({ ...pair, cert: '' }), /cannot be used together/],
  ])('%s', async (_, change, message) => {
    const named = change()
    await expect(open(named)).rejects.toThrow(message)
    await expect(open(named)).rejects.toMatchObject({ name: 'StartProblem' })
    await expect(open(named)).rejects.not.toThrow('PRIVATE')
  })
})

test('without the variables there is no TLS', async () => {
  expect(await open({})).toBeNull()
})

describe('a server with a certificate', () => {
  let server: TestServer
  let detail: () => string
  beforeEach(async () => {
    const certificate = await open()
    if (certificate === null) throw new Error('both files are named')
    detail = () => certificate.check().detail
    server = await openTestServer({ certificate, limits: { ...generousLimits, headersTimeoutMs: 500 } })
  })
  afterEach(() => server[Symbol.asyncDispose]())

  async function dialTls(options: ConnectionOptions = {}): Promise<TLSSocket> {
    const socket = connect({ host: '127.0.0.1', port: server.port, rejectUnauthorized: false, ...options })
    await once(socket, 'secureConnect')
    return socket
  }
  async function served(): Promise<string> {
    const socket = await dialTls()
    const { subject } = new X509Certificate(socket.getPeerCertificate().raw)
    socket.destroy()
    return subject
  }

  test('answers as without, also what is no HTTP', async () => {
    const socket = await dialTls({
      ca: pair.cert,
      rejectUnauthorized: true,
      checkServerIdentity: () => undefined,
    })
    socket.write(`${post('/first')}${post('/second')}nonsense\r\n\r\n`)
    const answers = answersIn(await buffer(socket)).map(gist)
    expect(answers).toEqual(['200 /first', '200 /second', '400 PARAM_ILLEGAL'])
  })

  test('answers who sends a long body that nobody wants', async () => {
    const socket = await dialTls()
    const length = 8 * 1024 * 1024
    const head = ['POST /refused HTTP/1.1', 'host: a', 'connection: close', `content-length: ${length}`]
    socket.write(`${head.join('\r\n')}\r\n\r\n`)
    socket.write(Buffer.alloc(length))
    expect(answersIn(await buffer(socket)).map(gist)).toEqual(['200 /refused'])
  })

  test('speaks TLS 1.2 and 1.3 and nothing older, and HTTP/1.1 alone', async () => {
    const modern = await dialTls({ ALPNProtocols: ['h2', 'http/1.1'] })
    expect([modern.getProtocol(), modern.alpnProtocol]).toEqual(['TLSv1.3', 'http/1.1'])
    const older = await dialTls({ maxVersion: 'TLSv1.2' })
    expect(older.getProtocol()).toBe('TLSv1.2')
    for (const socket of [modern, older]) socket.destroy()
    const ancient = dialTls({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' })
    await expect(ancient).rejects.toThrow(/alert protocol version|reset|hang up|disconnected/i)
    await expect(dialTls({ ALPNProtocols: ['h2'] })).rejects.toThrow(
      /no application protocol|reset|disconnected/i,
    )
  })

  test('ends a connection that does not speak TLS, or does not speak at all, and serves the others', async () => {
    const silent = connectTcp(server.port, '127.0.0.1')
    const hasEnded = once(silent, 'close')
    silent.resume()
    expect(await talk(server.port, post('/plain')).catch(() => [])).toEqual([])
    await hasEnded
    expect(await buffer(await dialTls())).toEqual(Buffer.alloc(0))
    expect([server.seen, server.causes]).toEqual([[], []])
    expect(await served()).toBe('CN=first')
  })

  test('takes a new pair while it serves, and its connections stay', async () => {
    const before = await dialTls()
    for (const [name, replace] of Object.entries({ second: write, third: renameOver })) {
      replace(createSelfSigned(name))
      await vi.waitFor(async () => expect(await served()).toBe(`CN=${name}`), { timeout: 5_000 })
    }
    before.end(post('/first'))
    expect(answersIn(await buffer(before)).map(gist)).toEqual(['200 /first'])
    expect(events().map(({ msg }) => msg)).toEqual(['tls.reloaded', 'tls.reloaded'])
    const older = await dialTls({ maxVersion: 'TLSv1.2' })
    expect(older.getProtocol()).toBe('TLSv1.2')
    older.destroy()
  })

  test.each<[string, () => void]>([
    ['of which only one has come', () => writeFileSync(files.certFile, createSelfSigned('half').cert)],
    ['that is none', () => writeFileSync(files.certFile, 'no certificate')],
    ['that is gone', () => rmSync(files.keyFile)],
    ['that nobody may read', () => chmodSync(files.keyFile, 0o000)],
  ])('stays with the last good pair, tells it once, and takes the next good one: %s', async (name, spoil) => {
    // Root reads what nobody may.
    if (name.includes('read') && process.getuid?.() === 0) return
    spoil()
    await vi.waitFor(() => expect(events().map(({ msg }) => msg)).toEqual(['tls.refused']), {
      timeout: 5_000,
    })
    expect(events()[0]).toMatchObject({ level: 50, validTo: 'Dec 31 23:59:59 2049 GMT' })
    expect(String(events()[0]?.['problem'])).toMatch(/TLS_(CERT|KEY)_FILE/)
    // Long enough for a few more looks at the files.
    for (let handshake = 0; handshake < 20; handshake += 1) expect(await served()).toBe('CN=first')
    expect(detail()).toMatch(/^certificate valid until .* 2049 GMT; a newer one is refused: TLS_/)
    write(createSelfSigned('repaired'))
    await vi.waitFor(async () => expect(await served()).toBe('CN=repaired'), { timeout: 5_000 })
    expect(events().map(({ msg }) => msg)).toEqual(['tls.refused', 'tls.reloaded'])
    expect(detail()).toBe('certificate valid until Dec 31 23:59:59 2049 GMT')
    expect(logged.join()).not.toContain('PRIVATE')
  })
})
