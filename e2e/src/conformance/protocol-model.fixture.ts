import { type Code, isSignedBy } from './answers.fixture.ts'
import type { Clients, KnownClient } from './clients.fixture.ts'
import { joinedHeader, type WireRequest } from './wire/request.fixture.ts'

/** What the protocol says must become of a request. */
export type Verdict = {
  code: Code
  kept: 'raw' | 'nowhere' | 'not_json_object' | 'unroutable'
  /** For whom the answer is signed, over the request target. */
  signedFor: KnownClient | null
}

const maxHeaders = 64

/**
 * Judges requests from the text of protocol.md, in its order of checks, and shares no code with the product. It knows
 * an ingress of standard settings, without a limit on age.
 */
export function createProtocolModel(clients: Clients) {
  const known = Object.values(clients)

  return function verdictOn(request: WireRequest): Verdict {
    const header = (name: string) => joinedHeader(request.headers, name)
    const path = request.target.replace(/\?.*$/s, '')
    const client = known.find(({ clientId }) => clientId === header('client-id'))
    const signedFor = client?.paths.includes(path) === true ? client : null
    const refused = (code: Code): Verdict => ({ code, kept: 'nowhere', signedFor })

    if (!known.some(({ paths }) => paths.includes(path))) return refused('NO_INTERFACE_DEF')
    if (request.method !== 'POST') return refused('METHOD_NOT_SUPPORTED')
    if (!isJson(header('content-type'))) return refused('MEDIA_TYPE_NOT_ACCEPTABLE')
    if ((header('content-encoding') ?? 'identity') !== 'identity') return refused('MEDIA_TYPE_NOT_ACCEPTABLE')
    // The framing is one header more.
    if (request.headers.length + 1 > maxHeaders) return refused('PARAM_ILLEGAL')
    if ((header('encrypt') ?? '') !== '') return refused('PARAM_ILLEGAL')
    const time = header('request-time') ?? ''
    if (!isRequestTime(time)) return refused('PARAM_ILLEGAL')
    if (client === undefined) return refused('INVALID_CLIENT')
    if (signedFor === null) return refused('ACCESS_DENIED')
    const signature = readSignature(header('signature') ?? '')
    if (signature === null) return refused('INVALID_SIGNATURE')
    const keys = keysFor(client, signature.version)
    if (keys.length === 0) return refused('KEY_NOT_FOUND')
    const message = { uri: request.target, clientId: client.clientId, time, body: request.body }
    const isGenuine = keys.some(({ publicKey }) => isSignedBy(message, signature.bytes, publicKey))
    if (!isGenuine) return refused('INVALID_SIGNATURE')

    const body = readObject(request.body)
    if (body === null) return { code: 'PARAM_ILLEGAL', kept: 'not_json_object', signedFor }
    const ids = [body['referenceMerchantId'], body['registrationRequestId']]
    const isRoutable = ids.some((id) => typeof id === 'string' && id !== '')
    if (!isRoutable) return { code: 'PARAM_ILLEGAL', kept: 'unroutable', signedFor }
    return { code: 'SUCCESS', kept: 'raw', signedFor }
  }
}

function isJson(contentType: string | undefined): boolean {
  if (contentType === undefined) return true
  const [type = '', ...params] = contentType
    .toLowerCase()
    .split(';')
    .map((part) => part.trim())
  const charset = params.find((param) => param.startsWith('charset='))?.slice('charset='.length)
  return type === 'application/json' && ['utf-8', '"utf-8"', undefined].includes(charset)
}

const daysOfMonth = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

function isRequestTime(text: string): boolean {
  if (/^\d{13}$/.test(text)) return true
  const parts = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?(?:Z|[+-](\d\d):?(\d\d))$/.exec(
    text,
  )
  if (parts === null) return false
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.slice(1, 7).map(Number)
  const [offsetHours = 0, offsetMinutes = 0] = parts.slice(7).map((digits) => Number(digits ?? 0))
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
  const days = (daysOfMonth[month - 1] ?? 0) + (month === 2 && isLeap ? 1 : 0)
  return (
    day >= 1 &&
    day <= days &&
    hour < 24 &&
    minute < 60 &&
    second < 60 &&
    offsetHours < 24 &&
    offsetMinutes < 60
  )
}

function readSignature(text: string): { version: string | null; bytes: Buffer } | null {
  const params = new Map<string, string>()
  for (const [index, param] of text.split(',').entries()) {
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(index === 0 ? param : param.replace(/^[ \t]+/, '')) ?? []
    if (name === undefined || value === undefined) return null
    const isKnown = name === 'algorithm' || name === 'keyVersion' || name === 'signature'
    if (isKnown && params.has(name)) return null
    params.set(name, value)
  }
  const version = params.get('keyVersion') ?? null
  if ((params.get('algorithm') ?? 'RSA256').toUpperCase() !== 'RSA256') return null
  if (version !== null && !/^\d+$/.test(version)) return null
  const encoded = params.get('signature') ?? ''
  if (/%(?![0-9a-fA-F]{2})/.test(encoded)) return null
  const base64 = encoded.replaceAll(/%(..)/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64) || base64.length % 4 !== 0) return null
  return { version, bytes: Buffer.from(base64, 'base64') }
}

function keysFor({ alipayKeys, anyKeyVersion, newestVersion }: KnownClient, version: string | null) {
  const named = alipayKeys.get(version ?? newestVersion)
  const first = named === undefined || named.state === 'retired' ? [] : [named]
  const others = anyKeyVersion ? [...alipayKeys.values()].filter(({ state }) => state === 'active') : []
  return [...first, ...others]
}

function readObject(bytes: Buffer): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null
  } catch {
    return null
  }
}
