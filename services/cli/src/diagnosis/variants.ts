import { parseRequestTime } from '@signalbox/alipay/request-time'
import type { SignedParts } from '@signalbox/alipay/signature'
import { bodyVariants } from './body-variants.ts'
import { timeVariants } from './time-variants.ts'

/** A signed text in its pieces, so that each can be another one than the protocol asks for. */
export type Message = SignedParts & {
  /** `POST ` with its blank. */
  start: string
  /** Between the two lines. */
  lineEnd: string
}

export type Part = 'uri' | 'client id' | 'time' | 'body' | 'method' | 'format'

/** Another text that a sender may have signed: which part is another one, and in words what it is there. */
export type Variant = {
  part: Part
  what: string
  change(message: Message): Message
  /** Too many of a kind to be tried together with others. */
  alone?: boolean
}

/** What else is known around a request, from which other texts can be guessed. */
export type Hints = {
  method: string
  /** Hosts that the request was sent to, `host` or `host:port`. */
  hosts: readonly string[]
  /** What proxies tell that the request target was. */
  uris: readonly string[]
  /** Paths of clients. */
  paths: readonly string[]
  clientIds: readonly string[]
}

/** The text that the protocol asks for. */
export function protocolMessage(parts: SignedParts): Message {
  return { ...parts, start: 'POST ', lineEnd: '\n' }
}

/** The texts that senders are known or likely to sign by mistake, bodies first; none is the received one. */
export function variantsOf(parts: SignedParts, hints: Hints): Variant[] {
  return [
    ...bodyVariants(parts.body).map(({ what, build }) => ({
      part: 'body' as const,
      what,
      change: (message: Message) => ({ ...message, body: build() }),
    })),
    ...uriVariants(parts.uri, hints),
    ...clientIdVariants(parts.clientId, hints),
    ...timeVariants(parts.time, parseRequestTime(parts.time)).map(({ text, what, alone }) => ({
      part: 'time' as const,
      what,
      alone,
      change: (message: Message) => ({ ...message, time: text }),
    })),
    ...methodVariants(hints),
    ...formatVariants(),
  ]
}

/** A limit on guesses from what others have written, such as many clients' paths. */
const maxHints = 50

