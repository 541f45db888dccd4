import { X509Certificate } from 'node:crypto'
import { open } from 'node:fs/promises'
import type { Server, ServerOptions } from 'node:https'
import { setTimeout as delay } from 'node:timers/promises'
import { createSecureContext } from 'node:tls'
import { keyFileProblem } from '@signalbox/runtime/key-file-mode'
import { unreadableFile } from '@signalbox/runtime/files'
import type { Logger } from '@signalbox/runtime/log'
import { codeOf, StartProblem } from '@signalbox/runtime/start-problem'

/** What the variables TLS_CERT_FILE and TLS_KEY_FILE name. */
export type TlsFiles = { certFile?: string | undefined; keyFile?: string | undefined }

/** A certificate with its key: the last pair in the files that could be used. */
export type Certificate = {
  current(): Pair
  /** Looks at the files while the server listens, and gives it every new pair; its connections stay. */
  follow(server: Server): void
  /** For readiness: ok while any pair serves; the detail tells until when, and why a newer one is refused. */
  check(): { ok: boolean; detail: string }
}

type Pair = { cert: string; key: string; validTo: string }
type Found = { kind: 'pair'; pair: Pair } | { kind: 'refused'; problem: string }

const standardPollMs = 1_000
const protocols = { minVersion: 'TLSv1.2' } as const

/**
 * Reads the certificate to serve HTTPS with; null when neither variable is set. The files are read again every
 * `pollMs`, because notice of changes is unreliable on mounted volumes. A new pair that cannot be used is told once
 * and leaves the last one in force.
 *
 * @throws StartProblem when only one file is named, or the two cannot be used together
 */
export async function openCertificate(
  { certFile, keyFile }: TlsFiles,
  { log, pollMs = standardPollMs }: { log: Logger; pollMs?: number },
): Promise<Certificate | null> {
  if (certFile === undefined && keyFile === undefined) return null
  if (certFile === undefined) throw onlyOne({ set: 'TLS_KEY_FILE', missing: 'TLS_CERT_FILE' })
  if (keyFile === undefined) throw onlyOne({ set: 'TLS_CERT_FILE', missing: 'TLS_KEY_FILE' })
  const files = { certFile, keyFile }
  const first = await readPair(files)
  if (first.kind === 'refused') throw new StartProblem(first.problem)
  let inForce = first.pair
  let refusal: string | null = null

  async function watch(server: Server, closed: AbortSignal): Promise<void> {
    let lastProblem: string | null = null
    while (await pause(pollMs, closed)) {
      const found = await readPair(files)
      if (closed.aborted) return
      const problem = found.kind === 'refused' ? found.problem : null
      if (found.kind === 'pair') take(found.pair, server)
      // Seen twice, so that it is not one file of a new pair that came before the other.
      else if (problem === lastProblem) refuse(found.problem)
      lastProblem = problem
    }
  }

  function take(pair: Pair, server: Server): void {
    refusal = null
    if (pair.cert === inForce.cert && pair.key === inForce.key) return
    inForce = pair
    server.setSecureContext({ ...pair, ...protocols })
    log.info({ certFile, validTo: pair.validTo }, 'tls.reloaded')
  }

  function refuse(problem: string): void {
    if (problem === refusal) return
    refusal = problem
    log.error({ problem, validTo: inForce.validTo }, 'tls.refused')
  }

  return {
    current: () => inForce,
    follow(server) {
      const closed = new AbortController()
      server.once('listening', () => void watch(server, closed.signal))
      server.once('close', () => closed.abort())
    },
    check() {
      const serving = `certificate valid until ${inForce.validTo}`
      return {
        ok: true,
        detail: refusal === null ? serving : `${serving}; a newer one is refused: ${refusal}`,
      }
    },
  }
}

/** The options of an HTTPS server: its pair, TLS 1.2 and later, HTTP/1.1 alone, and a bound on handshakes. */
export function secureOptions(certificate: Certificate, limits: { headersTimeoutMs: number }): ServerOptions {
  return {
    ...certificate.current(),
    ...protocols,
    ALPNProtocols: ['http/1.1'],
    handshakeTimeout: limits.headersTimeoutMs,
  }
}

function onlyOne({ set, missing }: { set: string; missing: string }): StartProblem {
  return new StartProblem(
    `${set} is set and ${missing} is not. Set both to serve HTTPS, or neither to serve HTTP behind a proxy.`,
  )
}

async function readPair({ certFile, keyFile }: { certFile: string; keyFile: string }): Promise<Found> {
  const [cert, key] = await Promise.all([
    readNamed('TLS_CERT_FILE', certFile),
    readNamed('TLS_KEY_FILE', keyFile),
  ])
  if ('problem' in cert) return { kind: 'refused', problem: cert.problem }
  if ('problem' in key) return { kind: 'refused', problem: key.problem }
  const loose = keyFileProblem(keyFile, key, process)
  if (loose !== null) return { kind: 'refused', problem: `TLS_KEY_FILE: ${loose.problem}. ${loose.remedy}` }
  const pair = { cert: cert.text, key: key.text }
  try {
    const { validTo } = new X509Certificate(pair.cert)
    createSecureContext({ ...pair, ...protocols })
    return { kind: 'pair', pair: { ...pair, validTo } }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    return {
      kind: 'refused',
      problem:
        `TLS_CERT_FILE ${certFile} and TLS_KEY_FILE ${keyFile} cannot be used together (${reason}). ` +
        'Put the certificate, followed by those between it and its root, into the first, and its private key ' +
        'without a passphrase into the second, both as PEM.',
    }
  }
}

type ReadFile = { text: string; mode: number; uid: number }

async function readNamed(variable: string, path: string): Promise<ReadFile | { problem: string }> {
  try {
    await using file = await open(path)
    const { mode, uid } = await file.stat()
    return { text: await file.readFile('utf8'), mode, uid }
  } catch (cause) {
    return { problem: unreadableFile({ named: variable, path, problem: codeOf(cause) }) }
  }
}

/** Whether to go on after so long. */
async function pause(ms: number, closed: AbortSignal): Promise<boolean> {
  try {
    await delay(ms, undefined, { signal: closed, ref: false })
    return true
  } catch {
    return false
  }
}
