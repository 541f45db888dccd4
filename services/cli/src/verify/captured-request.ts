import { StartProblem } from '@signalbox/runtime/start-problem'
import type { Captured } from './judge.ts'

/** A request as read from a file, and what about the file is worth telling. */
export type CapturedRequest = { captured: Captured; remarks: string[] }

/**
 * Reads one raw HTTP/1 request: request line, headers, blank line, body. Line ends of the head may be LF, because
 * editors change them; the body is taken byte for byte, as long as Content-Length says, or chunk by chunk.
 *
 * @throws StartProblem when the bytes are no such request, or one without a Signature
 */
export function parseCapturedRequest(bytes: Buffer, file: string): CapturedRequest {
  const end = /\r?\n\r?\n/.exec(bytes.toString('latin1'))
  // Node reads heads as Latin-1 too, so the text is the one that an ingress sees.
  const head = bytes.toString('latin1', 0, end?.index ?? bytes.length).replace(/^(?:\r?\n)+/, '')
  const [requestLine = '', ...lines] = head.replace(/\r?\n$/, '').split(/\r?\n/)
  const [, method, uri] = /^([A-Za-z]+) +(\S+)(?: +HTTP\/\d(?:\.\d)?)?\s*$/.exec(requestLine) ?? []
  if (method === undefined || uri === undefined) {
    throw new StartProblem(
      `--request ${file} begins with no request line. The file must hold the raw request:\n\n` +
        'POST /notify HTTP/1.1\nClient-Id: …\nRequest-Time: …\nSignature: …\n\n{"referenceMerchantId": …}',
    )
  }
  const headers = readHeaders(lines, file)
  const text = (name: string) => headers.get(name) ?? ''
  if (text('signature') === '') {
    throw new StartProblem(
      `--request ${file} has no header Signature, so nothing in it is signed. Its headers: ${[...headers.keys()].join(', ')}.`,
    )
  }
  const rest = end === null ? Buffer.alloc(0) : bytes.subarray(end.index + end[0].length)
  const { body, remarks } = readBody(rest, headers)
  const prefix = text('x-forwarded-prefix')
  return {
    captured: {
      method,
      uri,
      clientId: text('client-id'),
      time: text('request-time'),
      signature: text('signature'),
      body,
      hosts: ['host', 'x-forwarded-host', 'x-original-host'].map(text).filter((host) => host !== ''),
      uris: [
        ...[
          'x-original-uri',
          'x-original-url',
          'x-forwarded-uri',
          'x-rewrite-url',
          'x-envoy-original-path',
        ].map(text),
        prefix === '' ? '' : prefix + uri,
      ].filter((told) => told !== ''),
    },
    remarks,
  }
}

/** By name in lower case; a repeated one is joined with a comma, as Node does. */
function readHeaders(lines: readonly string[], file: string): Map<string, string> {
  const headers = new Map<string, string>()
  for (const [index, line] of lines.entries()) {
    const colon = line.indexOf(':')
    if (colon < 1) {
      throw new StartProblem(
        `--request ${file}, line ${index + 2} is no header: it has no colon. A blank line must stand between headers and body.`,
      )
    }
    const name = line.slice(0, colon).trim().toLowerCase()
    const value = line.slice(colon + 1).trim()
    const before = headers.get(name)
    headers.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  return headers
}

function readBody(rest: Buffer, headers: ReadonlyMap<string, string>): { body: Buffer; remarks: string[] } {
  if (/\bchunked\s*$/i.test(headers.get('transfer-encoding') ?? '')) {
    const body = joinChunks(rest)
    return body === null
      ? {
          body: rest,
          remarks: ['Transfer-Encoding says chunked, but the body is not: it is taken as it is.'],
        }
      : { body, remarks: [] }
  }
  const length = headers.get('content-length')
  if (length === undefined || !/^\d+$/.test(length) || Number(length) === rest.length) {
    return { body: rest, remarks: [] }
  }
  const told = `Content-Length says ${length} bytes, and ${rest.length} follow the blank line`
  return Number(length) < rest.length
    ? {
        body: rest.subarray(0, Number(length)),
        remarks: [`${told}: what is beyond does not belong to the body.`],
      }
    : { body: rest, remarks: [`${told}: the capture was cut, or an editor has changed its line ends.`] }
}

function joinChunks(rest: Buffer): Buffer | null {
  const chunks: Buffer[] = []
  for (let at = 0; ; ) {
    const lineEnd = rest.indexOf('\r\n', at)
    const size = /^([0-9A-Fa-f]{1,8})(?:;.*)?$/.exec(rest.toString('latin1', at, Math.max(lineEnd, at)))?.[1]
    if (size === undefined) return null
    const start = lineEnd + 2
    const end = start + Number.parseInt(size, 16)
    if (end === start) return Buffer.concat(chunks)
    if (end > rest.length) return null
    chunks.push(rest.subarray(start, end))
    at = end + 2
  }
}