function uriVariants(uri: string, hints: Hints): Variant[] {
  const [path, query] = splitQuery(uri)
  const tail = query === undefined ? '' : `?${query}`
  const texts = new Map<string, string>()
  const add = (text: string | null, what: string) => {
    if (text !== null && text !== uri && !texts.has(text)) texts.set(text, what)
  }
  if (query !== undefined) add(path, `without the query ${quoted(tail)}`)
  for (const told of hints.uris.slice(0, maxHints)) add(told, 'which a proxy tells to be the original')
  for (const other of hints.paths.slice(0, maxHints)) {
    const what =
      other.endsWith(path) && path !== '/'
        ? `with ${quoted(other.slice(0, -path.length))} in front`
        : 'which is a configured path'
    add(other + tail, what)
    add(other, query === undefined ? what : `${what}, without the query ${quoted(tail)}`)
  }
  for (const host of hints.hosts.slice(0, maxHints)) {
    for (const origin of [`https://${host}`, `http://${host}`, `//${host}`, host]) {
      add(origin + uri, `with ${quoted(origin)} in front`)
      add(origin + path, `with ${quoted(origin)} in front and without the query`)
    }
  }
  add(uri.replace(/^https?:\/\/[^/?]+/, ''), 'without scheme and host')
  add(decoded(uri), 'percent-decoded')
  add(decoded(path), 'percent-decoded and without the query')
  add(encodeURI(uri), 'percent-encoded')
  add(path.endsWith('/') ? path.slice(0, -1) + tail : `${path}/${tail}`, slashWords(path))
  add(path.endsWith('/') ? path.slice(0, -1) : `${path}/`, `${slashWords(path)} and without the query`)
  add(uri.replaceAll(/\/{2,}/g, '/'), 'with doubled slashes made one')
  add(uri.replace(/^\//, ''), 'without the leading slash')
  add(uri.toLowerCase(), 'in lower case')
  for (let rest = path, taken = 0; taken < maxSegments; taken++) {
    const next = rest.indexOf('/', 1)
    if (next < 0) break
    rest = rest.slice(next)
    add(rest + tail, `without ${quoted(path.slice(0, -rest.length))} in front`)
  }
  for (const api of ownPathsOfAlipay) add(api, "which is the path of Alipay's own API")
  add('/', 'the root alone')
  add('', 'nothing at all')
  return [...texts].map(([text, what]) => ({
    part: 'uri',
    what: text === '' || text === '/' ? what : `${quoted(text)} ${what}`,
    change: (message) => ({ ...message, uri: text }),
  }))
}

const maxSegments = 8
const ownPathsOfAlipay = [
  '/aps/api/v1/merchants/notifyRegistrationStatus',
  '/ams/api/v1/merchants/notifyRegistrationStatus',
]

function clientIdVariants(clientId: string, hints: Hints): Variant[] {
  const texts = new Map<string, string>()
  const add = (text: string, what: string) => {
    if (text !== clientId && !texts.has(text)) texts.set(text, what)
  }
  add(clientId.trim(), 'without the blanks around it')
  for (const other of hints.clientIds.slice(0, maxHints)) add(other, 'which is another client')
  add(clientId.toLowerCase(), 'in lower case')
  add(clientId.toUpperCase(), 'in upper case')
  add('', 'nothing at all')
  for (const word of ['null', 'undefined', 'None']) add(word, 'where the sender has no value')
  return [...texts].map(([text, what]) => ({
    part: 'client id',
    what: text === '' ? what : `${quoted(text)} ${what}`,
    change: (message) => ({ ...message, clientId: text }),
  }))
}

function methodVariants({ method }: Hints): Variant[] {
  return [...new Set([`${method} `, 'post ', 'Post ', 'GET ', 'PUT ', 'POST', ''])]
    .filter((start) => start !== 'POST ')
    .map((start) => ({
      part: 'method',
      what: start === '' ? 'no method at all' : `${quoted(start)} in place of 'POST '`,
      change: (message) => ({ ...message, start }),
    }))
}

function formatVariants(): Variant[] {
  return [
    {
      part: 'format',
      what: 'CR LF between the two lines',
      change: (message) => ({ ...message, lineEnd: '\r\n' }),
    },
    {
      part: 'format',
      what: 'a blank between the two lines',
      change: (message) => ({ ...message, lineEnd: ' ' }),
    },
    {
      part: 'format',
      what: 'nothing between the two lines',
      change: (message) => ({ ...message, lineEnd: '' }),
    },
    {
      part: 'format',
      what: String.raw`the two characters \n between the two lines`,
      change: (message) => ({ ...message, lineEnd: String.raw`\n` }),
    },
    {
      part: 'format',
      what: 'the second line alone',
      change: (message) => ({ ...message, start: '', uri: '', lineEnd: '' }),
    },
  ]
}

function splitQuery(uri: string): [path: string, query: string | undefined] {
  const mark = uri.indexOf('?')
  return mark < 0 ? [uri, undefined] : [uri.slice(0, mark), uri.slice(mark + 1)]
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null // a bad escape: nobody signs what cannot be decoded
  }
}

function slashWords(path: string): string {
  return path.endsWith('/') ? 'without the slash at its end' : 'with a slash at its end'
}

const maxShownLetters = 200

/** In quotes, with control characters made visible, and not endless. */
export function quoted(text: string): string {
  const shown = text.length > maxShownLetters ? `${text.slice(0, maxShownLetters)}…` : text
  return `'${JSON.stringify(shown).slice(1, -1).replaceAll(String.raw`\"`, '"')}'`
}
