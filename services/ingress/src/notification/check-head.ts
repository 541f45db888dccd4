import type { IncomingHttpHeaders } from 'node:http'
import { parseRequestTime } from '@signalbox/alipay/request-time'
import type { ResultCode } from '@signalbox/alipay/result'
import { parseSignatureHeader } from '@signalbox/alipay/signature'
import {
  candidateKeys,
  type Client,
  type ClientDirectory,
  type VersionedKey,
} from '@signalbox/key-ring/client-directory'
import { isPlainEncoding, isReadableMediaType } from './media-type.ts'

/** What a request says before its body. */
export type RequestHead = {
  method: string
  /** The raw request target: never decoded, folded or completed, because it is what was signed. */
  target: string
  headers: IncomingHttpHeaders
  /** Names and values in turn, as they came. */
  rawHeaders: readonly string[]
  httpVersion: string
}

export type HeadRefusal =
  | 'unknown_path'
  | 'method'
  | 'media_type'
  | 'content_encoding'
  | 'body_too_large'
  | 'too_many_headers'
  | 'host'
  | 'encrypted'
  | 'request_time'
  | 'unknown_client'
  | 'client_not_on_path'
  | 'signature_header'
  | 'unknown_key'
  | 'signature_length'

/** Who gets a signed answer and for which uri: a known client on a path of its own, nobody else. */
export type Addressee = { client: Client; uri: string }

/** A head that may be followed by a notification; only the signature can tell. */
export type AdmittedHead = {
  kind: 'admitted'
  addressee: Addressee
  requestTime: string
  requestTimeMs: number
  /** The Signature header as received, and the signature in it. */
  signatureHeader: string
  signature: Buffer
  /** The keys that may have made it, likeliest first; at least one. */
  keys: readonly VersionedKey[]
  /** What Content-Length says; 0 of a chunked body, whose size nobody knows. */
  declaredBytes: number
  traceparent: string | null
}

export type CheckedHead =
  | AdmittedHead
  | { kind: 'refused'; addressee: Addressee | null; code: ResultCode; reason: HeadRefusal }

const maxHeaders = 64

/** Checks everything that can be checked before the body is read, the cheapest first. */
export function checkHead(
  head: RequestHead,
  { directory, bodyLimitBytes }: { directory: ClientDirectory; bodyLimitBytes: number },
): CheckedHead {
  const { method, headers } = head
  const path = pathOf(head.target)
  const client = directory.find(headerText(headers, 'client-id') ?? '')
  const addressee = client?.paths.has(path) ? { client, uri: head.target } : null
  const refused = (code: ResultCode, reason: HeadRefusal) =>
    ({ kind: 'refused', addressee, code, reason }) as const

  if (!directory.hasPath(path)) return refused('NO_INTERFACE_DEF', 'unknown_path')
  if (method !== 'POST') return refused('METHOD_NOT_SUPPORTED', 'method')
  if (!isReadableMediaType(headers['content-type'])) return refused('MEDIA_TYPE_NOT_ACCEPTABLE', 'media_type')
  if (!isPlainEncoding(headers['content-encoding'])) {
    return refused('MEDIA_TYPE_NOT_ACCEPTABLE', 'content_encoding')
  }
  const declaredBytes = Number(headers['content-length'] ?? 0)
  if (declaredBytes > bodyLimitBytes) return refused('PARAM_ILLEGAL', 'body_too_large')

  if (head.rawHeaders.length > 2 * maxHeaders) return refused('PARAM_ILLEGAL', 'too_many_headers')
  if (!namesOneHost(head)) return refused('PARAM_ILLEGAL', 'host')
  if (headerText(headers, 'encrypt')) return refused('PARAM_ILLEGAL', 'encrypted')
  const requestTime = headerText(headers, 'request-time') ?? ''
  const requestTimeMs = parseRequestTime(requestTime)
  if (requestTimeMs === null) return refused('PARAM_ILLEGAL', 'request_time')

  if (client === undefined) return refused('INVALID_CLIENT', 'unknown_client')
  if (addressee === null) return refused('ACCESS_DENIED', 'client_not_on_path')

  const signatureHeader = headerText(headers, 'signature') ?? ''
  const signature = parseSignatureHeader(signatureHeader)
  if (signature === null) return refused('INVALID_SIGNATURE', 'signature_header')
  const candidates = candidateKeys(client, signature.keyVersion)
  if (candidates.length === 0) return refused('KEY_NOT_FOUND', 'unknown_key')
  const keys = candidates.filter(({ signatureBytes }) => signatureBytes === signature.signature.length)
  if (keys.length === 0) return refused('INVALID_SIGNATURE', 'signature_length')

  return {
    kind: 'admitted',
    addressee,
    requestTime,
    requestTimeMs,
    signatureHeader,
    signature: signature.signature,
    keys,
    declaredBytes,
    traceparent: wellFormedTraceparent(headerText(headers, 'traceparent')),
  }
}

/** HTTP/1.1 asks for exactly one Host, and Node would take the first of two; HTTP/1.0 knows none. */
function namesOneHost({ rawHeaders, httpVersion }: RequestHead): boolean {
  let hosts = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += 1
  }
  return hosts === 1 || (hosts === 0 && httpVersion === '1.0')
}

function pathOf(target: string): string {
  const query = target.indexOf('?')
  return query < 0 ? target : target.slice(0, query)
}

/** Node joins a header that comes twice with ", ", so a doubled id or time fails by itself. */
function headerText(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' ? value : undefined
}

const traceparentForm = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/

function wellFormedTraceparent(text: string | undefined): string | null {
  return text !== undefined && traceparentForm.test(text) ? text : null
}
